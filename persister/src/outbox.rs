//! From the store to the log: changes of rooms and members become records.
//!
//! Rows go in the order of one snapshot, each with the snapshot's N as floor: a row that was still there has no occurrence below N, so a copy is a
//! duplicate. The next row is handed over only when the log reported the one before it within the window of its floor; anything else starts again
//! from a new snapshot.

use std::{sync::Arc, time::Duration};

use parley_engines::{log::Appended, store::projection::OutboxRow};
use parley_proto::{Body, Cursor, Kind, PartitionId, Position, Record, WINDOW, check::check_record, codec::encode};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{PartitionStatus, consume::Shared, metrics, retry::Backoff};

/// Rows of one snapshot.
const ROWS: usize = 256;
/// How long rows that were appended may take to come back; after it they are appended again, as duplicates.
const RETURN_DEADLINE: Duration = Duration::from_secs(30);

/// Empties the partition's outbox into the log until the process ends or the partition stops.
pub(crate) async fn run(shared: Arc<Shared>, partition: PartitionId, nudge: Arc<Notify>) {
    let ended = async {
        let _ = shared.status.watch(partition).wait_for(|status| matches!(status, PartitionStatus::Stopped(_))).await;
    };
    tokio::select! {
        () = shared.shutdown.cancelled() => {}
        () = ended => {}
        () = pump(&shared, partition, &nudge) => {}
    }
}

async fn pump(shared: &Shared, partition: PartitionId, nudge: &Notify) {
    let mut backoff = Backoff::new(&shared.config);
    let mut status = shared.status.watch(partition);
    // Not before its genesis is in the log.
    let _ = status.wait_for(|status| matches!(status, PartitionStatus::Running { .. })).await;
    loop {
        match append_snapshot(shared, partition).await {
            Ok(None) => {
                tokio::select! {
                    () = nudge.notified() => {}
                    () = sleep(shared.config.outbox_interval) => {}
                }
            }
            Ok(Some(last)) => {
                backoff.reset();
                let returned = status.wait_for(|status| matches!(status, PartitionStatus::Running { next } if *next > last.at()));
                let _ = timeout(RETURN_DEADLINE, returned).await;
            }
            Err(error) => {
                tracing::warn!(log.partition = partition.0, error, "the outbox starts again from a new snapshot");
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
