//! The ends of the log's partitions, as this gateway knows them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use parley_engines::log::{Log, LogError};
use parley_proto::{Cursor, PartitionId, Position};
use tokio::{sync::oneshot, time::Instant};

/// A known end older than this is asked anew.
const KNOWN_AGE_MAX: Duration = Duration::from_secs(1);

/// E of each partition. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Ends {
    log: Arc<dyn Log>,
    partitions: Arc<Vec<Partition>>,
}

#[derive(Debug, Default)]
struct Partition {
    known: AtomicU64,
    asked_at: Mutex<Option<Instant>>,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// They wait for a request that has not begun yet.
    answers: Vec<oneshot::Sender<Result<Cursor, LogError>>>,
    /// Somebody makes requests.
    running: bool,
}

impl Ends {
    /// Knows nothing yet.
    pub fn new(log: Arc<dyn Log>) -> Self {
        let partitions = (0..log.partitions()).map(|_| Partition::default()).collect();
        Self { log, partitions: Arc::new(partitions) }
    }

    fn partition(&self, partition: PartitionId) -> Result<&Partition, LogError> {
        self.partitions.get(usize::from(partition.0)).ok_or(LogError::NoPartition(partition))
    }

    /// A record was reported at `position`: the end is above it.
    pub fn reached(&self, partition: PartitionId, position: Position) {
        if let Ok(partition) = self.partition(partition) {
            partition.known.fetch_max(position.next().0, Ordering::Relaxed);
        }
    }

    /// The end as known, asked anew where that is more than a second old.
    pub async fn known(&self, id: PartitionId) -> Result<Cursor, LogError> {
        let partition = self.partition(id)?;
        let asked_at = *partition.asked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if asked_at.is_some_and(|at| at.elapsed() < KNOWN_AGE_MAX) {
            return Ok(Cursor(partition.known.load(Ordering::Relaxed)));
        }
        self.fresh(id).await
    }

    /// The end by a request that begins after this call; all who wait share one.
    pub async fn fresh(&self, id: PartitionId) -> Result<Cursor, LogError> {
        let partition = self.partition(id)?;
        let (answer, wait) = oneshot::channel();
        let begin = {
            let mut waiting = partition.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.answers.push(answer);
            !std::mem::replace(&mut waiting.running, true)
        };
        if begin {
            // A task of its own: the first asker may be cancelled while others wait.
            tokio::spawn(self.clone().answer(id));
        }
        wait.await.unwrap_or_else(|_| Err(LogError::Unavailable("the request was dropped".to_owned())))
    }

    /// Asks for all of them; what can't be had now is asked for when it is needed.
    pub(crate) async fn all_fresh(&self) {
        join_all((0..self.log.partitions()).map(|partition| self.fresh(PartitionId(partition)))).await;
    }

    async fn answer(self, id: PartitionId) {
        let Ok(partition) = self.partition(id) else { return };
        loop {
            let answers = {
                let mut waiting = partition.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if waiting.answers.is_empty() {
                    waiting.running = false;
                    return;
                }
                std::mem::take(&mut waiting.answers)
            };
            let begun = Instant::now();
            let end = self.log.end(id).await;
            if let Ok(end) = end {
                partition.known.fetch_max(end.0, Ordering::Relaxed);
                *partition.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
            }
            for answer in answers {
                // Whoever gave up waiting needs no answer.
                let _ = answer.send(end.clone());
            }
        }
    }
}
