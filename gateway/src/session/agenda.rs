//! What becomes due on a connection without anybody sending anything.

use parley_proto::limits;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::departure::{Departure, Step};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    /// Nothing came for as long as a ping may take: see [`Agenda::expect_answer`].
    Silence,
    Departs(Step),
}

/// What is due when. One future holds it and is kept while frames come and go: to set up and take down all that it waits for costs more than a frame does.
/// Every socket has one, so that it waits for the first of its times alone.
#[derive(Debug)]
pub(super) struct Agenda {
    ping_at: Instant,
    silent_at: Option<Instant>,
    pub(super) departure: Departure,
}

impl Agenda {
    pub(super) fn new(drain: CancellationToken) -> Self {
        Self { ping_at: Instant::now() + limits::HEARTBEAT, silent_at: None, departure: Departure::Stays(drain) }
    }

    /// A ping was written: whoever is there answers in time.
    pub(super) fn expect_answer(&mut self) {
        self.silent_at = Some(Instant::now() + limits::HEARTBEAT_GRACE);
    }

    /// Waits for the next thing, and gives itself back.
    #[expect(clippy::manual_async_fn, reason = "an argument of an `async fn` has its place in the future twice")]
    pub(super) fn next(mut self) -> impl Future<Output = (Due, Self)> + Send {
        async move {
            let (at, due) = self.first();
            let due = tokio::select! {
                () = sleep_until(at) => due,
                () = self.departure.announced() => Due::Departs(Step::Tell),
            };
            // What was missed is not made up for.
            match due {
                Due::Ping => self.ping_at = Instant::now() + limits::HEARTBEAT,
                Due::Silence => self.silent_at = None,
                Due::Departs(Step::Close) => self.departure = Departure::Left,
                Due::Departs(Step::Tell) => {}
            }
            (due, self)
        }
    }

    /// The first of what is due at a time.
    fn first(&self) -> (Instant, Due) {
        let ping = (self.ping_at, Due::Ping);
        let silence = self.silent_at.map(|at| (at, Due::Silence));
        let close = self.departure.closes_at().map(|at| (at, Due::Departs(Step::Close)));
        [Some(ping), silence, close].into_iter().flatten().min_by_key(|(at, _)| *at).unwrap_or(ping)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn after_a_ping_silence_is_due_and_everything_else_goes_on_meanwhile() {
        let drain = CancellationToken::new();
        let mut agenda = Agenda::new(drain.clone());
        agenda.ping_at = Instant::now() + Duration::from_millis(10);
        let mut came = Vec::new();
        while !came.contains(&Due::Silence) {
            let (due, mut next) = agenda.next().await;
            if due == Due::Ping {
                next.expect_answer();
                assert!(next.silent_at.is_some_and(|at| at > Instant::now() + limits::HEARTBEAT_GRACE / 2));
                next.silent_at = Some(Instant::now() + Duration::from_millis(20));
                drain.cancel();
            }
            if due == Due::Departs(Step::Tell) {
                next.departure.slot(1);
            }
            came.push(due);
            agenda = next;
        }
        assert_eq!(came, [Due::Ping, Due::Departs(Step::Tell), Due::Silence]);
        assert_eq!(agenda.silent_at, None);
    }
}
