//! What was handed over and is not yet answered for: bounded in bytes and in the age of its head.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use parley_proto::PartitionId;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use crate::log::{Appended, EnqueueError, Receipt, metrics};

/// One record on its way into the log.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) partition: PartitionId,
    pub(super) bytes: Bytes,
    pub(super) receipt: oneshot::Sender<Appended>,
    enqueued_at: Instant,
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    bytes_max: usize,
    age_max: Duration,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Pending>,
    /// Of all that is waiting or being committed.
    bytes: usize,
    /// Of what is being committed.
    taken_bytes: usize,
    /// When the oldest record that is being committed was handed over.
    taken_head: Option<Instant>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(bytes_max: usize, age_max: Duration) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), bytes_max, age_max }
    }

    pub(super) fn push(&self, now: Instant, partition: PartitionId, bytes: Bytes) -> Result<Receipt, EnqueueError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EnqueueError::Closed);
        }
        let head = state.taken_head.or_else(|| state.waiting.front().map(|pending| pending.enqueued_at));
        let too_old = head.is_some_and(|head| now.saturating_duration_since(head) > self.age_max);
        if too_old || state.bytes + bytes.len() > self.bytes_max {
            metrics::queue_refused();
            return Err(EnqueueError::QueueFull);
        }
        state.bytes += bytes.len();
        metrics::queue_bytes(state.bytes);
        let (receipt, waiting) = Receipt::new();
        state.waiting.push_back(Pending { partition, bytes, receipt, enqueued_at: now });
        drop(state);
        self.changed.notify_one();
        Ok(waiting)
    }

    /// The next records in order, as many as one commit takes; `None` once the queue is closed and empty. For one caller, which says
    /// [`Queue::settled`] before it takes more.
    pub(super) async fn take(&self, records_max: usize, bytes_max: usize) -> Option<Vec<Pending>> {
        loop {
            let changed = self.changed.notified();
            {
                let mut state = self.lock();
                if !state.waiting.is_empty() {
                    return Some(state.take(records_max, bytes_max));
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// What was taken has its answer.
    pub(super) fn settled(&self) {
        let mut state = self.lock();
        state.bytes -= std::mem::take(&mut state.taken_bytes);
        state.taken_head = None;
        metrics::queue_bytes(state.bytes);
    }

    /// Nothing more is accepted; what is queued is still written.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, records_max: usize, bytes_max: usize) -> Vec<Pending> {
        let mut bytes = 0;
        let fitting = self.waiting.iter().take(records_max).take_while(|pending| {
            bytes += pending.bytes.len();
            bytes <= bytes_max
        });
        let count = fitting.count().max(1).min(self.waiting.len());
        let taken: Vec<_> = self.waiting.drain(..count).collect();
        self.taken_bytes = taken.iter().map(|pending| pending.bytes.len()).sum();
        self.taken_head = taken.first().map(|pending| pending.enqueued_at);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue, now: Instant, len: usize) -> Result<Receipt, EnqueueError> {
        queue.push(now, PartitionId(0), Bytes::from(vec![0; len]))
    }

    #[tokio::test]
    async fn the_queue_is_full_by_bytes_until_what_was_taken_is_settled() {
        let queue = Queue::new(10, Duration::from_secs(1));
        let now = Instant::now();
        push(&queue, now, 6).unwrap();
        assert_eq!(push(&queue, now, 5).unwrap_err(), EnqueueError::QueueFull);
        push(&queue, now, 4).unwrap();
        assert_eq!(queue.take(1, 100).await.unwrap().len(), 1);
        assert_eq!(push(&queue, now, 6).unwrap_err(), EnqueueError::QueueFull, "taken is not answered for");
        queue.settled();
        push(&queue, now, 6).unwrap();
    }

    #[tokio::test]
    async fn the_queue_is_full_when_its_head_waited_too_long_even_while_it_is_being_committed() {
        let queue = Queue::new(100, Duration::from_secs(1));
        let now = Instant::now();
        push(&queue, now, 1).unwrap();
        let late = now + Duration::from_millis(1_001);
        assert_eq!(push(&queue, late, 1).unwrap_err(), EnqueueError::QueueFull);
        queue.take(10, 10).await.unwrap();
        assert_eq!(push(&queue, late, 1).unwrap_err(), EnqueueError::QueueFull);
        queue.settled();
        push(&queue, late, 1).unwrap();
    }

    #[tokio::test]
    async fn one_commit_takes_what_fits_but_at_least_one_record() {
        let queue = Queue::new(100, Duration::from_secs(1));
        let now = Instant::now();
        for len in [20, 3, 3, 3, 1] {
            push(&queue, now, len).unwrap();
        }
        let mut taken = Vec::new();
        for (records, bytes) in [(9, 10), (9, 6), (1, 10), (9, 10)] {
            taken.push(queue.take(records, bytes).await.unwrap().len());
            queue.settled();
        }
        assert_eq!(taken, [1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn a_closed_queue_takes_nothing_more_and_gives_out_the_rest() {
        let queue = Queue::new(100, Duration::from_secs(1));
        push(&queue, Instant::now(), 1).unwrap();
        queue.close();
        assert_eq!(push(&queue, Instant::now(), 1).unwrap_err(), EnqueueError::Closed);
        assert_eq!(queue.take(10, 10).await.unwrap().len(), 1);
        assert!(queue.take(10, 10).await.is_none());
    }
}
