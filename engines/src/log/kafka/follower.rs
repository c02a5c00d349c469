//! Follows one partition. What it waits for goes on by itself when a wait is cancelled.

use std::sync::Arc;

use async_trait::async_trait;
use parley_proto::{Cursor, PartitionId};
use tokio::sync::oneshot;

use super::{
    Shared,
    readings::{Hole, Interrupted, Reading},
};
use crate::log::{LogError, LogFollower, LogRecord, ReadMax};

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
}

#[derive(Debug)]
enum State {
    Idle,
    Starting(oneshot::Receiver<Result<Reading, LogError>>),
    Reading(Reading),
}

impl KafkaFollower {
    pub(super) fn new(shared: Arc<Shared>, partition: PartitionId, cursor: Cursor) -> Self {
        Self { shared, partition, cursor, state: State::Idle, held: None, hole: None }
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
            let interrupted = match self.reading().await?.next(hole).await {
                Ok(record) => {
                    self.hole = None;
                    return Ok(record);
                }
                Err(interrupted) => interrupted,
            };
            self.state = State::Idle;
            match interrupted {
                Interrupted::Hole(hole) => self.hole = Some(hole),
                Interrupted::NotThere => return Err(LogError::Unavailable(format!("the brokers refused to read from {}", self.cursor))),
                Interrupted::Failed(reason) => return Err(LogError::Unavailable(reason)),
            }
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
