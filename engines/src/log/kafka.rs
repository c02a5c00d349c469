//! The log in one topic of Kafka: partition = partition, position = offset (epoch 0), key = room.
//!
//! One idempotent producer per process; readers assign themselves partitions and offsets. Who persists what is a consumer group's business, which reads nothing. Offsets are never stored there and never reset: a
//! position that the brokers don't have is an error. The log's id is not here: it is in each partition's first record and in the store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parley_proto::{Cursor, PartitionId, RoomId};
use thiserror::Error;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout_at},
};

use self::{
    appender::Appender,
    bounds::BoundsQueries,
    follower::KafkaFollower,
    readings::{Consumers, Interrupted, Reading},
};
pub use self::{
    config::{KafkaConfig, KafkaUrlError, Security},
    topic::TopicPlan,
};
use super::{EnqueueError, LogError, LogFollower, LogReader, LogRecord, LogWriter, ReadMax, Receipt, Share};

mod appender;
mod bounds;
mod closing;
mod config;
mod context;
mod follower;
mod group;
mod in_flight;
mod readings;
mod topic;

/// Why the log can't be opened or changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KafkaLogError {
    #[error("Kafka at {hosts} does not answer: {reason}")]
    Unreachable { hosts: String, reason: String },
    #[error("Kafka has no topic {0:?}: create it first")]
    NoTopic(String),
    #[error("Kafka refuses: {0}")]
    Refused(String),
    #[error("the Kafka client's settings: {0}")]
    Config(String),
}

/// The log on Kafka. Dropping it closes it without waiting; [`KafkaLog::close`] waits until what is under way is answered for.
#[derive(Debug)]
pub struct KafkaLog {
    appender: Arc<Appender>,
    shared: Arc<Shared>,
}

/// The reading side.
#[derive(Debug)]
struct Shared {
    config: KafkaConfig,
    partitions: u16,
    bounds: BoundsQueries,
    followers: Arc<Consumers>,
    ranges: Arc<Consumers>,
    range_readers: Semaphore,
}

impl KafkaLog {
    /// Opens the log in a topic that is there. Needs a Tokio runtime.
    pub async fn open(config: KafkaConfig) -> Result<Self, KafkaLogError> {
        let client = topic::asking_client(&config)?;
        let asked = config.clone();
        let looking = tokio::task::spawn_blocking(move || topic::partitions(&client, &asked).map(|partitions| (partitions, client)));
        let (partitions, client) = looking.await.unwrap_or_else(|error| Err(KafkaLogError::Refused(error.to_string())))?;
        let appender = Appender::new(config.clone()).map_err(|error| KafkaLogError::Config(error.to_string()))?;
        let shared = Shared {
            partitions,
            bounds: BoundsQueries::new(client, config.topic.clone(), config.end_deadline, partitions),
            followers: Arc::new(Consumers::new(config.topic.clone(), config.follower())),
            ranges: Arc::new(Consumers::new(config.topic.clone(), config.range_reader())),
            range_readers: Semaphore::new(config.readers.max(1)),
            config,
        };
        Ok(Self { appender: Arc::new(appender), shared: Arc::new(shared) })
    }

    /// Makes the topic: records are kept for ever. Returns whether it did; one that is there is left as it is.
    pub async fn create_topic(config: &KafkaConfig, plan: TopicPlan) -> Result<bool, KafkaLogError> {
        topic::create(config, plan).await
    }

    /// Adds partitions until there are this many. Logs that are open go on with those that they found.
    pub async fn grow(config: &KafkaConfig, partitions: u16) -> Result<(), KafkaLogError> {
        topic::grow(config, partitions).await
    }

    /// Accepts nothing more, and returns when all that is under way is answered for.
    pub async fn close(&self) {
        let appender = Arc::clone(&self.appender);
        let closing = tokio::task::spawn_blocking(move || appender.close());
        if let Err(error) = closing.await {
            tracing::warn!(%error, "closing the log");
        }
    }
}

impl LogWriter for KafkaLog {
    fn enqueue(&self, partition: PartitionId, room: RoomId, record: Bytes) -> Result<Receipt, EnqueueError> {
        if partition.0 >= self.shared.partitions {
            tracing::error!(append.partition = partition.0, "a record for a partition that the log does not have was refused");
            return Err(EnqueueError::Closed);
        }
        self.appender.enqueue(partition, room, &record)
    }
}

#[async_trait]
impl LogReader for KafkaLog {
    fn partitions(&self) -> u16 {
        self.shared.partitions
    }

    async fn end(&self, partition: PartitionId) -> Result<Cursor, LogError> {
        self.shared.bounds.ask(partition).await.map(|bounds| bounds.end)
    }

    async fn read(&self, partition: PartitionId, from: Cursor, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        self.shared.read(partition, from, max).await
    }

    fn share(&self) -> watch::Receiver<Share> {
        group::join(&self.shared.config)
    }

    fn follow(&self, partition: PartitionId, from: Cursor) -> Box<dyn LogFollower> {
        Box::new(KafkaFollower::new(Arc::clone(&self.shared), partition, from))
    }
}

impl Shared {
    /// A follower's reading, at a place that the log has.
    async fn start(&self, partition: PartitionId, from: Cursor) -> Result<Reading, LogError> {
        self.bounds.ask(partition).await?.check(from)?;
        self.followers.read(partition, from).await
    }

    async fn read(&self, partition: PartitionId, from: Cursor, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        let bounds = self.bounds.ask(partition).await?;
        bounds.check(from)?;
        let deadline = Instant::now() + self.config.read_deadline;
        let mut records = Vec::new();
        if from < bounds.end {
            let range = self.range(partition, from, bounds.end, max, &mut records);
            let outcome = timeout_at(deadline, range).await.unwrap_or_else(|_| Err(LogError::Unavailable("the records did not come in time".to_owned())));
            if records.is_empty() {
                outcome?;
            }
        }
        Ok(records)
    }

    /// The records of [from, end), as far as `max` allows.
    async fn range(&self, partition: PartitionId, from: Cursor, end: Cursor, max: ReadMax, records: &mut Vec<LogRecord>) -> Result<(), LogError> {
        let _turn = self.range_readers.acquire().await.map_err(|_| LogError::Unavailable("the log is closed".to_owned()))?;
        let (mut cursor, mut bytes, mut known_hole) = (from, 0, None);
        loop {
            let mut reading = self.ranges.read(partition, cursor).await?;
            let interrupted = loop {
                match reading.next(known_hole).await {
                    Ok(record) => {
                        bytes += record.bytes.len();
                        if !records.is_empty() && bytes > max.bytes {
                            return Ok(());
                        }
                        cursor = record.position.next();
                        records.push(record);
                        if cursor >= end || records.len() >= max.records {
                            return Ok(());
                        }
                    }
                    Err(interrupted) => break interrupted,
                }
            };
            match interrupted {
                Interrupted::Hole(hole) => known_hole = Some(hole),
                Interrupted::NotThere => return Err(LogError::Unavailable(format!("the brokers refused to read from {cursor}"))),
                Interrupted::Failed(reason) => return Err(LogError::Unavailable(reason)),
            }
        }
    }
}
