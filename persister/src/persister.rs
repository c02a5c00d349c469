//! Starts the tasks and waits for their end.

use std::sync::Arc;

use parley_engines::{bus::Bus, log::Log, store::Store};
use parley_proto::PartitionId;
use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, PartitionStatus, PersisterStatus,
    consume::{self, Interrupted, Shared},
    notice, opening, outbox,
    retry::Backoff,
};

/// A running persister of all partitions of a log.
#[derive(Debug)]
pub struct Persister {
    tasks: TaskTracker,
    status: PersisterStatus,
    nudges: Arc<[Arc<Notify>]>,
}

impl Persister {
    /// Starts it on the current Tokio runtime. Cancelling `shutdown` drains it: the batches at hand are written, within the configured time.
    pub fn start(log: Arc<dyn Log>, bus: Arc<dyn Bus>, store: Arc<dyn Store>, config: Config, shutdown: CancellationToken) -> Self {
        let status = PersisterStatus::new(log.partitions());
        let nudges: Arc<[_]> = (0..log.partitions()).map(|_| Arc::new(Notify::new())).collect();
        let shared = Arc::new(Shared { log, bus, store, config, status: status.clone(), shutdown });
        let tasks = TaskTracker::new();
        tasks.spawn(begin(shared, tasks.clone(), Arc::clone(&nudges)));
        tasks.close();
        Self { tasks, status, nudges }
    }

    /// How the partitions are doing, for readiness and alarms.
    pub fn status(&self) -> PersisterStatus {
        self.status.clone()
    }

    /// Look into the outbox now: a room or its members changed.
    pub fn nudge(&self) {
        self.nudges.iter().for_each(|nudge| nudge.notify_one());
    }

    /// Returns once every task has ended, after `shutdown` was cancelled.
    pub async fn finished(&self) {
        self.tasks.wait().await;
    }
}

/// Learns the log's name, then starts the partitions.
async fn begin(shared: Arc<Shared>, tasks: TaskTracker, nudges: Arc<[Arc<Notify>]>) {
    let mut backoff = Backoff::new(&shared.config);
    let log_id = loop {
        let log_id = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            log_id = opening::log_id(&*shared.log, &*shared.store) => log_id,
        };
        match log_id {
            Ok(log_id) => break log_id,
            Err(Interrupted::Stopped(reason)) => {
                tracing::error!(%reason, "the log's name can't be learned: an operator has to look");
                for partition in (0..shared.log.partitions()).map(PartitionId) {
                    shared.status.set(partition, PartitionStatus::Stopped(reason.clone()));
                }
                return;
            }
            Err(interrupted) => {
                tracing::warn!(?interrupted, "persisting has not begun yet");
                tokio::select! {
                    () = shared.shutdown.cancelled() => return,
                    () = backoff.pause() => {}
                }
            }
        }
    };
    tracing::info!(log.id = %log_id, log.partitions = shared.log.partitions(), "persisting begins");
    tasks.spawn(notice::tick(Arc::clone(&shared)));
    for (partition, nudge) in (0..).map(PartitionId).zip(nudges.iter()) {
        tasks.spawn(consume::run(Arc::clone(&shared), partition, log_id));
        tasks.spawn(outbox::run(Arc::clone(&shared), partition, Arc::clone(nudge)));
    }
}
