//! From the store to the log: changes of rooms and members become records.
//!
//! Rows go in the order of one snapshot, each with the snapshot's N as floor: a row that was still there has no occurrence below N, so a copy is a
//! duplicate. The next row is handed over only when the log reported the one before it within the window of its floor; anything else starts again
//! from a new snapshot.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use parley_engines::{log::Appended, store::projection::OutboxRow};
use parley_proto::{Body, Cursor, Kind, PartitionId, Position, Record, WINDOW, check::check_record, codec::encode};
use tokio::{sync::Notify, time::timeout};

use crate::{PartitionStatus, consume::Shared, metrics, retry::Backoff};

/// Rows of one snapshot.
const ROWS: usize = 256;
/// How long rows that were appended may take to come back; after it they are appended again, as duplicates.
const RETURN_DEADLINE: Duration = Duration::from_secs(30);

/// Wakes those whose partition has rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looks(Arc<Mutex<BTreeMap<PartitionId, Arc<Notify>>>>);

impl Looks {
    /// What wakes the work on this partition.
    pub(crate) fn of(&self, partition: PartitionId) -> Arc<Notify> {
        Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(partition).or_default())
    }
}

/// Looks for rows again and again: one question, however many partitions there are.
pub(crate) async fn look(shared: Shared, looks: Looks) {
    let mut backoff = Backoff::new(&shared.config);
    let looking = async {
        loop {
            match shared.store.outbox_partitions().await {
                Ok(partitions) => {
                    backoff.reset();
                    partitions.into_iter().filter(|partition| shared.status.has(*partition)).for_each(|partition| looks.of(partition).notify_one());
                    shared.store.outbox_changed(shared.config.outbox_interval).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox can't be seen");
                    backoff.pause().await;
                }
            }
        }
    };
    tokio::select! {
        () = shared.shutdown.cancelled() => {}
        () = looking => {}
    }
}

/// Empties the partition's outbox into the log until its work ends or the partition stops.
pub(crate) async fn run(shared: Arc<Shared>, partition: PartitionId, look: Arc<Notify>) {
    tokio::select! {
        () = shared.shutdown.cancelled() => {}
        () = shared.status.until(partition, |status| matches!(status, PartitionStatus::Stopped(_))) => {}
        () = pump(&shared, partition, &look) => {}
    }
}

async fn pump(shared: &Shared, partition: PartitionId, look: &Notify) {
    let mut backoff = Backoff::new(&shared.config);
    // Not before its genesis is in the log.
    shared.status.until(partition, |status| matches!(status, PartitionStatus::Running { .. })).await;
    loop {
        match append_snapshot(shared, partition).await {
            Ok(None) => look.notified().await,
            Ok(Some(last)) => {
                backoff.reset();
                let returned = shared.status.until(partition, |status| matches!(status, PartitionStatus::Running { next } if *next > last.at()));
                let _ = timeout(RETURN_DEADLINE, returned).await;
            }
            Err(error) => {
                tracing::warn!(outbox.partition = partition.0, error, "the outbox starts again from a new snapshot");
                backoff.pause().await;
            }
        }
    }
}

/// Appends the rows of one snapshot; where the last one lies, `None` if there was none.
async fn append_snapshot(shared: &Shared, partition: PartitionId) -> Result<Option<Position>, String> {
    let snapshot = shared.store.outbox(partition, ROWS).await.map_err(|error| error.to_string())?;
    let mut last = None;
    for row in snapshot.value {
        last = Some(append(shared, partition, row, snapshot.next).await?);
    }
    Ok(last)
}

async fn append(shared: &Shared, partition: PartitionId, row: OutboxRow, floor: Cursor) -> Result<Position, String> {
    let record = Record {
        kind: Kind::System,
        room: row.room,
        sender: row.sender,
        cid: row.id,
        base: Cursor::ZERO,
        floor,
        auth: Cursor::ZERO,
        target: None,
        value: 0,
        body: Body::Plain(row.body),
        imported: false,
        sent_at: row.created_at,
    };
    check_record(&record, partition).map_err(|reason| format!("outbox row {}: {reason}", record.cid))?;
    let receipt = shared.log.enqueue(partition, record.room, encode(&record)).map_err(|error| error.to_string())?;
    match timeout(shared.config.append_deadline, receipt).await {
        Ok(Appended::At(position)) if position.at().since(floor) <= WINDOW => {
            metrics::outbox_appended();
            Ok(position)
        }
        Ok(Appended::At(position)) => Err(format!("appended at {position}, too far above its floor {floor}")),
        Ok(other) => Err(format!("the log says {other:?}")),
        Err(_) => Err("the log does not answer".to_owned()),
    }
}
