//! The persister's side in Postgres: partitions, the outbox, dead letters. Batches are in `commit`.

mod commit;

use async_trait::async_trait;
use parley_proto::{Cid, Cursor, LogId, MessageId, PartitionId, RoomId, UnixMillis, UserId};
use uuid::Uuid;

use super::{PostgresStore, next_of, sql, stalled, within};
use crate::store::{
    Snapshot, StoreUnavailable,
    projection::{Batch, CommitError, Committed, DeadLetter, OutboxRow, Outcomes, PartitionState, Partitions, Phase, Projection, RecordHash},
};

#[derive(sqlx::FromRow)]
struct PartitionRow {
    partition: i32,
    phase: String,
    log_id: Uuid,
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
            log_id: LogId(self.log_id),
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
impl Partitions for PostgresStore {
    async fn partition(&self, partition: PartitionId, log_id: LogId) -> Result<PartitionState, StoreUnavailable> {
        self.call(async {
            let mut tx = self.write().await?;
            sqlx::query("insert into partitions (partition, phase, log_id) values ($1, 'opening', $2) on conflict do nothing")
                .bind(i32::from(partition.0))
                .bind(log_id.0)
                .execute(&mut *tx)
                .await?;
            let row: PartitionRow = sqlx::query_as("select * from partitions where partition = $1").bind(i32::from(partition.0)).fetch_one(&mut *tx).await?;
            tx.done().await?;
            row.state()
        })
        .await
    }

    async fn partitions(&self) -> Result<Vec<PartitionState>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<PartitionRow> = sqlx::query_as("select * from partitions order by partition").fetch_all(&mut *connection).await?;
            connection.done().await?;
            rows.into_iter().map(PartitionRow::state).collect()
        })
        .await
    }

    async fn open_partition(&self, partition: PartitionId) -> Result<(), StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            sqlx::query("update partitions set phase = 'open' where partition = $1").bind(i32::from(partition.0)).execute(&mut *connection).await?;
            connection.done().await
        })
        .await
    }
}

impl PostgresStore {
    async fn end_stalled_copies(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.statement().await?;
        let ended = stalled::end_stalled_copies(&mut connection).await?;
        connection.done().await?;
        if ended > 0 {
            tracing::warn!(ended, "persisters that stopped in the middle of a COPY were ended: they held what a batch needs");
        }
        Ok(())
    }
}

#[derive(sqlx::FromRow)]
struct StoredOutboxRow {
    id: Uuid,
    room: Uuid,
    sender: Uuid,
    body: String,
    created_at: i64,
}

impl StoredOutboxRow {
    fn outbox_row(self) -> OutboxRow {
        OutboxRow { id: Cid(self.id), room: RoomId(self.room), sender: UserId(self.sender), body: self.body, created_at: UnixMillis(self.created_at) }
    }
}

#[async_trait]
impl Projection for PostgresStore {
    async fn commit(&self, batch: &Batch) -> Result<Committed, CommitError> {
        within(self.config.batch_deadline, async {
            let mut tx = self.write_batch().await.map_err(commit::error)?;
            let written = commit::write(&mut tx, batch).await;
            if written.as_ref().is_err_and(commit::is_locked_out) {
                drop(tx);
                self.end_stalled_copies().await.map_err(commit::error)?;
                return Err(StoreUnavailable("another holds what this batch needs".to_owned()).into());
            }
            let Some(committed) = written.map_err(commit::error)? else {
                let next = next_of(&mut tx, batch.partition).await.map_err(commit::error)?;
                tx.rollback().await.map_err(commit::error)?;
                return Err(match next {
                    next if next == batch.from => StoreUnavailable(format!("partition {} has no row", batch.partition)).into(),
                    next => CommitError::Moved { next },
                });
            };
            tx.done().await.map_err(commit::error)?;
            Ok(committed)
        })
        .await
    }

    async fn outbox_partitions(&self) -> Result<Vec<PartitionId>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let partitions: Vec<i32> =
                sqlx::query_scalar("select partition from partitions where exists (select 1 from outbox where outbox.partition = partitions.partition)")
                    .fetch_all(&mut *connection)
                    .await?;
            connection.done().await?;
            partitions.into_iter().map(sql::partition).collect()
        })
        .await
    }

    async fn outbox(&self, partition: PartitionId, limit: usize) -> Result<Snapshot<Vec<OutboxRow>>, StoreUnavailable> {
        self.call(async {
            let mut tx = self.snapshot().await?;
            let next = next_of(&mut tx, partition).await?;
            let rows: Vec<StoredOutboxRow> = sqlx::query_as("select id, room, sender, body, created_at from outbox where partition = $1 order by n limit $2")
                .bind(i32::from(partition.0))
                .bind(sql::limit(limit))
                .fetch_all(&mut *tx)
                .await?;
            tx.done().await?;
            Ok(Snapshot { next, value: rows.into_iter().map(StoredOutboxRow::outbox_row).collect() })
        })
        .await
    }

    async fn dead_letters(&self, partition: PartitionId, from: Cursor, limit: usize) -> Result<Vec<DeadLetter>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<(i64, String, Vec<u8>, Option<i64>)> =
                sqlx::query_as("select position, reason, bytes, redriven from dead_letters where partition = $1 and position >= $2 order by position limit $3")
                    .bind(i32::from(partition.0))
                    .bind(sql::int(from.0))
                    .bind(sql::limit(limit))
                    .fetch_all(&mut *connection)
                    .await?;
            connection.done().await?;
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
        self.call(async {
            let mut connection = self.statement().await?;
            let tally: Option<(i64, i64)> =
                sqlx::query_as("select sum, count from tallies where message = $1").bind(message.0).fetch_optional(&mut *connection).await?;
            connection.done().await?;
            Ok(tally.map_or((0, 0), |(sum, count)| (sum, sql::count(count))))
        })
        .await
    }
}
