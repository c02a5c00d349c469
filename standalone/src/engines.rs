//! The engines of one process, as their URLs say: opened so that no other process has what only one may have, closed in the order in which nothing is lost.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

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
        Store,
        postgres::{PostgresConfig, PostgresStore},
        sqlite::SqliteStore,
    },
};

use crate::config::{BusUrl, Config, LogUrl, PARTITIONS, StoreUrl};

/// The engines. They are shared; whoever opened them closes them.
#[derive(Debug)]
pub(crate) struct Engines {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    closing: Closing,
    /// Of the folders of a SQLite store and of a process' own data, where the embedded log does not lock them itself.
    _locks: Vec<FolderLock>,
}

/// What has to be closed, by engine.
#[derive(Debug)]
struct Closing {
    log: OpenLog,
    store: OpenStore,
}

#[derive(Debug)]
enum OpenLog {
    Embedded(Arc<EmbeddedLog>),
    Kafka(Arc<KafkaLog>),
}

#[derive(Debug)]
enum OpenStore {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Engines {
    /// Opens them; the embedded ones are made where they are missing.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        make_private(&config.log.folder)?;
        let mut locks = Vec::new();
        let (log, log_closing): (Arc<dyn Log>, _) = match &config.log_url {
            LogUrl::Embedded => {
                let log = Arc::new(EmbeddedLog::open(config.log.clone()).await?);
                (log.clone(), OpenLog::Embedded(log))
            }
            LogUrl::Kafka(kafka) => {
                let log = Arc::new(KafkaLog::open((**kafka).clone()).await.context("PARLEY_LOG_URL")?);
                (log.clone(), OpenLog::Kafka(log))
            }
        };
        let bus: Arc<dyn Bus> = match &config.bus_url {
            BusUrl::Embedded => Arc::new(EmbeddedBus::new()),
            BusUrl::Redis(redis) => Arc::new(RedisBus::open((**redis).clone()).context("PARLEY_BUS_URL")?),
        };
        let (store, store_closing): (Arc<dyn Store>, _) = match &config.store {
            StoreUrl::Sqlite(path) => {
                locks.extend(lock_store(config, path)?);
                let store = Arc::new(SqliteStore::open(path).await.with_context(|| path.display().to_string())?);
                (store.clone(), OpenStore::Sqlite(store))
            }
            StoreUrl::Postgres(url) => {
                let store = Arc::new(PostgresStore::connect(url, PostgresConfig::default()).await.context("PARLEY_STORE_URL")?);
                (store.clone(), OpenStore::Postgres(store))
            }
        };
        Ok(Self { log, bus, store, closing: Closing { log: log_closing, store: store_closing }, _locks: locks })
    }

    /// Writes what is queued, then lets go of everything. Nobody may append any more.
    pub(crate) async fn close(self) {
        match self.closing.store {
            OpenStore::Sqlite(store) => store.close().await,
            OpenStore::Postgres(store) => store.close().await,
        }
        match self.closing.log {
            OpenLog::Embedded(log) => log.close().await,
            OpenLog::Kafka(log) => log.close().await,
        }
    }
}

/// Makes the topic and brings the schema up to date, or finds them so. Embedded engines do that by themselves, when they are opened.
pub(crate) async fn migrate(config: &Config) -> anyhow::Result<()> {
    if let StoreUrl::Postgres(url) = &config.store {
        let version = PostgresStore::migrate(url).await.context("PARLEY_STORE_URL")?;
        println!("the store's schema has version {version}");
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

fn lock_store(config: &Config, store: &Path) -> anyhow::Result<Option<FolderLock>> {
    let folder = match store.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    make_private(&folder)?;
    if config.log_url == LogUrl::Embedded && folder.canonicalize()? == config.log.folder.canonicalize()? {
        return Ok(None);
    }
    Ok(Some(FolderLock::acquire(&folder)?))
}

/// Messages and password hashes lie there: a folder that is made is its owner's alone.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| folder.display().to_string())
}
