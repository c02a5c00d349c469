//! How each partition is doing: for readiness, alarms, and the outbox, which waits for what it appended to come back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

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

/// The states of the partitions that are this process' share; clones see the same.
#[derive(Debug, Clone)]
pub struct PersisterStatus(Arc<watch::Sender<Option<BTreeMap<PartitionId, PartitionStatus>>>>);

impl PersisterStatus {
    /// Of a process that has no share yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// From now on these are the share; states of those that it keeps stay.
    pub(crate) fn share(&self, share: Option<&BTreeSet<PartitionId>>) {
        self.0.send_modify(|held| {
            let before = held.take().unwrap_or_default();
            *held = share.map(|share| {
                let state = |partition: &PartitionId| before.get(partition).cloned().unwrap_or(PartitionStatus::Opening);
                share.iter().map(|partition| (*partition, state(partition))).collect()
            });
        });
        metrics::share(self.partitions().len());
        metrics::stopped(self.stopped().len());
    }

    /// Says nothing of a partition that is not the share any more.
    pub(crate) fn set(&self, partition: PartitionId, status: PartitionStatus) {
        let changed = self.0.send_if_modified(|held| match held.as_mut().and_then(|held| held.get_mut(&partition)) {
            Some(known) if *known != status => {
                *known = status;
                true
            }
            _ => false,
        });
        if changed {
            metrics::stopped(self.stopped().len());
        }
    }

    /// Waits until the partition's state is such.
    pub(crate) async fn until(&self, partition: PartitionId, is_such: impl Fn(&PartitionStatus) -> bool) {
        self.wait_for(|held| held.get(&partition).is_some_and(&is_such)).await;
    }

    /// Whether the partition is the share.
    pub(crate) fn has(&self, partition: PartitionId) -> bool {
        self.0.borrow().as_ref().is_some_and(|held| held.contains_key(&partition))
    }

    /// The share, and the state of each.
    pub fn partitions(&self) -> BTreeMap<PartitionId, PartitionStatus> {
        self.0.borrow().clone().unwrap_or_default()
    }

    /// The partitions that wait for an operator, each with the reason: one of these makes the process not healthy.
    pub fn stopped(&self) -> Vec<(PartitionId, Stopped)> {
        let stopped = |(partition, status)| match status {
            PartitionStatus::Stopped(reason) => Some((partition, reason)),
            _ => None,
        };
        self.partitions().into_iter().filter_map(stopped).collect()
    }

    /// Whether this process has been given a share, which may be empty, and follows all of it.
    pub fn is_ready(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(follows_all)
    }

    /// Waits until this process is ready. Never returns while a partition is stopped.
    pub async fn ready(&self) {
        self.wait_for(follows_all).await;
    }

    async fn wait_for(&self, is_such: impl Fn(&BTreeMap<PartitionId, PartitionStatus>) -> bool) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(|held| held.as_ref().is_some_and(&is_such)).await;
    }
}

fn follows_all(held: &BTreeMap<PartitionId, PartitionStatus>) -> bool {
    held.values().all(|status| matches!(status, PartitionStatus::Running { .. }))
}
