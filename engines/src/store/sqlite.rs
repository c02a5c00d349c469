//! The embedded store: one SQLite file in WAL mode, one writer, a few readers.
//!
//! One file per trait. Writes are serialised by a pool of one connection and begin with `BEGIN IMMEDIATE`, which stands for every row lock that
//! the port asks for. What is read together is read in one transaction, so it is of one snapshot. Every call has a deadline; a call that is given
//! up rolls back.
//!
//! Statements that run all the time end with `limit ? + 0`: SQLite plans a statement anew each time that a limit which is nothing but a parameter is bound.

mod accounts;
mod members;
mod projection;
mod reads;
mod rooms;
mod roster;
mod sessions;
mod sql;
mod timeline;
mod upkeep;
mod votes;

use std::{path::Path, sync::Arc, time::Duration};

use parley_proto::{Cursor, PartitionId};
use sqlx::{
    ConnectOptions, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use thiserror::Error;
use tokio::sync::Notify;

use super::StoreUnavailable;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// A question, or a change of an account, a session, a room.
const CALL_DEADLINE: Duration = Duration::from_secs(2);
/// A batch of the projection, or an import.
const BATCH_DEADLINE: Duration = Duration::from_secs(30);
/// Between looks into the outbox while nobody says that it has anything new.
const UNTOLD: Duration = Duration::from_secs(1);
const READERS: u32 = 4;
const WRITER_CACHE_KIB: &str = "-65536";
const PAGE_BYTES: u32 = 4_096;
/// Pages in the WAL before they are copied home: a page that several batches change is copied once.
const WAL_PAGES: &str = "8192";

/// Why a store file does not open.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A newer binary was here; it would have to read it.
    #[error("the store's schema has version {found}, this binary knows up to {known}: start the newer binary")]
    SchemaNewer { found: i64, known: i64 },
    /// A migration differs from the one that was applied.
    #[error("the store's schema does not fit this binary: {0}")]
    Schema(MigrateError),
    #[error("the store can't be opened: {0}")]
    Database(#[from] sqlx::Error),
}

/// The SQLite engine of the store port.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    /// The outbox has new rows.
    announced: Arc<Notify>,
}

impl SqliteStore {
    /// Opens or makes the file and brings its schema up to date. Two processes must not open one file: the caller locks the folder.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .page_size(PAGE_BYTES)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(CALL_DEADLINE)
            .disable_statement_logging();
        let pool = || SqlitePoolOptions::new().acquire_timeout(BATCH_DEADLINE).idle_timeout(None).max_lifetime(None).test_before_acquire(false);
        let writer =
            pool().max_connections(1).connect_with(options.clone().pragma("cache_size", WRITER_CACHE_KIB).pragma("wal_autocheckpoint", WAL_PAGES)).await?;
        migrate(&writer).await?;
        let readers = pool().max_connections(READERS).connect_with(options.read_only(true).create_if_missing(false)).await?;
        Ok(Self { writer, readers, announced: Arc::default() })
    }

    /// Waits for what is under way and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn write(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.writer.begin_with("BEGIN IMMEDIATE").await
    }

    async fn read(&self) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
        self.readers.begin().await
    }
}

async fn migrate(writer: &SqlitePool) -> Result<(), OpenError> {
    MIGRATIONS.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => {
            OpenError::SchemaNewer { found, known: MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default() }
        }
        MigrateError::Execute(error) => OpenError::Database(error),
        other => OpenError::Schema(other),
    })
}

impl From<sqlx::Error> for StoreUnavailable {
    fn from(error: sqlx::Error) -> Self {
        Self(error.to_string())
    }
}

/// The answer, or `StoreUnavailable` once `deadline` has passed; what was begun is rolled back.
async fn within<T, E: From<StoreUnavailable>>(deadline: Duration, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreUnavailable(format!("no answer within {deadline:?}")).into()),
    }
}

/// A call with the usual deadline.
async fn call<T>(call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreUnavailable> {
    within(CALL_DEADLINE, async { Ok(call.await?) }).await
}

/// The partition's `next` as this transaction sees it; 0 where the partition has no row yet.
async fn next_of(connection: &mut SqliteConnection, partition: PartitionId) -> Result<Cursor, sqlx::Error> {
    let next: Option<i64> =
        sqlx::query_scalar("select next from partitions where partition = ?").bind(i64::from(partition.0)).fetch_optional(connection).await?;
    Ok(next.map_or(Cursor::ZERO, sql::cursor))
}
