//! Which engine serves a port. The address may hold a password: no message repeats it.

use std::{fmt, path::PathBuf, str::FromStr};

use parley_engines::{bus::redis::RedisConfig, log::kafka::KafkaConfig};

/// `PARLEY_LOG_URL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LogUrl {
    /// `embedded:`, in this process.
    Embedded,
    /// `kafka://hosts/topic`, `kafka+ssl://user:password@hosts/topic`.
    Kafka(Box<KafkaConfig>),
}

impl FromStr for LogUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url {
            "embedded:" => Ok(Self::Embedded),
            url if url.starts_with("kafka") => KafkaConfig::from_url(url).map(|config| Self::Kafka(Box::new(config))).map_err(|error| error.to_string()),
            _ => Err("neither embedded: nor kafka://hosts/topic nor kafka+ssl://user:password@hosts/topic".to_owned()),
        }
    }
}

impl fmt::Display for LogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded:",
            Self::Kafka(_) => "kafka:",
        })
    }
}

/// `PARLEY_BUS_URL`.
#[derive(Debug, Clone)]
pub(crate) enum BusUrl {
    /// `embedded:`, in this process.
    Embedded,
    /// `redis://host`, `rediss://user:password@host`.
    Redis(Box<RedisConfig>),
}

impl FromStr for BusUrl {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        match url {
            "embedded:" => Ok(Self::Embedded),
            url if url.starts_with("redis") => RedisConfig::from_url(url).map(|config| Self::Redis(Box::new(config))).map_err(|error| error.to_string()),
            _ => Err("neither embedded: nor redis://host nor rediss://user:password@host".to_owned()),
        }
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded:",
            Self::Redis(_) => "redis:",
        })
    }
}

/// `PARLEY_STORE_URL`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/database`.
    Postgres(String),
}

impl FromStr for StoreUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.to_owned()));
        }
        match url.strip_prefix("sqlite:") {
            Some("") => Err("sqlite: is followed by the file's path"),
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
            None => Err("neither sqlite:PATH nor postgres://user:password@host/database"),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(…)"),
        }
    }
}
