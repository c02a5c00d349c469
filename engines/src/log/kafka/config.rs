//! Where Kafka is and how its clients are set: librdkafka's defaults are made for other work.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use percent_encoding::percent_decode_str;
use rdkafka::ClientConfig;
use thiserror::Error;

/// How to open a [`KafkaLog`](super::KafkaLog).
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub hosts: String,
    pub topic: String,
    pub security: Security,
    /// This process' own name among those that persist (`group.instance.id`, KIP-345): started again under the same name it has the same partitions at once.
    /// Without one it is somebody new at each start.
    pub member_name: Option<String>,
    /// With TLS: who signs the brokers' certificates, as PEM; `None`: whom this machine trusts.
    pub authorities: Option<PathBuf>,
    /// Records handed over and not yet answered for, in bytes; above it [`EnqueueError::QueueFull`](crate::log::EnqueueError::QueueFull).
    pub queue_bytes_max: usize,
    /// Age of the oldest of them; above it [`EnqueueError::QueueFull`](crate::log::EnqueueError::QueueFull).
    pub queue_age_max: Duration,
    /// After it a record that the brokers said nothing about is `unknown`; below the time after which clients try again.
    pub append_deadline: Duration,
    /// How long records gather to travel together.
    pub linger: Duration,
    /// For one request for the end of a partition; who has to wait for the one before it waits twice as long at most.
    pub end_deadline: Duration,
    /// For a range of records: what was read until then is returned, if it is anything.
    pub read_deadline: Duration,
    /// Range reads at the same time.
    pub readers: usize,
    /// For a first answer of the brokers when the log is opened or its topic is made.
    pub open_deadline: Duration,
}

/// How the brokers are spoken to.
#[derive(Clone, PartialEq, Eq)]
pub enum Security {
    Plain,
    /// TLS; the brokers' certificates are checked, and that they bear the host's name.
    Tls,
    /// TLS, and a sign-in by SCRAM-SHA-512.
    TlsScram {
        user: String,
        password: String,
    },
}

/// The URL names no topic in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the URL of a Kafka topic (kafka://hosts/topic or kafka+ssl://user:password@hosts/topic): {0}")]
pub struct KafkaUrlError(&'static str);

impl KafkaConfig {
    /// `kafka://host:port,host:port/topic`, or `kafka+ssl://[user:password@]host:port,…/topic[?authorities=FILE]` with TLS; user, password and file
    /// percent-encoded.
    /// The default bounds: queue 64 MiB and 1 s, append 1.5 s, linger 1 ms, ends 1 s, reads 2 s, 4 readers, open 10 s.
    pub fn from_url(url: &str) -> Result<Self, KafkaUrlError> {
        let (rest, tls) = match (url.strip_prefix("kafka://"), url.strip_prefix("kafka+ssl://")) {
            (Some(rest), _) => (rest, false),
            (None, Some(rest)) => (rest, true),
            (None, None) => return Err(KafkaUrlError("another scheme")),
        };
        let (authority, topic) = rest.split_once('/').ok_or(KafkaUrlError("no topic"))?;
        let (sign_in, hosts) = match authority.rsplit_once('@') {
            Some((sign_in, hosts)) => (Some(sign_in), hosts),
            None => (None, authority),
        };
        let security = match (tls, sign_in) {
            (false, None) => Security::Plain,
            (false, Some(_)) => return Err(KafkaUrlError("a password without TLS")),
            (true, None) => Security::Tls,
            (true, Some(sign_in)) => scram(sign_in)?,
        };
        let (topic, authorities) = match topic.split_once("?authorities=") {
            Some(_) if !tls => return Err(KafkaUrlError("authorities without TLS")),
            Some((topic, file)) => (topic, Some(PathBuf::from(decoded(file)?))),
            None => (topic, None),
        };
        if hosts.split(',').any(str::is_empty) {
            return Err(KafkaUrlError("no host"));
        }
        if !is_topic(topic) {
            return Err(KafkaUrlError("no topic of 1 to 249 letters, digits, '.', '_' and '-'"));
        }
        Ok(Self { authorities, ..Self::new(hosts, topic, security) })
    }

    fn new(hosts: &str, topic: &str, security: Security) -> Self {
        Self {
            hosts: hosts.to_owned(),
            topic: topic.to_owned(),
            security,
            member_name: None,
            authorities: None,
            queue_bytes_max: 64 * 1024 * 1024,
            queue_age_max: Duration::from_secs(1),
            append_deadline: Duration::from_millis(1_500),
            linger: Duration::from_millis(1),
            end_deadline: Duration::from_secs(1),
            read_deadline: Duration::from_secs(2),
            readers: 4,
            open_deadline: Duration::from_secs(10),
        }
    }

    /// What all clients have in common. Brokers that went are tried again at once and often, and one that stalls is given up after seconds.
    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.hosts)
            .set("client.id", "parley")
            .set("socket.nagle.disable", "true")
            .set("socket.keepalive.enable", "true")
            .set("socket.timeout.ms", "6000")
            .set("socket.connection.setup.timeout.ms", "3000")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            .set("retry.backoff.ms", "50")
            .set("retry.backoff.max.ms", "500")
            // What the brokers said of leaders at a bad moment is not believed for longer, and partitions that were added are noticed within this time.
            .set("topic.metadata.refresh.interval.ms", "3000")
            .set("allow.auto.create.topics", "false")
            .set("log.connection.close", "false");
        match &self.security {
            Security::Plain => {}
            Security::Tls => {
                client.set("security.protocol", "ssl");
            }
            Security::TlsScram { user, password } => {
                client.set("security.protocol", "sasl_ssl").set("sasl.mechanism", "SCRAM-SHA-512");
                client.set("sasl.username", user).set("sasl.password", password);
            }
        }
        if let Some(authorities) = self.authorities.as_deref().and_then(Path::to_str) {
            client.set("ssl.ca.location", authorities);
        }
        client
    }

    /// Durable on all replicas in sync, in order, each record once.
    pub(super) fn producer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", millis(self.append_deadline))
            .set("queue.buffering.max.ms", millis(self.linger))
            .set("queue.buffering.max.kbytes", (self.queue_bytes_max / 1024).max(1).to_string())
            .set("queue.buffering.max.messages", "1000000")
            .set("compression.codec", "lz4");
        client
    }

    /// In the group of those that persist this topic; reads nothing.
    pub(super) fn member(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("group.id", format!("{}.persisters", self.topic))
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            // The least that brokers allow by default: for so long the partitions of a persister that was killed have nobody.
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "1500")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "latest");
        if let Some(name) = &self.member_name {
            client.set("group.instance.id", name);
        }
        client
    }

    /// Reads where it is told, and nowhere else: no group is joined, no offset stored, none reset.
    fn consumer(&self) -> ClientConfig {
        let mut client = self.client();
        client
            .set("group.id", "parley")
            .set("group.protocol", "classic")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("check.crcs", "true")
            // Nobody here writes in transactions; somebody else's open one must not hold readers up.
            .set("isolation.level", "read_uncommitted")
            .set("fetch.error.backoff.ms", "50")
            .set("fetch.queue.backoff.ms", "5")
            // Per partition.
            .set("queued.max.messages.kbytes", "4096")
            .set("fetch.message.max.bytes", "1048576");
        client
    }

    /// Waits at the broker for what comes; a partition that is added begins when the wait before it ends.
    pub(super) fn follower(&self) -> ClientConfig {
        let mut client = self.consumer();
        client.set("fetch.wait.max.ms", "100");
        client
    }

    /// Reads what is there; a wait at the broker would only be in the next read's way.
    pub(super) fn range_reader(&self) -> ClientConfig {
        let mut client = self.consumer();
        client.set("fetch.wait.max.ms", "5");
        client
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig").field("hosts", &self.hosts).field("topic", &self.topic).field("security", &self.security).finish_non_exhaustive()
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls => "Tls",
            Self::TlsScram { .. } => "TlsScram",
        })
    }
}

fn scram(sign_in: &str) -> Result<Security, KafkaUrlError> {
    let (user, password) = sign_in.split_once(':').ok_or(KafkaUrlError("a user without a password"))?;
    let (user, password) = (decoded(user)?, decoded(password)?);
    if user.is_empty() || password.is_empty() {
        return Err(KafkaUrlError("an empty user or password"));
    }
    Ok(Security::TlsScram { user, password })
}

fn decoded(text: &str) -> Result<String, KafkaUrlError> {
    percent_decode_str(text).decode_utf8().map(String::from).map_err(|_| KafkaUrlError("something percent-encoded that is not UTF-8"))
}

fn is_topic(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=249).contains(&name.len()) && name.bytes().all(known) && name != "." && name != ".."
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_hosts_and_a_topic() {
        let config = KafkaConfig::from_url("kafka://one:9092,two:9093/parley.events.v1").unwrap();
        assert_eq!((&*config.hosts, &*config.topic, config.security), ("one:9092,two:9093", "parley.events.v1", Security::Plain));
        let config = KafkaConfig::from_url("kafka+ssl://one:9094/t?authorities=/etc/our%20ca.pem").unwrap();
        assert_eq!((&*config.topic, config.security, config.authorities), ("t", Security::Tls, Some("/etc/our ca.pem".into())));
    }

    #[test]
    fn a_user_and_password_are_decoded_and_not_shown() {
        let config = KafkaConfig::from_url("kafka+ssl://us%65r:p%40ss%3Aw%2Frd@one:9096/t").unwrap();
        assert_eq!(config.security, Security::TlsScram { user: "user".to_owned(), password: "p@ss:w/rd".to_owned() });
        assert_eq!(config.hosts, "one:9096");
        assert!(!format!("{config:?}").contains("p@ss"));
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for (url, reason) in [
            ("redis://one/t", "another scheme"),
            ("kafka://one:9092", "no topic"),
            ("kafka://one:9092/", "no topic of"),
            ("kafka://one:9092/a/b", "no topic of"),
            ("kafka:///t", "no host"),
            ("kafka://one,,two/t", "no host"),
            ("kafka://user:password@one/t", "a password without TLS"),
            ("kafka://one/t?authorities=ca.pem", "authorities without TLS"),
            ("kafka+ssl://one/t?other=1", "no topic of"),
            ("kafka+ssl://user@one/t", "a user without a password"),
            ("kafka+ssl://user:@one/t", "an empty user or password"),
            ("kafka+ssl://user:%ff@one/t", "not UTF-8"),
        ] {
            let error = KafkaConfig::from_url(url).unwrap_err();
            assert!(error.to_string().contains(reason), "{url}: {error}");
        }
    }

    /// That librdkafka was built with TLS, SCRAM and the rest shows when a client is made.
    #[test]
    fn librdkafka_knows_every_setting() {
        for url in ["kafka://127.0.0.1:1/t", "kafka+ssl://127.0.0.1:1/t", "kafka+ssl://user:password@127.0.0.1:1/t"] {
            let config = KafkaConfig::from_url(url).unwrap();
            let _producer: rdkafka::producer::BaseProducer = config.producer().create().unwrap();
            for client in [config.follower(), config.range_reader(), KafkaConfig { member_name: Some("persister-1".to_owned()), ..config }.member()] {
                let _consumer: rdkafka::consumer::BaseConsumer = client.create().unwrap();
            }
        }
    }
}
