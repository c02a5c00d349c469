//! The persister's side in SQLite: partitions, the outbox, dead letters. Batches are in `commit`.

mod commit;

use std::time::Duration;

use async_trait::async_trait;
use parley_proto::{Cid, Cursor, LogId, MessageId, PartitionId, RoomId, UnixMillis, UserId};

use super::{BATCH_DEADLINE, SqliteStore, UNTOLD, call, next_of, sql, within};
use crate::store::{
    Snapshot, StoreUnavailable,
    projection::{Batch, CommitError, Committed, DeadLetter, OutboxRow, Outcomes, PartitionState, Partitions, Phase, Projection, RecordHash},
};

#[derive(sqlx::FromRow)]
struct PartitionRow {
    partition: i64,
    phase: String,
    log_id: Vec<u8>,
    epoch: i64,
    next: i64,
    applied: i64,
    superseded: i64,
    duplicate: i64,
    expired: i64,
    dead_letter: i64,
    control: i64,
    last_hash: Option<Vec<u8>>,
}

impl PartitionRow {
    fn state(self) -> Result<PartitionState, sqlx::Error> {
        let hash = |bytes: Vec<u8>| bytes.try_into().map(RecordHash).map_err(|_| sqlx::Error::Decode("a hash has 16 bytes".into()));
        Ok(PartitionState {
            partition: sql::partition(self.partition)?,
            phase: if self.phase == "open" { Phase::Open } else { Phase::Opening },
            log_id: LogId(sql::uuid(&self.log_id)?),
            epoch: u16::try_from(self.epoch).map_err(|error| sqlx::Error::Decode(error.into()))?,
            next: sql::cursor(self.next),
            outcomes: Outcomes {
                applied: sql::count(self.applied),
                superseded: sql::count(self.superseded),
                duplicate: sql::count(self.duplicate),
                expired: sql::count(self.expired),
                dead_letter: sql::count(self.dead_letter),
                control: sql::count(self.control),
            },
            last_hash: self.last_hash.map(hash).transpose()?,
        })
    }
}

#[async_trait]
impl Partitions for SqliteStore {
    async fn partition(&self, partition: PartitionId, log_id: LogId) -> Result<PartitionState, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            sqlx::query("insert into partitions (partition, phase, log_id) values (?, 'opening', ?) on conflict do nothing")
                .bind(i64::from(partition.0))
                .bind(sql::blob(log_id.0))
                .execute(&mut *tx)
                .await?;
            let row: PartitionRow = sqlx::query_as("select * from partitions where partition = ?").bind(i64::from(partition.0)).fetch_one(&mut *tx).await?;
            tx.commit().await?;
            row.state()
        })
        .await
    }

    async fn partitions(&self) -> Result<Vec<PartitionState>, StoreUnavailable> {
        call(async {
            let rows: Vec<PartitionRow> = sqlx::query_as("select * from partitions order by partition").fetch_all(&self.readers).await?;
            rows.into_iter().map(PartitionRow::state).collect()
        })
        .await
    }

    async fn open_partition(&self, partition: PartitionId) -> Result<(), StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            sqlx::query("update partitions set phase = 'open' where partition = ?").bind(i64::from(partition.0)).execute(&mut *tx).await?;
            tx.commit().await
        })
        .await
    }
}

#[derive(sqlx::FromRow)]
struct StoredOutboxRow {
    id: Vec<u8>,
    room: Vec<u8>,
    sender: Vec<u8>,
    body: String,
    created_at: i64,
}

impl StoredOutboxRow {
    fn outbox_row(self) -> Result<OutboxRow, sqlx::Error> {
        Ok(OutboxRow {
            id: Cid(sql::uuid(&self.id)?),
            room: RoomId(sql::uuid(&self.room)?),
            sender: UserId(sql::uuid(&self.sender)?),
            body: self.body,
            created_at: UnixMillis(self.created_at),
        })
    }
}

#[async_trait]
impl Projection for SqliteStore {
    async fn commit(&self, batch: &Batch) -> Result<Committed, CommitError> {
        within(BATCH_DEADLINE, async {
            let mut tx = self.write().await.map_err(StoreUnavailable::from)?;
            let committed = commit::write(&mut tx, batch).await?;
            tx.commit().await.map_err(StoreUnavailable::from)?;
            Ok(committed)
        })
        .await
    }

    async fn outbox_partitions(&self) -> Result<Vec<PartitionId>, StoreUnavailable> {
        call(async {
            let partitions: Vec<i64> =
                sqlx::query_scalar("select partition from partitions where exists (select 1 from outbox where outbox.partition = partitions.partition)")
                    .fetch_all(&self.readers)
                    .await?;
            partitions.into_iter().map(sql::partition).collect()
        })
        .await
    }

    async fn outbox_changed(&self, interval: Duration) {
        // All rows are ours. A commit that was given up while it was under way may have made some and told nobody.
        _ = tokio::time::timeout(interval.max(UNTOLD), self.announced.notified()).await;
    }

    async fn outbox(&self, partition: PartitionId, limit: usize) -> Result<Snapshot<Vec<OutboxRow>>, StoreUnavailable> {
        call(async {
            let mut tx = self.read().await?;
            let next = next_of(&mut tx, partition).await?;
            let rows: Vec<StoredOutboxRow> = sqlx::query_as("select id, room, sender, body, created_at from outbox where partition = ? order by n limit ? + 0")
                .bind(i64::from(partition.0))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&mut *tx)
                .await?;
            Ok(Snapshot { next, value: rows.into_iter().map(StoredOutboxRow::outbox_row).collect::<Result<_, _>>()? })
        })
        .await
    }

    async fn dead_letters(&self, partition: PartitionId, from: Cursor, limit: usize) -> Result<Vec<DeadLetter>, StoreUnavailable> {
        call(async {
            let rows: Vec<(i64, String, Vec<u8>, Option<i64>)> = sqlx::query_as(
                "select position, reason, bytes, redriven from dead_letters where partition = ? and position >= ? order by position limit ? + 0",
            )
            .bind(i64::from(partition.0))
            .bind(sql::int(from.0))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
            Ok(rows
                .into_iter()
                .map(|(position, reason, bytes, redriven)| DeadLetter {
                    partition,
                    position: sql::position(position),
                    reason,
                    bytes: bytes.into(),
                    redriven: redriven.map(sql::position),
                })
                .collect())
        })
        .await
    }

    async fn tally(&self, message: MessageId) -> Result<(i64, u64), StoreUnavailable> {
        call(async {
            let tally: Option<(i64, i64)> =
                sqlx::query_as("select sum, count from tallies where message = ?").bind(sql::blob(message.0)).fetch_optional(&self.readers).await?;
            Ok(tally.map_or((0, 0), |(sum, count)| (sum, sql::count(count))))
        })
        .await
    }
}
