//! What was handed to one producer and is not yet answered for: bounded in bytes and in the age of its head.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use crate::log::{Appended, EnqueueError, Receipt, metrics};

#[derive(Debug)]
pub(super) struct InFlight {
    state: Mutex<State>,
    bytes_max: usize,
    age_max: Duration,
}

#[derive(Debug, Default)]
struct State {
    /// By ticket, so the first is the oldest.
    waiting: BTreeMap<usize, Waiting>,
    last_ticket: usize,
    bytes: usize,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    receipt: oneshot::Sender<Appended>,
    bytes: usize,
    since: Instant,
}

impl InFlight {
    pub(super) fn new(bytes_max: usize, age_max: Duration) -> Self {
        Self { state: Mutex::default(), bytes_max, age_max }
    }

    /// A ticket for a record that is about to be handed over.
    pub(super) fn admit(&self, now: Instant, bytes: usize) -> Result<(usize, Receipt), EnqueueError> {
        let mut state = self.lock();
        if state.closed {
            return Err(EnqueueError::Closed);
        }
        let too_old = state.waiting.first_key_value().is_some_and(|(_, head)| now.saturating_duration_since(head.since) > self.age_max);
        if too_old || state.bytes + bytes > self.bytes_max {
            metrics::queue_refused();
            return Err(EnqueueError::QueueFull);
        }
        let (sender, receipt) = Receipt::new();
        state.last_ticket += 1;
        state.bytes += bytes;
        let ticket = state.last_ticket;
        state.waiting.insert(ticket, Waiting { receipt: sender, bytes, since: now });
        metrics::queue_bytes(state.bytes);
        Ok((ticket, receipt))
    }

    /// The log has spoken; whoever was told before is told nothing more.
    pub(super) fn settle(&self, ticket: usize, appended: Appended) {
        if let Some(receipt) = self.take(ticket) {
            let _gone = receipt.send(appended);
        }
    }

    /// The record was not handed over after all.
    pub(super) fn withdraw(&self, ticket: usize) {
        self.take(ticket);
    }

    /// Nobody will ever know: all that wait are told `unknown`. Returns how many.
    pub(super) fn give_up(&self) -> usize {
        let mut state = self.lock();
        state.bytes = 0;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        metrics::queue_bytes(0);
        waiting.len()
    }

    /// Nothing more is accepted.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    fn take(&self, ticket: usize) -> Option<oneshot::Sender<Appended>> {
        let mut state = self.lock();
        let waiting = state.waiting.remove(&ticket)?;
        state.bytes -= waiting.bytes;
        metrics::queue_bytes(state.bytes);
        Some(waiting.receipt)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use parley_proto::Position;

    use super::*;

    fn in_flight() -> InFlight {
        InFlight::new(10, Duration::from_secs(1))
    }

    #[tokio::test]
    async fn it_is_full_by_bytes_until_something_is_settled_or_withdrawn() {
        let (in_flight, now) = (in_flight(), Instant::now());
        let (one, receipt) = in_flight.admit(now, 6).unwrap();
        let (two, _) = in_flight.admit(now, 4).unwrap();
        assert_eq!(in_flight.admit(now, 1).unwrap_err(), EnqueueError::QueueFull);
        in_flight.settle(one, Appended::At(Position(3)));
        assert_eq!(receipt.await, Appended::At(Position(3)));
        in_flight.admit(now, 6).unwrap();
        in_flight.withdraw(two);
        in_flight.admit(now, 4).unwrap();
    }

    #[tokio::test]
    async fn it_is_full_while_its_head_is_too_old() {
        let (in_flight, now) = (in_flight(), Instant::now());
        let (head, _receipt) = in_flight.admit(now, 1).unwrap();
        let late = now + Duration::from_millis(1_001);
        let (_, _younger) = in_flight.admit(now + Duration::from_millis(900), 1).unwrap();
        assert_eq!(in_flight.admit(late, 1).unwrap_err(), EnqueueError::QueueFull);
        in_flight.settle(head, Appended::Unknown);
        in_flight.admit(late, 1).unwrap();
    }

    #[tokio::test]
    async fn who_is_given_up_hears_unknown_and_nothing_later() {
        let (in_flight, now) = (in_flight(), Instant::now());
        let (ticket, receipt) = in_flight.admit(now, 10).unwrap();
        assert_eq!(in_flight.give_up(), 1);
        in_flight.settle(ticket, Appended::At(Position(3)));
        assert_eq!(receipt.await, Appended::Unknown);
        in_flight.admit(now, 10).unwrap();
    }

    #[tokio::test]
    async fn closed_it_takes_nothing_more_and_still_settles() {
        let (in_flight, now) = (in_flight(), Instant::now());
        let (ticket, receipt) = in_flight.admit(now, 1).unwrap();
        in_flight.close();
        assert_eq!(in_flight.admit(now, 1).unwrap_err(), EnqueueError::Closed);
        in_flight.settle(ticket, Appended::Somewhere);
        assert_eq!(receipt.await, Appended::Somewhere);
    }
}
