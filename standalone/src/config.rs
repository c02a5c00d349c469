//! The settings of this process: what its parts can be told, and what only a whole process needs. Mistakes are named all at once.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use parley_engines::log::embedded::EmbeddedLogConfig;
use parley_gateway::config::GatewayConfig;
use parley_persister::Config as PersisterConfig;
use parley_runtime::{
    env::{ByteSize, ConfigErrors, Env, Setting},
    telemetry::LogConfig,
};

pub(crate) use self::{
    example::example,
    urls::{BusUrl, LogUrl, StoreUrl},
};

mod example;
mod urls;

/// Partitions of a new log. A room's partition is part of its id, so this number never shrinks.
pub(crate) const PARTITIONS: u16 = 16;

const TOKEN_KEY: &str = "PARLEY_TOKEN_KEY";

/// Everything that can be set. Its `Debug` shows no secret.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) logging: LogConfig,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) drain_deadline: Duration,
    pub(crate) log_url: LogUrl,
    /// Of the embedded engine; its folder is this process' own data folder in any case.
    pub(crate) log: EmbeddedLogConfig,
    /// Brokers that keep each record of a topic that `migrate` makes.
    pub(crate) log_replication: u16,
    /// Of them, how many must have it before it is acknowledged.
    pub(crate) log_min_insync: u16,
    pub(crate) bus_url: BusUrl,
    pub(crate) store: StoreUrl,
    pub(crate) persister: PersisterConfig,
    /// With a key that is good for nothing, if none is set: the data folder keeps one.
    pub(crate) gateway: GatewayConfig,
    pub(crate) token_key_is_set: bool,
}

impl Config {
    /// From this process' environment.
    pub(crate) fn from_process() -> Result<Self, ConfigErrors> {
        let (mut pairs, mut unreadable) = (Vec::new(), Vec::new());
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => pairs.push((name, value)),
                Err(_) => unreadable.push(name),
            }
        }
        Self::read(pairs, &unreadable).0
    }

    /// From these variables; also what could have been set. The variables `unreadable` are set to something that is not text.
    fn read(mut pairs: Vec<(String, String)>, unreadable: &[String]) -> (Result<Self, ConfigErrors>, Vec<Setting>) {
        let token_key_is_set = pairs.iter().any(|(name, value)| name == TOKEN_KEY && !value.trim().is_empty());
        if !token_key_is_set {
            pairs.push((TOKEN_KEY.to_owned(), hex::encode(rand::random::<[u8; 32]>())));
        }
        let mut env = Env::from_pairs(pairs);
        for name in unreadable.iter().filter(|name| name.starts_with("PARLEY_")) {
            env.mistake(name, "is not UTF-8");
        }
        let config = Self::read_all(&mut env, token_key_is_set);
        let result = env.finish().map(|()| config).and_then(|config| config.ok_or(ConfigErrors { mistakes: vec![format!("{TOKEN_KEY} is not set")] }));
        (result, env.settings().to_vec())
    }

    fn read_all(env: &mut Env, token_key_is_set: bool) -> Option<Self> {
        let gateway = GatewayConfig::read(env);
        let admin_listen = env.parse(
            "PARLEY_ADMIN_LISTEN",
            SocketAddr::from(([127, 0, 0, 1], 8687)),
            "where /livez, /readyz, /metrics and /drain are served; whoever reaches it is obeyed",
        );
        let folder = env.parse("PARLEY_DATA_DIR", ".parley".to_owned(), "the folder of log.db, store.db and token.key; one process has it");
        let folder = PathBuf::from(folder);
        let mut log_url =
            env.parse("PARLEY_LOG_URL", LogUrl::Embedded, "the log's engine: embedded:, kafka://hosts/topic or kafka+ssl://user:password@hosts/topic");
        let persister_name = env.optional::<String>(
            "PARLEY_PERSISTER_NAME",
            "this persister's name, each its own: started again under it, it has its partitions at once; without one others take them over after 6 s",
        );
        let bus_url = env.parse("PARLEY_BUS_URL", BusUrl::Embedded, "the bus' engine: embedded:, redis://host or rediss://user:password@host");
        let store = env.optional::<StoreUrl>(
            "PARLEY_STORE_URL",
            "the store's engine: sqlite:PATH or postgres://user:password@host/database; store.db in the data folder by default",
        );
        let log = read_log(env, folder.clone());
        if let LogUrl::Kafka(kafka) = &mut log_url {
            kafka.member_name = persister_name;
            (kafka.queue_bytes_max, kafka.queue_age_max) = (log.queue_bytes_max, log.queue_age_max);
        }
        Some(Self {
            logging: LogConfig::from_env(env),
            admin_listen,
            drain_deadline: env.duration("PARLEY_DRAIN_DEADLINE", Duration::from_secs(30), "how long the end may take after SIGTERM"),
            log_url,
            log,
            log_replication: env.parse("PARLEY_LOG_REPLICATION", 1, "brokers that keep each record, for the topic that `parley migrate` makes"),
            log_min_insync: env.parse("PARLEY_LOG_MIN_INSYNC", 1, "of them, how many must have a record before it is acknowledged"),
            bus_url,
            store: store.unwrap_or_else(|| StoreUrl::Sqlite(folder.join("store.db"))),
            persister: read_persister(env),
            gateway: gateway?,
            token_key_is_set,
        })
    }
}

fn read_log(env: &mut Env, folder: PathBuf) -> EmbeddedLogConfig {
    let defaults = EmbeddedLogConfig::new(folder, PARTITIONS);
    EmbeddedLogConfig {
        queue_bytes_max: env
            .parse("PARLEY_LOG_QUEUE_MAX", ByteSize(defaults.queue_bytes_max as u64), "records on their way into the log; above it sends get queue_full")
            .as_usize(),
        queue_age_max: env.duration("PARLEY_LOG_QUEUE_AGE", defaults.queue_age_max, "age of the oldest of them; above it sends get queue_full"),
        ..defaults
    }
}

fn read_persister(env: &mut Env) -> PersisterConfig {
    let defaults = PersisterConfig::default();
    let config = PersisterConfig {
        batch_records_max: env.parse("PARLEY_PERSIST_BATCH", defaults.batch_records_max, "records in one transaction of the store"),
        batch_bytes_max: env.parse("PARLEY_PERSIST_BATCH_MAX", ByteSize(defaults.batch_bytes_max as u64), "bytes in one transaction of the store").as_usize(),
        batch_age_max: env.duration("PARLEY_PERSIST_BATCH_AGE", defaults.batch_age_max, "how long a batch's first record waits for more after a pause"),
        batch_interval_min: env.duration(
            "PARLEY_PERSIST_BATCH_INTERVAL",
            defaults.batch_interval_min,
            "between the beginnings of two transactions of a partition, unless one is full",
        ),
        ..defaults
    };
    if config.batch_records_max == 0 || config.batch_bytes_max == 0 {
        env.mistake("PARLEY_PERSIST_BATCH, PARLEY_PERSIST_BATCH_MAX", "must be at least 1");
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        Config::read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), &[]).0
    }

    #[test]
    fn nothing_has_to_be_set() {
        let config = read(&[]).unwrap();
        assert!(!config.token_key_is_set);
        assert_eq!(config.store, StoreUrl::Sqlite(PathBuf::from(".parley/store.db")));
        assert!(config.gateway.listen.ip().is_loopback() && config.admin_listen.ip().is_loopback());
    }

    #[test]
    fn the_store_may_lie_elsewhere() {
        let config = read(&[("PARLEY_DATA_DIR", "d"), ("PARLEY_STORE_URL", "sqlite:elsewhere/chat.db")]).unwrap();
        assert_eq!((config.log.folder, config.store), (PathBuf::from("d"), StoreUrl::Sqlite(PathBuf::from("elsewhere/chat.db"))));
    }

    #[test]
    fn mistakes_are_named_all_at_once_and_no_value_is_shown() {
        let pairs = [
            ("PARLEY_LOG_URL", "kafka://secret@host/topic"),
            ("PARLEY_BUS_URL", "http://secret@host"),
            ("PARLEY_STORE_URL", "mysql://secret@host/db"),
            ("PARLEY_TOKEN_KEY", "secret"),
            ("PARLEY_ADMIN_LISTEN", "here"),
            ("PARLEY_PERSIST_BATCH", "0"),
            ("PARLEY_LISTN", "127.0.0.1:1"),
        ];
        let error = read(&pairs).unwrap_err();
        assert_eq!(error.mistakes.len(), pairs.len(), "{error}");
        assert!(pairs.iter().all(|(name, _)| error.mistakes.iter().any(|mistake| mistake.starts_with(name))), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
