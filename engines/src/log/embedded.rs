//! The log in one SQLite file, `log.db`: group commit with `synchronous=FULL`, so what was reported [`Appended::At`](super::Appended::At) survives a kill and a power cut.
//!
//! One writer task owns one connection; readers have a small pool; followers wait for the committed end to move, nobody polls, and read the newest records from
//! memory. Records are never deleted here, so every partition begins at 0. The folder is locked: one process has it.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use parley_proto::{Cursor, LogId, PartitionId, Position, RoomId};
use sqlx::{
    ConnectOptions, Row, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use thiserror::Error;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{queue::Queue, recent::Recent, writer::Writer};
use super::{EnqueueError, LogError, LogFollower, LogReader, LogRecord, LogWriter, ReadMax, Receipt, Share};
use crate::folder_lock::{FolderLock, FolderLockError};

mod queue;
mod recent;
mod writer;

/// The layout of `log.db`; a file with a higher number is not touched.
const LAYOUT: i64 = 1;

const OFFSET_BITS: u32 = 40;
const OFFSETS: i64 = 1 << OFFSET_BITS;

/// How long a commit waits for a foreign lock on the file (a backup, somebody's sqlite3).
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// How to open an [`EmbeddedLog`].
#[derive(Debug, Clone)]
pub struct EmbeddedLogConfig {
    /// `log.db` and the lock lie here; made if missing.
    pub folder: PathBuf,
    /// May be more than at the last opening, never fewer.
    pub partitions: u16,
    /// Records handed over and not yet answered for, in bytes; above it [`EnqueueError::QueueFull`].
    pub queue_bytes_max: usize,
    /// Age of the oldest of them; above it [`EnqueueError::QueueFull`].
    pub queue_age_max: Duration,
    /// Records in one commit.
    pub commit_records_max: usize,
    /// Bytes in one commit.
    pub commit_bytes_max: usize,
    /// Newest records that are kept in memory, in bytes, of all partitions together.
    pub recent_bytes_max: usize,
    /// Reads at the same time.
    pub readers: u32,
}

impl EmbeddedLogConfig {
    /// The default bounds: queue 64 MiB and 1 s; commits of 4 096 records or 4 MiB; 8 MiB in memory; 4 readers.
    pub fn new(folder: impl Into<PathBuf>, partitions: u16) -> Self {
        Self {
            folder: folder.into(),
            partitions,
            queue_bytes_max: 64 * 1024 * 1024,
            queue_age_max: Duration::from_secs(1),
            commit_records_max: 4_096,
            commit_bytes_max: 4 * 1024 * 1024,
            recent_bytes_max: 8 * 1024 * 1024,
            readers: 4,
        }
    }
}

/// Why the log can't be opened.
#[derive(Debug, Error)]
pub enum EmbeddedLogError {
    #[error(transparent)]
    Locked(#[from] FolderLockError),
    #[error("the log has {stored} partitions, rooms may be in any of them; {asked} are too few")]
    FewerPartitions { stored: u16, asked: u16 },
    #[error("the log's file has layout {0}, newer than this program knows")]
    Newer(i64),
    #[error("the log's file says {0:?} where its id should be")]
    Malformed(String),
    #[error("the log's file: {0}")]
    File(#[from] sqlx::Error),
}

/// The embedded log. Dropping it closes it without waiting; [`EmbeddedLog::close`] waits until what is queued is written.
#[derive(Debug)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    id: LogId,
}

#[derive(Debug)]
struct Shared {
    queue: Queue,
    /// Per partition the committed end.
    ends: Vec<watch::Sender<Cursor>>,
    /// Per partition what was committed last.
    recent: Vec<Mutex<Recent>>,
    readers: SqlitePool,
    /// Cancelled once nothing of this log touches the folder any more.
    closed: CancellationToken,
}

impl EmbeddedLog {
    /// Opens the log in the folder, or makes it. Needs a Tokio runtime, on which the writer lives.
    pub async fn open(config: EmbeddedLogConfig) -> Result<Self, EmbeddedLogError> {
        let lock = FolderLock::acquire(&config.folder)?;
        let options = writer_options(&config.folder);
        let mut connection = options.connect().await?;
        let id = prepare(&mut connection, config.partitions).await?;
        let (mut ends, mut recent) = (Vec::new(), Vec::new());
        for partition in (0..config.partitions).map(PartitionId) {
            let end = writer::end_in_file(&mut connection, partition).await?;
            ends.push(watch::Sender::new(end));
            recent.push(Mutex::new(Recent::new(end, config.recent_bytes_max / usize::from(config.partitions))));
        }
        let readers = SqlitePoolOptions::new().max_connections(config.readers.max(1)).idle_timeout(None).max_lifetime(None).test_before_acquire(false);
        let shared = Arc::new(Shared {
            queue: Queue::new(config.queue_bytes_max, config.queue_age_max),
            ends,
            recent,
            readers: readers.connect_lazy_with(reader_options(&config.folder)),
            closed: CancellationToken::new(),
        });
        let writer = Writer { shared: Arc::clone(&shared), options, records_max: config.commit_records_max, bytes_max: config.commit_bytes_max, lock };
        tokio::spawn(writer.run(connection));
        Ok(Self { shared, id })
    }

    /// This log's name, given when its file was made.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// Accepts nothing more, writes what is queued, and returns when the folder is free.
    pub async fn close(&self) {
        self.shared.queue.close();
        self.shared.closed.cancelled().await;
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}

impl LogWriter for EmbeddedLog {
    fn enqueue(&self, partition: PartitionId, _room: RoomId, record: Bytes) -> Result<Receipt, EnqueueError> {
        if usize::from(partition.0) >= self.shared.ends.len() {
            tracing::error!(append.partition = partition.0, "a record for a partition that the log does not have was refused");
            return Err(EnqueueError::Closed);
        }
        self.shared.queue.push(Instant::now(), partition, record)
    }
}

#[async_trait]
impl LogReader for EmbeddedLog {
    fn partitions(&self) -> u16 {
        u16::try_from(self.shared.ends.len()).unwrap_or(u16::MAX)
    }

    async fn end(&self, partition: PartitionId) -> Result<Cursor, LogError> {
        self.shared.end(partition)
    }

    async fn read(&self, partition: PartitionId, from: Cursor, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        self.shared.read(partition, from, max).await
    }

    /// All of them: one process has the log.
    fn share(&self) -> watch::Receiver<Share> {
        watch::channel(Some((0..self.partitions()).map(PartitionId).collect())).1
    }

    fn follow(&self, partition: PartitionId, from: Cursor) -> Box<dyn LogFollower> {
        Box::new(EmbeddedFollower { shared: Arc::clone(&self.shared), partition, cursor: from })
    }
}

#[derive(Debug)]
struct EmbeddedFollower {
    shared: Arc<Shared>,
    partition: PartitionId,
    cursor: Cursor,
}

#[async_trait]
impl LogFollower for EmbeddedFollower {
    async fn next(&mut self, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        let mut end = self.shared.watch(self.partition)?.subscribe();
        loop {
            end.borrow_and_update();
            let records = self.shared.read(self.partition, self.cursor, max).await?;
            if let Some(last) = records.last() {
                self.cursor = last.position.next();
                return Ok(records);
            }
            tokio::select! {
                _ = end.changed() => {}
                () = self.shared.closed.cancelled() => return Err(closed()),
            }
        }
    }
}

impl Shared {
    fn watch(&self, partition: PartitionId) -> Result<&watch::Sender<Cursor>, LogError> {
        self.ends.get(usize::from(partition.0)).ok_or(LogError::NoPartition(partition))
    }

    fn end(&self, partition: PartitionId) -> Result<Cursor, LogError> {
        Ok(*self.watch(partition)?.borrow())
    }

    async fn read(&self, partition: PartitionId, from: Cursor, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        let end = self.end(partition)?;
        if self.closed.is_cancelled() {
            return Err(closed());
        }
        if from == end {
            return Ok(Vec::new());
        }
        let recent = self.recent[usize::from(partition.0)].lock().unwrap_or_else(PoisonError::into_inner).read(from, end, max);
        if !recent.is_empty() {
            return Ok(recent);
        }
        let records = if from < end { self.rows(partition, from, end, max).await.map_err(unavailable)? } else { Vec::new() };
        if records.is_empty() {
            let first = self.first(partition).await.map_err(unavailable)?.unwrap_or(end);
            return Err(LogError::OutOfRange { asked: from, first, end });
        }
        Ok(records)
    }

    /// The rows of [from, end) up to a hole, as far as `max` allows.
    async fn rows(&self, partition: PartitionId, from: Cursor, end: Cursor, max: ReadMax) -> Result<Vec<LogRecord>, sqlx::Error> {
        // No LIMIT: positions are dense, and SQLite plans a statement anew each time that its limit is bound.
        let end = end.min(Cursor(from.0.saturating_add(u64::try_from(max.records.max(1)).unwrap_or(u64::MAX))));
        let mut rows = sqlx::query("SELECT key, bytes FROM records WHERE key >= ? AND key < ? ORDER BY key")
            .bind(key(partition, from))
            .bind(key(partition, end))
            .fetch(&self.readers);
        let mut records = Vec::new();
        let (mut expected, mut total) = (from, 0);
        while let Some(row) = rows.try_next().await? {
            let position = position_of(row.try_get(0)?);
            let bytes = Bytes::from(row.try_get::<Vec<u8>, _>(1)?);
            total += bytes.len();
            if position.at() != expected || (!records.is_empty() && total > max.bytes) {
                break;
            }
            expected = position.next();
            records.push(LogRecord { position, bytes });
        }
        Ok(records)
    }

    /// The partition's first record.
    async fn first(&self, partition: PartitionId) -> Result<Option<Cursor>, sqlx::Error> {
        let first: Option<i64> = sqlx::query_scalar("SELECT MIN(key) FROM records WHERE key >= ? AND key < ?")
            .bind(key(partition, Cursor::ZERO))
            .bind(key(partition, Cursor::ZERO) + OFFSETS)
            .fetch_one(&self.readers)
            .await?;
        Ok(first.map(|first| position_of(first).at()))
    }
}

/// Makes the tables, or checks that this program and this configuration fit them; returns the log's id.
async fn prepare(connection: &mut SqliteConnection, partitions: u16) -> Result<LogId, EmbeddedLogError> {
    let layout: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    if layout > LAYOUT {
        return Err(EmbeddedLogError::Newer(layout));
    }
    if layout == 0 {
        create(connection, partitions).await?;
    }
    let (id, stored): (String, i64) = sqlx::query_as("SELECT log_id, partitions FROM log").fetch_one(&mut *connection).await?;
    let stored = u16::try_from(stored).unwrap_or(u16::MAX);
    if partitions < stored {
        return Err(EmbeddedLogError::FewerPartitions { stored, asked: partitions });
    }
    sqlx::query("UPDATE log SET partitions = ?").bind(i64::from(partitions)).execute(connection).await?;
    LogId::from_str(&id).map_err(|_| EmbeddedLogError::Malformed(id))
}

/// One transaction: a file that was being made when the process died is made anew.
async fn create(connection: &mut SqliteConnection, partitions: u16) -> Result<(), sqlx::Error> {
    use sqlx::Connection;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    // key = partition · 2⁴⁰ + offset: one integer, so that a record is found and a range is read in the table itself, without an index.
    sqlx::query("CREATE TABLE records (key INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT").execute(&mut *transaction).await?;
    sqlx::query("CREATE TABLE log (only INTEGER PRIMARY KEY CHECK (only = 1), log_id TEXT NOT NULL, partitions INTEGER NOT NULL) STRICT")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("INSERT INTO log (only, log_id, partitions) VALUES (1, ?, ?)")
        .bind(Uuid::new_v4().to_string())
        .bind(i64::from(partitions))
        .execute(&mut *transaction)
        .await?;
    sqlx::query("PRAGMA user_version = 1").execute(&mut *transaction).await?;
    transaction.commit().await
}

fn reader_options(folder: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(folder.join("log.db")).read_only(true).busy_timeout(BUSY_TIMEOUT).disable_statement_logging()
}

fn writer_options(folder: &Path) -> SqliteConnectOptions {
    reader_options(folder).read_only(false).create_if_missing(true).journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full)
}

fn key(partition: PartitionId, at: Cursor) -> i64 {
    i64::from(partition.0) * OFFSETS + i64::try_from(at.0).unwrap_or(i64::MAX).min(OFFSETS - 1)
}

fn position_of(key: i64) -> Position {
    Position((key & (OFFSETS - 1)).unsigned_abs())
}

fn closed() -> LogError {
    LogError::Unavailable("the log is closed".to_owned())
}

fn unavailable(error: sqlx::Error) -> LogError {
    LogError::Unavailable(error.to_string())
}
