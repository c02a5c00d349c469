//! How each partition is doing: for readiness, alarms, and the outbox, which waits for what it appended to come back.

use std::sync::Arc;

use parley_engines::log::LogError;
use parley_proto::{Cursor, PartitionId, Position};
use thiserror::Error;
use tokio::sync::watch;

use crate::metrics;

/// Why a partition stopped for good: an operator has to look. Nothing was skipped or reset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Stopped {
    #[error("the record at {position} has version {version}, newer than this program: upgrade the readers")]
    Newer { position: Position, version: u8 },
    #[error("the log's first record is not the genesis of the log that this store belongs to")]
    ForeignLog,
    #[error("the log is empty, but the store has seen its records")]
    LogEmptied,
    #[error("the record at {position} is not the one that the store has seen there")]
    HashMismatch { position: Position },
    #[error("what the store needs is not in the log: {0}")]
    OutOfRange(LogError),
}

/// A partition's state in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionStatus {
    /// Not started, or waiting for the store or the log.
    Opening,
    /// Follows the log; everything below `next` is stored.
    Running { next: Cursor },
    /// Waits for an operator.
    Stopped(Stopped),
}

/// All partitions' states; clones see the same.
#[derive(Debug, Clone)]
pub struct PersisterStatus(Arc<Vec<watch::Sender<PartitionStatus>>>);

impl PersisterStatus {
    pub(crate) fn new(partitions: u16) -> Self {
        Self(Arc::new((0..partitions).map(|_| watch::Sender::new(PartitionStatus::Opening)).collect()))
    }

    pub(crate) fn set(&self, partition: PartitionId, status: PartitionStatus) {
        let changed = self.0[usize::from(partition.0)].send_replace(status.clone()) != status;
        if changed {
            metrics::stopped(self.stopped().len());
        }
    }

    pub(crate) fn watch(&self, partition: PartitionId) -> watch::Receiver<PartitionStatus> {
        self.0[usize::from(partition.0)].subscribe()
    }

    /// Every partition's state, in order.
    pub fn partitions(&self) -> Vec<PartitionStatus> {
        self.0.iter().map(|partition| partition.borrow().clone()).collect()
    }

    /// The partitions that wait for an operator, each with the reason: one of these makes the process not healthy.
    pub fn stopped(&self) -> Vec<(PartitionId, Stopped)> {
        let numbered = (0..).map(PartitionId).zip(self.0.iter());
        numbered
            .filter_map(|(partition, status)| match &*status.borrow() {
                PartitionStatus::Stopped(reason) => Some((partition, reason.clone())),
                _ => None,
            })
            .collect()
    }

    /// Whether every partition follows its log.
    pub fn is_ready(&self) -> bool {
        self.0.iter().all(|partition| matches!(&*partition.borrow(), PartitionStatus::Running { .. }))
    }

    /// Waits until every partition follows its log. Never returns while one is stopped.
    pub async fn ready(&self) {
        for partition in self.0.iter() {
            let _ = partition.subscribe().wait_for(|status| matches!(status, PartitionStatus::Running { .. })).await;
        }
    }
}
