//! The store on Postgres, 15 and up: many gateways and persisters, one database.
//!
//! One file per trait, as in its twin. What is read together is read in one `repeatable read` transaction, so it is of one snapshot; whoever changes a
//! room or its members locks the room's row first. Every call has a deadline, on this side and as the server's `statement_timeout`, so that what was given up
//! ends there too. It does not retry: the port's callers know what may be repeated.

mod accounts;
mod copy;
mod members;
pub mod nodelay;
mod page;
mod projection;
mod reads;
mod rooms;
mod roster;
mod sessions;
mod sql;
mod stalled;
mod timeline;
mod upkeep;
mod votes;

use std::{
    ops::{Deref, DerefMut},
    str::FromStr,
    time::Duration,
};

use parley_proto::{Cursor, PartitionId};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool, Postgres,
    migrate::{MigrateError, Migrator},
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use thiserror::Error;
use tokio::runtime::Handle;

use super::StoreUnavailable;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// `server_version_num` of the oldest server that is tested.
const SERVER_MIN: i32 = 150_000;
/// To connect at the start and look at the schema.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);
/// A connection that was idle for longer is asked whether it lives before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);
/// How long the server waits for the next statement of a transaction. A process that hangs, or is gone without a word, holds its locks no longer than this;
/// whoever takes over waits for them. Between two statements nothing is waited for, so that moments would do.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(5);
/// How long a batch waits for a lock. Whoever holds one for longer is gone or stands still.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long the pool waits for a connection on which a call was given up.
const TAKE_BACK_MAX: Duration = Duration::from_millis(500);
/// A machine that is gone is found out by what TCP asks it: after ten seconds, and not after two hours.
const KEEPALIVES: &str = "set tcp_keepalives_idle = 5; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 5";

/// What a start does with a schema that is older than the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// It refuses to start: somebody runs `parley migrate`.
    MustBeCurrent,
    /// It migrates. Several that start at once wait for each other.
    Migrate,
}

/// How the store uses its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresConfig {
    pub schema: Schema,
    /// At most so many for questions and small changes; they are opened when they are needed.
    pub call_connections_max: u32,
    /// At most so many for asking what ended of people's rights: whoever waits for other calls puts nobody in doubt.
    pub rights_connections_max: u32,
    /// At most so many for batches and imports.
    pub batch_connections_max: u32,
    /// A question, or a change of an account, a session, a room.
    pub call_deadline: Duration,
    /// A batch of the projection, or an import.
    pub batch_deadline: Duration,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            schema: Schema::MustBeCurrent,
            call_connections_max: 16,
            rights_connections_max: 1,
            batch_connections_max: 4,
            call_deadline: Duration::from_secs(2),
            batch_deadline: Duration::from_secs(30),
        }
    }
}

/// Why the store does not start on a database. Only [`OpenError::Unavailable`] may pass by itself.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("this is not the URL of a Postgres database: {0}")]
    Url(sqlx::Error),
    #[error("Postgres has version {0}: 15 is the oldest that serves")]
    ServerTooOld(String),
    #[error("the database has the encoding {0}: it has to be UTF8")]
    NotUtf8(String),
    /// A newer binary was here; this one does not know what it changed.
    #[error("the store's schema has version {found}, this binary knows up to {known}: start the newer binary")]
    SchemaNewer { found: i64, known: i64 },
    #[error("the store's schema has version {found}, this binary needs {known}: run `parley migrate` first")]
    SchemaOlder { found: i64, known: i64 },
    /// A migration differs from the one that was applied, or fails.
    #[error("the store's schema does not fit this binary: {0}")]
    SchemaBroken(MigrateError),
    #[error(transparent)]
    Unavailable(#[from] StoreUnavailable),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(found) => Self::SchemaNewer { found, known: newest_known() },
            MigrateError::Execute(error) => error.into(),
            other => Self::SchemaBroken(other),
        }
    }
}

/// The Postgres engine of the store port.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    calls: PgPool,
    rights: PgPool,
    batches: PgPool,
    config: PostgresConfig,
}

impl PostgresStore {
    /// Connects and looks at the schema. `url` is `postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=…`.
    pub async fn connect(url: &str, config: PostgresConfig) -> Result<Self, OpenError> {
        let options = options(url)?;
        within(OPEN_DEADLINE, look(&options)).await?;
        if config.schema == Schema::Migrate {
            migrate_with(&options).await?;
        }
        within(OPEN_DEADLINE, check_schema(&options)).await?;
        Ok(Self {
            calls: pool(options.clone(), config.call_connections_max, config.call_deadline, config.call_deadline, Traffic::Statements),
            rights: pool(options.clone(), config.rights_connections_max, config.call_deadline, config.call_deadline, Traffic::Statements),
            batches: pool(options, config.batch_connections_max, config.batch_deadline, LOCK_WAIT_MAX, Traffic::Copies),
            config,
        })
    }

    /// Brings the schema up to date, and returns its version. Takes as long as it takes: a large table may have to be rewritten.
    pub async fn migrate(url: &str) -> Result<i64, OpenError> {
        let options = options(url)?;
        within(OPEN_DEADLINE, look(&options)).await?;
        migrate_with(&options).await?;
        Ok(newest_known())
    }

    /// Waits for what is under way and closes the connections.
    pub async fn close(&self) {
        self.calls.close().await;
        self.rights.close().await;
        self.batches.close().await;
    }

    /// For one statement, which is its own transaction.
    async fn statement(&self) -> Result<Lease, sqlx::Error> {
        Ok(Lease::new(self.calls.acquire().await?))
    }

    /// For one statement about what ended of people's rights.
    async fn rights_statement(&self) -> Result<Lease, sqlx::Error> {
        Ok(Lease::new(self.rights.acquire().await?))
    }

    /// For several questions about one snapshot.
    async fn snapshot(&self) -> Result<Lease, sqlx::Error> {
        Lease::new(self.calls.acquire().await?).begin("begin isolation level repeatable read read only").await
    }

    /// For a change. Each statement sees what was committed before it, so it sees everything that a lock taken before it protects. Whether the database takes
    /// changes is its operator's to say (`default_transaction_read_only`), so it is not asked for.
    async fn write(&self) -> Result<Lease, sqlx::Error> {
        Lease::new(self.calls.acquire().await?).begin("begin isolation level read committed").await
    }

    /// For a change with many rows.
    async fn write_batch(&self) -> Result<Lease, sqlx::Error> {
        Lease::new(self.batches.acquire().await?).begin("begin isolation level read committed").await
    }

    /// A call with the usual deadline.
    async fn call<T>(&self, call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreUnavailable> {
        within(self.config.call_deadline, async { Ok(call.await?) }).await
    }

    /// A call with many rows.
    async fn batch<T>(&self, call: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreUnavailable> {
        within(self.config.batch_deadline, async { Ok(call.await?) }).await
    }
}

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    Ok(PgConnectOptions::from_str(url).map_err(OpenError::Url)?.application_name("parley").disable_statement_logging())
}

/// What goes over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traffic {
    /// Each is one write, and its answer is waited for.
    Statements,
    /// COPY as well, whose data and end are two writes.
    Copies,
}

fn pool(options: PgConnectOptions, connections_max: u32, deadline: Duration, lock_wait_max: Duration, traffic: Traffic) -> PgPool {
    let port = options.get_port();
    // Nobody reads the server's notices, and to take back what was not begun makes one.
    let settings = format!(
        "set client_min_messages = error; set statement_timeout = {}; set lock_timeout = {}; set idle_in_transaction_session_timeout = {}; {KEEPALIVES}",
        deadline.as_millis(),
        lock_wait_max.as_millis(),
        IDLE_IN_TRANSACTION_MAX.as_millis()
    );
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(deadline)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(move |connection, _| {
            let settings = settings.clone();
            Box::pin(async move {
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(connection).await?;
                if traffic == Traffic::Copies {
                    nodelay::set(port).await;
                }
                Ok(())
            })
        })
        .connect_lazy_with(options)
}

/// Whether this server and this database can serve at all.
async fn look(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut connection = options.connect().await?;
    let (number, version, encoding): (i32, String, String) =
        sqlx::query_as("select current_setting('server_version_num')::integer, current_setting('server_version'), current_setting('server_encoding')")
            .fetch_one(&mut connection)
            .await?;
    connection.close().await?;
    match encoding.as_str() {
        _ if number < SERVER_MIN => Err(OpenError::ServerTooOld(version)),
        "UTF8" => Ok(()),
        _ => Err(OpenError::NotUtf8(encoding)),
    }
}

async fn migrate_with(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut connection = options.connect().await?;
    MIGRATIONS.run_direct(None, &mut connection, false).await?;
    connection.close().await?;
    Ok(())
}

/// The newest migration of this binary.
fn newest_known() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// The schema is exactly the one that this binary's migrations make.
async fn check_schema(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut connection = options.connect().await?;
    let migrated: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(&mut connection).await?;
    let applied: Vec<(i64, Vec<u8>)> = match migrated {
        true => sqlx::query_as("select version, checksum from _sqlx_migrations order by version").fetch_all(&mut connection).await?,
        false => Vec::new(),
    };
    connection.close().await?;
    let (found, known) = (applied.last().map_or(0, |(version, _)| *version), newest_known());
    if found > known {
        return Err(OpenError::SchemaNewer { found, known });
    }
    for migration in MIGRATIONS.iter() {
        match applied.iter().find(|(version, _)| *version == migration.version) {
            None => return Err(OpenError::SchemaOlder { found, known }),
            Some((version, checksum)) if checksum[..] != migration.checksum[..] => {
                return Err(OpenError::SchemaBroken(MigrateError::VersionMismatch(*version)));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A connection for one call. What a call begins and does not bring to [`Lease::done`], because it failed or nobody waits for it any more, is taken back behind
/// it: a new connection costs the server much more than most calls do, and calls are given up when the server is busy already.
struct Lease {
    /// There until it is dropped.
    connection: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
    is_done: bool,
}

impl Lease {
    fn new(connection: PoolConnection<Postgres>) -> Self {
        Self { connection: Some(connection), in_transaction: false, is_done: false }
    }

    async fn begin(mut self, begin: &'static str) -> Result<Self, sqlx::Error> {
        // Before it is asked for: given up in between, it may have begun.
        self.in_transaction = true;
        sqlx::raw_sql(begin).execute(&mut *self).await?;
        Ok(self)
    }

    /// Commits what was begun.
    async fn done(mut self) -> Result<(), sqlx::Error> {
        self.end("commit").await
    }

    /// Takes back what was done.
    async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.end("rollback").await
    }

    async fn end(&mut self, end: &'static str) -> Result<(), sqlx::Error> {
        if self.in_transaction {
            sqlx::raw_sql(end).execute(&mut **self).await?;
        }
        self.is_done = true;
        Ok(())
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        self.connection.as_deref().expect("there until it is dropped")
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.connection.as_deref_mut().expect("there until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take().filter(|_| !self.is_done) else { return };
        let Ok(runtime) = Handle::try_current() else { return connection.close_on_drop() };
        let in_transaction = self.in_transaction;
        runtime.spawn(async move {
            let taken_back = async {
                match in_transaction {
                    true => sqlx::raw_sql("rollback").execute(&mut *connection).await.map(drop),
                    false => connection.ping().await,
                }
            };
            // A statement that is still under way would keep the pool short of this connection.
            if !matches!(tokio::time::timeout(TAKE_BACK_MAX, taken_back).await, Ok(Ok(()))) {
                connection.close_on_drop();
            }
        });
    }
}

/// The answer, or `StoreUnavailable` once `deadline` has passed.
async fn within<T, E: From<StoreUnavailable>>(deadline: Duration, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match tokio::time::timeout(deadline, call).await {
        Ok(answer) => answer,
        Err(_) => Err(StoreUnavailable(format!("no answer within {deadline:?}")).into()),
    }
}

/// The partition's `next` as this transaction sees it; 0 where the partition has no row yet.
async fn next_of(tx: &mut PgConnection, partition: PartitionId) -> Result<Cursor, sqlx::Error> {
    let next: Option<i64> = sqlx::query_scalar("select next from partitions where partition = $1").bind(i32::from(partition.0)).fetch_optional(tx).await?;
    Ok(next.map_or(Cursor::ZERO, sql::cursor))
}
