//! Starts the tasks and waits for their end.

use std::{collections::BTreeMap, sync::Arc};

use parley_engines::{bus::Bus, log::Log, store::Store};
use parley_proto::{LogId, PartitionId};
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, PersisterStatus,
    consume::{self, Interrupted, Shared},
    metrics, notice, opening,
    outbox::{self, Looks},
    retry::Backoff,
};

/// A running persister of this process' share of a log's partitions.
#[derive(Debug)]
pub struct Persister {
    tasks: TaskTracker,
    status: PersisterStatus,
}

impl Persister {
    /// Starts it on the current Tokio runtime. Cancelling `shutdown` drains it: the batches at hand are written, within the configured time.
    pub fn start(log: Arc<dyn Log>, bus: Arc<dyn Bus>, store: Arc<dyn Store>, config: Config, shutdown: CancellationToken) -> Self {
        let status = PersisterStatus::new();
        let shared = Shared { log, bus, store, config, status: status.clone(), shutdown };
        let tasks = TaskTracker::new();
        tasks.spawn(run(shared, tasks.clone()));
        tasks.close();
        Self { tasks, status }
    }

    /// How the partitions are doing, for readiness and alarms.
    pub fn status(&self) -> PersisterStatus {
        self.status.clone()
    }

    /// Returns once every task has ended, after `shutdown` was cancelled.
    pub async fn finished(&self) {
        self.tasks.wait().await;
    }
}

/// Learns the log's name, then works on whatever is this process' share.
async fn run(shared: Shared, tasks: TaskTracker) {
    let Some(log_id) = learn_name(&shared).await else { return };
    tracing::info!(persist.log_id = %log_id, persist.partitions = shared.log.partitions(), "persisting begins");
    let looks = Looks::default();
    tasks.spawn(notice::tick(shared.clone()));
    tasks.spawn(outbox::look(shared.clone(), looks.clone()));
    let mut share = shared.log.share();
    let mut workers: BTreeMap<PartitionId, Worker> = BTreeMap::new();
    while !shared.shutdown.is_cancelled() {
        let mine = share.borrow_and_update().clone();
        shared.status.share(mine.as_ref());
        let mine = mine.unwrap_or_default();
        let lost: Vec<_> = workers.extract_if(.., |partition, _| !mine.contains(partition)).collect();
        end(lost).await;
        for partition in mine {
            workers.entry(partition).or_insert_with(|| Worker::start(&shared, partition, log_id, &looks));
        }
        tokio::select! {
            () = shared.shutdown.cancelled() => {}
            // An engine that never changes its mind has gone silent.
            () = async { if share.changed().await.is_err() { std::future::pending().await } } => {}
        }
    }
    end(workers).await;
}

/// `None` if the process ends before, or an operator has to look.
async fn learn_name(shared: &Shared) -> Option<LogId> {
    let mut backoff = Backoff::new(&shared.config);
    loop {
        let log_id = tokio::select! {
            () = shared.shutdown.cancelled() => return None,
            log_id = opening::log_id(&*shared.log, &*shared.store) => log_id,
        };
        match log_id {
            Ok(log_id) => return Some(log_id),
            Err(Interrupted::Stopped(reason)) => {
                tracing::error!(%reason, "the log's name can't be learned: an operator has to look");
                let all = (0..shared.log.partitions()).map(PartitionId).collect();
                shared.status.share(Some(&all));
                all.into_iter().for_each(|partition| shared.status.set(partition, crate::PartitionStatus::Stopped(reason.clone())));
                return None;
            }
            Err(interrupted) => {
                tracing::warn!(?interrupted, "persisting has not begun yet");
                tokio::select! {
                    () = shared.shutdown.cancelled() => return None,
                    () = backoff.pause() => {}
                }
            }
        }
    }
}

/// What works on one partition.
#[derive(Debug)]
struct Worker {
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    fn start(shared: &Shared, partition: PartitionId, log_id: LogId, looks: &Looks) -> Self {
        let end = shared.shutdown.child_token();
        let shared = Arc::new(Shared { shutdown: end.clone(), ..shared.clone() });
        let look = looks.of(partition);
        let task = async move {
            tokio::join!(consume::run(Arc::clone(&shared), partition, log_id), outbox::run(Arc::clone(&shared), partition, look));
        };
        Self { end, task: tokio::spawn(task) }
    }
}

/// Lets them write what they have in hand, which is bounded in time, so that nobody in this process works on a partition twice.
async fn end(workers: impl IntoIterator<Item = (PartitionId, Worker)>) {
    let workers: Vec<_> = workers.into_iter().collect();
    workers.iter().for_each(|(_, worker)| worker.end.cancel());
    for (partition, worker) in workers {
        if let Err(error) = worker.task.await {
            tracing::error!(persist.partition = partition.0, %error, "a partition's work ended badly");
        }
        metrics::lag(partition, 0);
    }
}
