//! The topic itself: made once, grown later, never otherwise changed.

use std::time::Duration;

use parley_proto::PartitionId;
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{KafkaConfig, KafkaLogError, context::Logging};

/// How often a change of the topic is looked for until it shows.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How a topic is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicPlan {
    pub partitions: u16,
    /// Brokers that keep each record.
    pub replication: u16,
    /// Of them, how many must have it before it counts as appended; fewer in sync, and nothing is appended.
    pub min_insync_replicas: u16,
}

/// Makes the topic: records are kept for ever. Returns whether it did; one that is there is left as it is.
pub(super) async fn create(config: &KafkaConfig, plan: TopicPlan) -> Result<bool, KafkaLogError> {
    let min_insync_replicas = plan.min_insync_replicas.to_string();
    let topic = NewTopic::new(&config.topic, plan.partitions.into(), TopicReplication::Fixed(plan.replication.into()))
        .set("cleanup.policy", "delete")
        .set("retention.ms", "-1")
        .set("retention.bytes", "-1")
        .set("min.insync.replicas", &min_insync_replicas)
        // What is at offset n stays there: no broker may lead that lacks acknowledged records.
        .set("unclean.leader.election.enable", "false");
    let answers = admin(config)?.create_topics([&topic], &options(config)).await.map_err(unreachable(config))?;
    match answers.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(false),
        Some(Err((_, error))) => Err(KafkaLogError::Refused(error.to_string())),
        Some(Ok(_)) | None => wait_for(config, plan.partitions).await.map(|()| true),
    }
}

/// Adds partitions until there are this many. Records stay where they are.
pub(super) async fn grow(config: &KafkaConfig, partitions: u16) -> Result<(), KafkaLogError> {
    let more = NewPartitions::new(&config.topic, partitions.into());
    let answers = admin(config)?.create_partitions([&more], &options(config)).await.map_err(unreachable(config))?;
    match answers.into_iter().next() {
        Some(Err((_, RDKafkaErrorCode::UnknownTopicOrPartition))) => Err(KafkaLogError::NoTopic(config.topic.clone())),
        Some(Err((_, error))) => Err(KafkaLogError::Refused(error.to_string())),
        Some(Ok(_)) | None => wait_for(config, partitions).await,
    }
}

/// A client that asks and never reads.
pub(super) fn asking_client(config: &KafkaConfig) -> Result<BaseConsumer<Logging>, KafkaLogError> {
    config.client().create_with_context(Logging).map_err(|error| KafkaLogError::Config(error.to_string()))
}

/// How many partitions the topic has. Blocks.
pub(super) fn partitions(client: &BaseConsumer<Logging>, config: &KafkaConfig) -> Result<u16, KafkaLogError> {
    let metadata = client.fetch_metadata(Some(&config.topic), config.open_deadline).map_err(unreachable(config))?;
    let topic = metadata.topics().iter().find(|topic| topic.name() == config.topic);
    let Some(topic) = topic else { return Err(KafkaLogError::NoTopic(config.topic.clone())) };
    match topic.error().map(RDKafkaErrorCode::from) {
        None => {}
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => return Err(KafkaLogError::NoTopic(config.topic.clone())),
        Some(error) => return Err(KafkaLogError::Refused(error.to_string())),
    }
    u16::try_from(topic.partitions().len()).map_err(|_| KafkaLogError::Refused("more partitions than rooms can name".to_owned()))
}

/// The brokers learn one after the other of a change: waits until each of the partitions says where it ends.
async fn wait_for(config: &KafkaConfig, expected: u16) -> Result<(), KafkaLogError> {
    let (client, config) = (asking_client(config)?, config.clone());
    let began = tokio::time::Instant::now();
    let waiting = tokio::task::spawn_blocking(move || {
        let is_there = |partition: PartitionId| client.fetch_watermarks(&config.topic, partition.0.into(), config.end_deadline).is_ok();
        while !(0..expected).map(PartitionId).all(is_there) {
            if began.elapsed() > config.open_deadline {
                return Err(KafkaLogError::Refused("the topic's partitions do not come up".to_owned()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    });
    waiting.await.unwrap_or_else(|error| Err(KafkaLogError::Refused(error.to_string())))
}

fn admin(config: &KafkaConfig) -> Result<AdminClient<DefaultClientContext>, KafkaLogError> {
    config.client().create().map_err(|error| KafkaLogError::Config(error.to_string()))
}

fn options(config: &KafkaConfig) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(config.open_deadline)).operation_timeout(Some(config.open_deadline))
}

fn unreachable(config: &KafkaConfig) -> impl FnOnce(KafkaError) -> KafkaLogError {
    let hosts = config.hosts.clone();
    move |error| KafkaLogError::Unreachable { hosts, reason: error.to_string() }
}
