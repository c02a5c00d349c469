//! Follows one partition. What it waits for goes on by itself when a wait is cancelled.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use parley_proto::{Cursor, PartitionId};
use tokio::{sync::oneshot, time::timeout};

use super::{
    Shared,
    readings::{Hole, Interrupted, Reading},
};
use crate::log::{LogError, LogFollower, LogRecord, ReadMax, metrics};

/// After this much silence a follower asks where the partition ends. What was below that end and has not come after as much silence again won't come:
/// librdkafka can stop fetching a partition for good, without a word, when its broker was away.
const SILENCE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct KafkaFollower {
    shared: Arc<Shared>,
    partition: PartitionId,
    cursor: Cursor,
    state: State,
    /// Taken out of the reading, but more than the last call might return.
    held: Option<LogRecord>,
    /// Where the reading before this one found no records.
    hole: Option<Hole>,
    /// The partition's end as it was at the end of the last silence.
    end: Option<Cursor>,
}

#[derive(Debug)]
enum State {
    Idle,
    Starting(oneshot::Receiver<Result<Reading, LogError>>),
    Reading(Reading),
}

impl KafkaFollower {
    pub(super) fn new(shared: Arc<Shared>, partition: PartitionId, cursor: Cursor) -> Self {
        Self { shared, partition, cursor, state: State::Idle, held: None, hole: None, end: None }
    }

    /// The reading, from the cursor on.
    async fn reading(&mut self) -> Result<&mut Reading, LogError> {
        if let State::Idle = self.state {
            let (sender, receiver) = oneshot::channel();
            let (shared, partition, cursor) = (Arc::clone(&self.shared), self.partition, self.cursor);
            tokio::spawn(async move {
                let _gone = sender.send(shared.start(partition, cursor).await);
            });
            self.state = State::Starting(receiver);
        }
        if let State::Starting(receiver) = &mut self.state {
            let started = receiver.await.unwrap_or_else(|_| Err(LogError::Unavailable("the log is closed".to_owned())));
            self.state = State::Idle;
            self.state = State::Reading(started?);
        }
        match &mut self.state {
            State::Reading(reading) => Ok(reading),
            State::Idle | State::Starting(_) => Err(LogError::Unavailable("the reading did not start".to_owned())),
        }
    }

    /// Waits for one record.
    async fn first(&mut self) -> Result<LogRecord, LogError> {
        if let Some(held) = self.held.take() {
            return Ok(held);
        }
        loop {
            let hole = self.hole;
            let interrupted = match timeout(SILENCE, self.reading().await?.next(hole)).await {
                Ok(Ok(record)) => {
                    (self.hole, self.end) = (None, None);
                    return Ok(record);
                }
                Ok(Err(interrupted)) => interrupted,
                Err(_) => {
                    self.after_silence().await;
                    continue;
                }
            };
            self.state = State::Idle;
            match interrupted {
                Interrupted::Hole(hole) => self.hole = Some(hole),
                Interrupted::NotThere => return Err(LogError::Unavailable(format!("the brokers refused to read from {}", self.cursor))),
                Interrupted::Failed(reason) => return Err(LogError::Unavailable(reason)),
            }
        }
    }

    /// Begins a new reading where this one brings nothing although there is something.
    async fn after_silence(&mut self) {
        if self.end.take().is_some_and(|end| end > self.cursor) {
            tracing::warn!(read.partition = self.partition.0, read.from = self.cursor.0, "a reading has stalled and begins anew");
            metrics::reading_stalled();
            self.state = State::Idle;
        } else if let Ok(bounds) = self.shared.bounds.ask(self.partition).await {
            self.end = Some(bounds.end);
        }
    }
}

#[async_trait]
impl LogFollower for KafkaFollower {
    async fn next(&mut self, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        let first = self.first().await?;
        // Nothing is awaited any more.
        let mut bytes = first.bytes.len();
        let mut records = vec![first];
        if let State::Reading(reading) = &mut self.state {
            while records.len() < max.records {
                match reading.next_ready() {
                    Some(Ok(record)) if bytes + record.bytes.len() > max.bytes => {
                        self.held = Some(record);
                        break;
                    }
                    Some(Ok(record)) => {
                        bytes += record.bytes.len();
                        records.push(record);
                    }
                    Some(Err(interrupted)) => {
                        tracing::debug!(?interrupted, read.partition = self.partition.0, "a reading was interrupted and begins anew");
                        self.state = State::Idle;
                        break;
                    }
                    None => break,
                }
            }
        }
        if let Some(last) = records.last() {
            self.cursor = last.position.next();
        }
        Ok(records)
    }
}
