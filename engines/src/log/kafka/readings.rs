//! Readings: a partition read from an offset on. Consumers are shared: each reads any number of partitions, but one partition only once, so that there are
//! as many consumers as readings of the busiest partition, not as many as readings.

use std::{
    cmp::Ordering,
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::FutureExt;
use parley_proto::{Cursor, PartitionId, Position};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{Consumer, StreamConsumer, stream_consumer::StreamPartitionQueue},
    error::{KafkaError, RDKafkaErrorCode},
    message::BorrowedMessage,
};
use tokio::{runtime::Handle, task::AbortHandle};

use super::{closing, context::Logging};
use crate::log::{LogError, LogRecord};

/// Consumers of one kind.
pub(super) struct Consumers {
    topic: String,
    config: ClientConfig,
    runtime: Handle,
    slots: Mutex<Vec<Slot>>,
}

struct Slot {
    consumer: Arc<StreamConsumer<Logging>>,
    /// What it reads.
    taken: HashSet<PartitionId>,
    /// Serves what the consumer has to say outside of partitions.
    listener: AbortHandle,
}

impl Consumers {
    /// Needs a Tokio runtime, on which the consumers live.
    pub(super) fn new(topic: String, config: ClientConfig) -> Self {
        Self { topic, config, runtime: Handle::current(), slots: Mutex::default() }
    }

    /// Begins to read the partition at `from`.
    pub(super) async fn read(self: &Arc<Self>, partition: PartitionId, from: Cursor) -> Result<Reading, LogError> {
        let this = Arc::clone(self);
        let reading = self.runtime.spawn_blocking(move || this.assign(partition, from)).await;
        reading.map_err(|_| LogError::Unavailable("the log is closed".to_owned()))?.map_err(|error| LogError::Unavailable(error.to_string()))
    }

    fn assign(self: Arc<Self>, partition: PartitionId, from: Cursor) -> Result<Reading, KafkaError> {
        let consumer = self.take(partition)?;
        let Some(queue) = consumer.split_partition_queue(&self.topic, partition.0.into()) else {
            self.release(&consumer, partition);
            return Err(KafkaError::Subscription("no queue of the partition".to_owned()));
        };
        // From here on the reading's drop puts things back.
        let reading = Reading { queue: Some(queue), consumer, consumers: self, partition, expected: from };
        reading.consumer.incremental_assign(&reading.consumers.assignment(partition, Some(from)))?;
        Ok(reading)
    }

    /// A consumer that does not read the partition yet; a new one if there is none.
    fn take(&self, partition: PartitionId) -> Result<Arc<StreamConsumer<Logging>>, KafkaError> {
        let mut slots = self.lock();
        if let Some(slot) = slots.iter_mut().find(|slot| !slot.taken.contains(&partition)) {
            slot.taken.insert(partition);
            return Ok(Arc::clone(&slot.consumer));
        }
        let _runtime = self.runtime.enter();
        let consumer: Arc<StreamConsumer<Logging>> = Arc::new(self.config.create_with_context(Logging)?);
        let listener = self.runtime.spawn(listen(Arc::clone(&consumer))).abort_handle();
        slots.push(Slot { consumer: Arc::clone(&consumer), taken: HashSet::from([partition]), listener });
        Ok(consumer)
    }

    fn release(&self, consumer: &Arc<StreamConsumer<Logging>>, partition: PartitionId) {
        if let Some(slot) = self.lock().iter_mut().find(|slot| Arc::ptr_eq(&slot.consumer, consumer)) {
            slot.taken.remove(&partition);
        }
    }

    fn assignment(&self, partition: PartitionId, from: Option<Cursor>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        let offset = from.map_or(Offset::Invalid, |from| Offset::Offset(i64::try_from(from.0).unwrap_or(i64::MAX)));
        // The only error is an offset that does not fit, and all of them do.
        if let Err(error) = list.add_partition_offset(&self.topic, partition.0.into(), offset) {
            tracing::error!(%error, "a partition could not be named");
        }
        list
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Consumers {
    fn drop(&mut self) {
        let slots = std::mem::take(self.slots.get_mut().unwrap_or_else(PoisonError::into_inner));
        for slot in &slots {
            slot.listener.abort();
        }
        closing::begin(slots);
    }
}

impl std::fmt::Debug for Consumers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumers").field("topic", &self.topic).finish_non_exhaustive()
    }
}

async fn listen(consumer: Arc<StreamConsumer<Logging>>) {
    loop {
        match consumer.recv().await {
            Ok(message) => tracing::error!(read.partition = message.partition(), "a record arrived outside of its partition's queue and was dropped"),
            Err(error) => tracing::debug!(%error, "a consumer reports an error"),
        }
    }
}

/// One partition, from an offset on.
pub(super) struct Reading {
    queue: Option<StreamPartitionQueue<Logging>>,
    consumer: Arc<StreamConsumer<Logging>>,
    consumers: Arc<Consumers>,
    partition: PartitionId,
    /// The next record's position, if offsets are dense.
    expected: Cursor,
}

/// Why a reading can't go on. Another one may, from the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// The brokers don't have this offset.
    NotThere,
    /// There are no records in [`Hole::from`, `Hole::to`), says this reading.
    Hole(Hole),
    Failed(String),
}

/// A piece of a partition without records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hole {
    from: Cursor,
    to: Cursor,
}

impl Reading {
    /// Waits for the next record. Cancelling loses nothing. A hole is believed only if a reading before this one found `known_hole`, the same.
    pub(super) async fn next(&mut self, known_hole: Option<Hole>) -> Result<LogRecord, Interrupted> {
        loop {
            let Some(queue) = &self.queue else { return Err(Interrupted::Failed("the reading has ended".to_owned())) };
            let message = queue.recv().await;
            let record = record(message)?;
            match record.position.at().cmp(&self.expected) {
                // Left over from an earlier reading.
                Ordering::Less => continue,
                Ordering::Equal => {}
                Ordering::Greater => {
                    let hole = Hole { from: self.expected, to: record.position.at() };
                    if known_hole != Some(hole) {
                        return Err(Interrupted::Hole(hole));
                    }
                    tracing::warn!(read.partition = self.partition.0, read.from = hole.from.0, read.to = hole.to.0, "the log has no records here");
                }
            }
            self.expected = record.position.next();
            return Ok(record);
        }
    }

    /// The next record, if it is here already.
    pub(super) fn next_ready(&mut self) -> Option<Result<LogRecord, Interrupted>> {
        self.next(None).now_or_never()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let Some(queue) = self.queue.take() else { return };
        let (consumer, consumers, partition) = (Arc::clone(&self.consumer), Arc::clone(&self.consumers), self.partition);
        self.consumers.runtime.spawn_blocking(move || {
            if let Err(error) = consumer.incremental_unassign(&consumers.assignment(partition, None)) {
                tracing::debug!(%error, "a partition was not being read");
            }
            // What was fetched in advance would lie there until the partition is read again.
            while queue.recv().now_or_never().is_some() {}
            drop(queue);
            consumers.release(&consumer, partition);
        });
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("partition", &self.partition).field("expected", &self.expected).finish_non_exhaustive()
    }
}

fn record(message: Result<BorrowedMessage<'_>, KafkaError>) -> Result<LogRecord, Interrupted> {
    let message = message.map_err(|error| match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => Interrupted::NotThere,
        _ => Interrupted::Failed(error.to_string()),
    })?;
    let offset = u64::try_from(message.offset()).map_err(|_| Interrupted::Failed(format!("a record at offset {}", message.offset())))?;
    Ok(LogRecord { position: Position::new(0, offset), bytes: Bytes::copy_from_slice(message.payload().unwrap_or_default()) })
}
