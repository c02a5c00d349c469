//! The engines of one process, as their URLs say: opened so that no other process has what only one may have, closed in the order in which nothing is lost.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path, sync::Arc};

use anyhow::{Context, ensure};
use parley_engines::{
    bus::{Bus, embedded::EmbeddedBus, redis::RedisBus},
    folder_lock::FolderLock,
    log::{
        Log,
        embedded::EmbeddedLog,
        kafka::{KafkaLog, TopicPlan},
    },
    store::{
        postgres::{PostgresConfig, PostgresStore},
        sqlite::SqliteStore,
        upkeep::Upkeep,
    },
};

use crate::{
    config::{BusUrl, Config, LogUrl, PARTITIONS, StoreUrl},
    obstacles::Obstacles,
};

/// The engines. They are shared; whoever opened them closes them.
#[derive(Debug)]
pub(crate) struct Engines {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Upkeep>,
    closing: Closing,
}

/// What has to be closed, by engine.
#[derive(Debug)]
struct Closing {
    log: OpenLog,
    store: OpenStore,
}

/// A log by engine: what has it closes it.
#[derive(Debug)]
pub(crate) enum OpenLog {
    Embedded(Arc<EmbeddedLog>),
    Kafka(Arc<KafkaLog>),
}

impl OpenLog {
    /// Opens it; an embedded one locks the data folder, and is made where it is missing.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        make_private(&config.log.folder)?;
        Ok(match &config.log_url {
            LogUrl::Embedded => Self::Embedded(Arc::new(EmbeddedLog::open(config.log.clone()).await?)),
            LogUrl::Kafka(kafka) => Self::Kafka(Arc::new(KafkaLog::open((**kafka).clone()).await.context("PARLEY_LOG_URL")?)),
        })
    }

    pub(crate) fn port(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(log) => Arc::clone(log) as _,
            Self::Kafka(log) => Arc::clone(log) as _,
        }
    }

    /// Writes what is queued, then lets go of it.
    pub(crate) async fn close(self) {
        match self {
            Self::Embedded(log) => log.close().await,
            Self::Kafka(log) => log.close().await,
        }
    }
}

/// A store by engine.
#[derive(Debug)]
pub(crate) enum OpenStore {
    /// With the lock of its folder, where nobody else in this process has that.
    Sqlite(Arc<SqliteStore>, Option<FolderLock>),
    Postgres(Arc<PostgresStore>),
}

impl OpenStore {
    /// Opens it; a SQLite file is made where it is missing. `locked` is a folder that this process has locked already.
    pub(crate) async fn open(url: &StoreUrl, postgres: PostgresConfig, locked: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match url {
            StoreUrl::Sqlite(path) => {
                let lock = lock_folder_of(path, locked)?;
                Self::Sqlite(Arc::new(SqliteStore::open(path).await.with_context(|| path.display().to_string())?), lock)
            }
            StoreUrl::Postgres(url) => Self::Postgres(Arc::new(PostgresStore::connect(url, postgres).await.context("PARLEY_STORE_URL")?)),
        })
    }

    pub(crate) fn port(&self) -> Arc<dyn Upkeep> {
        match self {
            Self::Sqlite(store, _) => Arc::clone(store) as _,
            Self::Postgres(store) => Arc::clone(store) as _,
        }
    }

    /// Waits for what is under way, then lets go of it.
    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(store, _lock) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

impl Engines {
    /// Opens them; the embedded ones are made where they are missing. Fails with everything that is in the way.
    pub(crate) async fn open(config: &Config) -> Result<Self, Obstacles> {
        let mut obstacles = Obstacles::default();
        let log = obstacles.note(OpenLog::open(config).await);
        let bus = obstacles.note(open_bus(&config.bus_url));
        // Where another process has the folder of both, the store is its as well: one line says so.
        let store = match (&log, config.locks_folder_of_store()) {
            (None, true) => None,
            (_, is_locked) => {
                let locked = is_locked.then_some(config.log.folder.as_path());
                obstacles.note(OpenStore::open(&config.store, PostgresConfig::default(), locked).await)
            }
        };
        match (log, bus, store) {
            (Some(log), Some(bus), Some(store)) => Ok(Self { log: log.port(), bus, store: store.port(), closing: Closing { log, store } }),
            (log, _, store) => {
                if let Some(store) = store {
                    store.close().await;
                }
                if let Some(log) = log {
                    log.close().await;
                }
                Err(obstacles)
            }
        }
    }

    /// Writes what is queued, then lets go of everything. Nobody may append any more.
    pub(crate) async fn close(self) {
        self.closing.store.close().await;
        self.closing.log.close().await;
    }
}

fn open_bus(url: &BusUrl) -> anyhow::Result<Arc<dyn Bus>> {
    Ok(match url {
        BusUrl::Embedded => Arc::new(EmbeddedBus::new()),
        BusUrl::Redis(redis) => Arc::new(RedisBus::open((**redis).clone()).context("PARLEY_BUS_URL")?),
    })
}

/// Makes the topic and brings the schema up to date, or finds them so. An embedded log has neither.
pub(crate) async fn migrate(config: &Config) -> anyhow::Result<()> {
    match &config.store {
        StoreUrl::Postgres(url) => {
            let version = PostgresStore::migrate(url).await.context("PARLEY_STORE_URL")?;
            println!("the store's schema has version {version}");
        }
        StoreUrl::Sqlite(path) => {
            OpenStore::open(&config.store, PostgresConfig::default(), None).await?.close().await;
            println!("the store's schema in {} is up to date", path.display());
        }
    }
    if let LogUrl::Kafka(kafka) = &config.log_url {
        let plan = TopicPlan { partitions: PARTITIONS, replication: config.log_replication, min_insync_replicas: config.log_min_insync };
        let made = KafkaLog::create_topic(kafka, plan).await.context("PARLEY_LOG_URL")?;
        println!("{}", if made { "the log's topic is made" } else { "the log's topic is there" });
    }
    Ok(())
}

/// A role of its own shares its engines with other processes: none of them can be embedded.
pub(crate) fn ensure_shared(config: &Config) -> anyhow::Result<()> {
    let shared = matches!((&config.log_url, &config.bus_url, &config.store), (LogUrl::Kafka(_), BusUrl::Redis(_), StoreUrl::Postgres(_)));
    ensure!(shared, "a gateway or persister of its own needs PARLEY_LOG_URL=kafka://…, PARLEY_BUS_URL=redis://… and PARLEY_STORE_URL=postgres://…");
    Ok(())
}

impl Config {
    /// Whether the embedded log's lock is the one of the store's folder, too.
    fn locks_folder_of_store(&self) -> bool {
        let StoreUrl::Sqlite(path) = &self.store else { return false };
        self.log_url == LogUrl::Embedded && same_folder(folder_of(path), &self.log.folder)
    }
}

/// The lock of a SQLite file's folder, unless it is the one that this process has locked.
fn lock_folder_of(path: &Path, locked: Option<&Path>) -> anyhow::Result<Option<FolderLock>> {
    let folder = folder_of(path);
    make_private(folder)?;
    if locked.is_some_and(|locked| same_folder(folder, locked)) {
        return Ok(None);
    }
    Ok(Some(FolderLock::acquire(folder)?))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Two that are not there are the same only if they are written alike.
fn same_folder(one: &Path, other: &Path) -> bool {
    one == other || one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}

/// Messages and password hashes lie there: a folder that is made is its owner's alone.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| folder.display().to_string())
}
