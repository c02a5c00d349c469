//! The producing side: one idempotent producer, replaced when it failed for good.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parley_proto::{PartitionId, Position, RoomId};
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};
use tokio::time::Instant;

use super::{KafkaConfig, closing, context, in_flight::InFlight};
use crate::log::{Appended, EnqueueError, Receipt, metrics};

/// A new producer that fails for good as well is not followed by the next one at once.
const REPLACE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Appender {
    config: KafkaConfig,
    current: RwLock<Arc<Generation>>,
}

/// One producer and what is under way in it.
struct Generation {
    /// Taken out when it is dropped, which takes time.
    producer: Option<ThreadedProducer<Deliveries>>,
    shared: Arc<Shared>,
    made_at: Instant,
}

/// What the producer's thread and its users share.
#[derive(Debug)]
struct Shared {
    in_flight: InFlight,
    failed: AtomicBool,
}

impl Appender {
    pub(super) fn new(config: KafkaConfig) -> Result<Self, KafkaError> {
        let first = Generation::new(&config)?;
        Ok(Self { config, current: RwLock::new(Arc::new(first)) })
    }

    pub(super) fn enqueue(&self, partition: PartitionId, room: RoomId, record: &Bytes) -> Result<Receipt, EnqueueError> {
        let generation = self.working()?;
        let (ticket, receipt) = generation.shared.in_flight.admit(Instant::now(), record.len())?;
        let Some(producer) = &generation.producer else { return Err(EnqueueError::Closed) };
        let message =
            BaseRecord::with_opaque_to(&self.config.topic, ticket).partition(partition.0.into()).key(room.0.as_bytes().as_slice()).payload(&record[..]);
        let Err((error, _)) = producer.send(message) else { return Ok(receipt) };
        generation.shared.in_flight.withdraw(ticket);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => {
                metrics::queue_refused();
                Err(EnqueueError::QueueFull)
            }
            Some(RDKafkaErrorCode::Fatal) => {
                generation.shared.fail();
                Err(EnqueueError::QueueFull)
            }
            _ => {
                tracing::error!(%error, append.partition = partition.0, append.bytes = record.len(), "the producer refused a record");
                Err(EnqueueError::Closed)
            }
        }
    }

    /// Accepts nothing more and waits for what is under way, for as long as an append may take. Blocks.
    pub(super) fn close(&self) {
        let generation = self.current();
        generation.shared.in_flight.close();
        if let Some(producer) = &generation.producer
            && let Err(error) = producer.flush(self.config.append_deadline * 2)
        {
            tracing::warn!(%error, "not everything under way to Kafka was answered for");
        }
        generation.shared.in_flight.give_up();
    }

    fn current(&self) -> Arc<Generation> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A producer that has not failed, as far as is known.
    fn working(&self) -> Result<Arc<Generation>, EnqueueError> {
        let current = self.current();
        if !current.shared.failed.load(Ordering::Acquire) {
            return Ok(current);
        }
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if !current.shared.failed.load(Ordering::Acquire) {
            return Ok(Arc::clone(&current));
        }
        if current.made_at.elapsed() < REPLACE_AT_MOST_EVERY {
            metrics::queue_refused();
            return Err(EnqueueError::QueueFull);
        }
        match Generation::new(&self.config) {
            Ok(next) => {
                tracing::warn!("a new producer takes over from one that failed for good");
                *current = Arc::new(next);
                Ok(Arc::clone(&current))
            }
            Err(error) => {
                tracing::error!(%error, "no new producer could be made");
                Err(EnqueueError::QueueFull)
            }
        }
    }
}

impl Generation {
    fn new(config: &KafkaConfig) -> Result<Self, KafkaError> {
        let shared = Arc::new(Shared { in_flight: InFlight::new(config.queue_bytes_max, config.queue_age_max), failed: AtomicBool::new(false) });
        let producer = config.producer().create_with_context(Deliveries(Arc::clone(&shared)))?;
        Ok(Self { producer: Some(producer), shared, made_at: Instant::now() })
    }
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation").field("shared", &self.shared).field("made_at", &self.made_at).finish_non_exhaustive()
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.shared.in_flight.give_up();
        closing::begin(self.producer.take());
    }
}

impl Shared {
    /// This producer can do nothing more. What is under way may be in the log or not, now or later.
    fn fail(&self) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            metrics::producer_failed();
        }
        let unknown = self.in_flight.give_up();
        if unknown > 0 {
            tracing::warn!(append.records = unknown, "the producer failed for good; the senders of what was under way are told that the outcome is unknown");
        }
    }
}

/// Hears of every record's fate, on the producer's thread.
struct Deliveries(Arc<Shared>);

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        context::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            tracing::error!(%error, kafka.reason = reason, "the producer failed for good");
            self.0.fail();
        } else {
            tracing::debug!(%error, kafka.reason = reason, "the producer reports an error");
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let appended = match result {
            Ok(message) => u64::try_from(message.offset()).map_or(Appended::Somewhere, |offset| Appended::At(Position::new(0, offset))),
            Err((error, _)) => {
                tracing::debug!(%error, "a record's outcome is unknown");
                metrics::append_unknown();
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
                    self.0.fail();
                }
                Appended::Unknown
            }
        };
        self.0.in_flight.settle(ticket, appended);
    }
}
