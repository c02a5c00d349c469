//! The one writer: takes what is queued, writes it in one transaction, then answers. While one commit waits for the disk, the next one gathers.
//!
//! A failed commit's senders get `unknown`; the writer then opens a new connection and asks the file where each partition ends.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use parley_proto::{Cursor, PartitionId, Position};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::time::Instant;

use super::{Shared, key, queue::Pending};
use crate::{
    folder_lock::FolderLock,
    log::{Appended, metrics},
};

/// So many records are one statement, which is a transaction by itself: one answer of the database's thread is waited for instead of three.
const ALONE_MAX: usize = 16;
/// Rows per INSERT of more: the largest of these that fit, and then what is left, so that few prepared statements serve every size.
const ROWS_PER_INSERT: [usize; 3] = [256, 64, ALONE_MAX];

const RECONNECT_AFTER: Duration = Duration::from_millis(100);
const RECONNECT_AFTER_MAX: Duration = Duration::from_secs(1);

/// How often a closing log tries to open its file again before it gives up on what is queued.
const RECONNECTS_WHEN_CLOSING: u32 = 3;

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) options: SqliteConnectOptions,
    pub(super) records_max: usize,
    pub(super) bytes_max: usize,
    /// Let go when nothing of this log touches the folder any more.
    pub(super) lock: FolderLock,
}

impl Writer {
    /// Runs until the queue is closed and written.
    pub(super) async fn run(self, connection: SqliteConnection) {
        let mut connection = Some(connection);
        while let Some(open) = &mut connection
            && let Some(batch) = self.shared.queue.take(self.records_max, self.bytes_max).await
        {
            let began = Instant::now();
            match self.commit(open, &batch).await {
                Ok(positions) => {
                    metrics::committed(batch.len(), began.elapsed());
                    self.keep(&batch, &positions);
                    self.answer(batch, &positions);
                    self.shared.queue.settled();
                }
                Err(error) => {
                    tracing::error!(%error, commit.records = batch.len(), "a commit to the log failed; its senders are told that the outcome is unknown");
                    metrics::commit_failed();
                    drop(batch);
                    self.shared.queue.settled();
                    connection = self.reconnect(connection.take()).await;
                }
            }
        }
        self.finish(connection).await;
    }

    /// Writes the batch at the partitions' ends; returns each record's position.
    async fn commit(&self, connection: &mut SqliteConnection, batch: &[Pending]) -> Result<Vec<Position>, sqlx::Error> {
        let mut ends: Vec<Cursor> = self.shared.ends.iter().map(|end| *end.borrow()).collect();
        let positions: Vec<_> = batch
            .iter()
            .map(|pending| {
                let end = &mut ends[usize::from(pending.partition.0)];
                let position = end.position();
                *end = position.next();
                position
            })
            .collect();
        if batch.len() <= ALONE_MAX {
            insert(batch, &positions, connection).await?;
            return Ok(positions);
        }
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut written = 0;
        while written < batch.len() {
            let left = batch.len() - written;
            let rows = ROWS_PER_INSERT.into_iter().find(|rows| *rows <= left).unwrap_or(left);
            insert(&batch[written..][..rows], &positions[written..], &mut transaction).await?;
            written += rows;
        }
        transaction.commit().await?;
        Ok(positions)
    }

    /// Before the ends move: who follows finds it in memory.
    fn keep(&self, batch: &[Pending], positions: &[Position]) {
        for (pending, position) in batch.iter().zip(positions) {
            let mut recent = self.shared.recent[usize::from(pending.partition.0)].lock().unwrap_or_else(PoisonError::into_inner);
            recent.push(*position, pending.bytes.clone());
        }
    }

    /// Moves the ends first, so that whoever hears of a position also finds it below the end.
    fn answer(&self, batch: Vec<Pending>, positions: &[Position]) {
        let mut ends: Vec<Option<Cursor>> = vec![None; self.shared.ends.len()];
        for (pending, position) in batch.iter().zip(positions) {
            ends[usize::from(pending.partition.0)] = Some(position.next());
        }
        for (end, reached) in self.shared.ends.iter().zip(ends) {
            if let Some(reached) = reached {
                end.send_replace(reached);
            }
        }
        for (pending, position) in batch.into_iter().zip(positions) {
            let _gone = pending.receipt.send(Appended::At(*position));
        }
    }

    /// A new connection that knows where the partitions end; `None` if the log is closing and its file can't be opened.
    async fn reconnect(&self, old: Option<SqliteConnection>) -> Option<SqliteConnection> {
        if let Some(old) = old
            && let Err(error) = old.close().await
        {
            tracing::warn!(%error, "closing the log's connection after a failed commit");
        }
        let mut wait = RECONNECT_AFTER;
        let mut tries_when_closing = 0;
        loop {
            match self.try_reconnect().await {
                Ok(connection) => return Some(connection),
                Err(error) => tracing::error!(%error, "the log's file can't be opened; trying again"),
            }
            if self.shared.queue.is_closed() {
                tries_when_closing += 1;
                if tries_when_closing == RECONNECTS_WHEN_CLOSING {
                    return None;
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RECONNECT_AFTER_MAX);
        }
    }

    async fn try_reconnect(&self) -> Result<SqliteConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        for (partition, end) in (0..).map(PartitionId).zip(&self.shared.ends) {
            let found = end_in_file(&mut connection, partition).await?;
            end.send_if_modified(|end| std::mem::replace(end, found) != found);
        }
        Ok(connection)
    }

    /// Closes readers first: the last connection to close folds the write-ahead log into the file.
    async fn finish(self, connection: Option<SqliteConnection>) {
        self.shared.readers.close().await;
        if let Some(connection) = connection
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "closing the log");
        }
        drop(self.lock);
        self.shared.closed.cancel();
    }
}

/// Where the partition ends in the file.
pub(super) async fn end_in_file(connection: &mut SqliteConnection, partition: PartitionId) -> Result<Cursor, sqlx::Error> {
    let last: Option<i64> = sqlx::query_scalar("SELECT MAX(key) FROM records WHERE key >= ? AND key < ?")
        .bind(key(partition, Cursor::ZERO))
        .bind(key(partition, Cursor::ZERO) + super::OFFSETS)
        .fetch_one(connection)
        .await?;
    Ok(last.map_or(Cursor::ZERO, |last| super::position_of(last).next()))
}

/// Each record at its position, in one statement.
async fn insert(records: &[Pending], positions: &[Position], connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let rows = vec!["(?, ?)"; records.len()].join(", ");
    let mut insert = sqlx::query(AssertSqlSafe(format!("INSERT INTO records (key, bytes) VALUES {rows}")));
    for (pending, position) in records.iter().zip(positions) {
        insert = insert.bind(key(pending.partition, position.at())).bind(&pending.bytes[..]);
    }
    insert.execute(connection).await?;
    Ok(())
}
