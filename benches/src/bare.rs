//! A producer and nothing else: records that were encoded before anything began, the product's linger, partitions and guarantees, and a report of each.

use std::{sync::Arc, time::Duration};

use parley_engines::log::kafka::{KafkaConfig, KafkaLog, TopicPlan};
use parley_gateway::clock;
use parley_proto::{Body, Cid, Kind, PartitionId, Record, RoomId, UserId, codec};
use rdkafka::{
    ClientConfig, ClientContext,
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};
use uuid::Uuid;

/// A topic's, as the product makes it.
pub(crate) const PARTITIONS: u16 = 16;

/// Hears, on the producer's thread, which records are in the log.
pub(crate) trait Told: Send + Sync + 'static {
    fn of(&self, number: usize);
}

pub(crate) struct Bare<T: Told> {
    topic: String,
    producer: ThreadedProducer<Reports<T>>,
    pub(crate) told: Arc<T>,
    records: Vec<Vec<u8>>,
}

struct Reports<T>(Arc<T>);

impl<T: Told> ClientContext for Reports<T> {}

impl<T: Told> ProducerContext for Reports<T> {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        if result.is_ok() {
            self.0.of(number);
        }
    }
}

/// The topic of this URL, with the product's number of partitions.
pub(crate) async fn make_topic(url: &str) -> anyhow::Result<KafkaConfig> {
    let config = KafkaConfig::from_url(url)?;
    KafkaLog::create_topic(&config, TopicPlan { partitions: PARTITIONS, replication: 1, min_insync_replicas: 1 }).await?;
    Ok(config)
}

/// Messages with these bodies, encoded.
pub(crate) fn records(bodies: &[String]) -> Vec<Vec<u8>> {
    bodies.iter().enumerate().map(|(number, body)| codec::encode(&message(number, body)).to_vec()).collect()
}

/// A message of somebody's; its number begins its body.
pub(crate) fn message(number: usize, body: &str) -> Record {
    let (room, sender) = (RoomId::new(PartitionId(0), [1; 16]), UserId(Uuid::from_u128(number as u128)));
    Record { body: Body::Plain(format!("~{number}~ {body}")), sent_at: clock::now(), ..Record::bare(Kind::Message, room, sender, Cid(Uuid::new_v4())) }
}

impl<T: Told> Bare<T> {
    pub(crate) fn new(config: &KafkaConfig, bodies: &[String], told: T) -> anyhow::Result<Self> {
        let told = Arc::new(told);
        let mut client = ClientConfig::new();
        for (name, value) in [("enable.idempotence", "true"), ("acks", "all"), ("compression.codec", "lz4")] {
            client.set(name, value);
        }
        client.set("queue.buffering.max.ms", config.linger.as_millis().to_string());
        client.set("bootstrap.servers", &config.hosts).set("socket.nagle.disable", "true");
        let producer = client.create_with_context(Reports(Arc::clone(&told)))?;
        Ok(Self { topic: config.topic.clone(), producer, told, records: records(bodies) })
    }

    /// Hands the record with this number over; the partitions take turns.
    pub(crate) fn send(&self, number: usize) -> anyhow::Result<()> {
        let record = BaseRecord::<'_, [u8], [u8], usize>::with_opaque_to(&self.topic, number);
        let record = record.partition((number % usize::from(PARTITIONS)) as i32).key(&[7; 16][..]).payload(&self.records[number % self.records.len()][..]);
        self.producer.send(record).map_err(|(error, _)| error.into())
    }

    /// Waits for all reports.
    pub(crate) fn flush(&self, deadline: Duration) -> anyhow::Result<()> {
        Ok(self.producer.flush(deadline)?)
    }
}
