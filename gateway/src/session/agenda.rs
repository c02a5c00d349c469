//! What becomes due on a connection without anybody sending anything.

use parley_proto::limits;
use tokio::{
    sync::watch,
    time::{Duration, Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::departure::{Departure, Step};

/// How often a socket looks whether its client's knowledge of its cursors is old, and whether a message is unfinished.
const CURSORS_LOOK: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    /// Nothing came for as long as a ping may take: see [`Agenda::expect_answer`].
    Silence,
    Look,
    /// Whether somebody vouches for this person's rights: that changed.
    Verified(bool),
    Departs(Step),
}

/// What is due when. One future holds it and is kept while frames come and go: to set up and take down all that it waits for costs more than a frame does.
#[derive(Debug)]
pub(super) struct Agenda {
    heartbeat: Interval,
    look: Interval,
    silent_at: Option<Instant>,
    verified: watch::Receiver<bool>,
    pub(super) departure: Departure,
}

impl Agenda {
    pub(super) fn new(verified: watch::Receiver<bool>, drain: CancellationToken) -> Self {
        Self { heartbeat: every(limits::HEARTBEAT), look: every(CURSORS_LOOK), silent_at: None, verified, departure: Departure::Stays(drain) }
    }

    /// A ping was written: whoever is there answers in time.
    pub(super) fn expect_answer(&mut self) {
        self.silent_at = Some(Instant::now() + limits::HEARTBEAT_GRACE);
    }

    /// Waits for the next thing, and gives itself back.
    pub(super) async fn next(mut self) -> (Due, Self) {
        let silent_at = self.silent_at;
        let silence = async {
            match silent_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let due = tokio::select! {
            _ = self.heartbeat.tick() => Due::Ping,
            _ = self.look.tick() => Due::Look,
            Ok(()) = self.verified.changed() => Due::Verified(*self.verified.borrow_and_update()),
            step = self.departure.step() => Due::Departs(step),
            () = silence => {
                self.silent_at = None;
                Due::Silence
            }
        };
        (due, self)
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval_at(Instant::now() + period, period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn after_a_ping_silence_is_due_and_everything_else_goes_on_meanwhile() {
        let (verify, verified) = watch::channel(true);
        let mut agenda = Agenda::new(verified, CancellationToken::new());
        agenda.heartbeat = every(Duration::from_millis(10));
        let mut came = Vec::new();
        while !came.contains(&Due::Silence) {
            let (due, mut next) = agenda.next().await;
            if due == Due::Ping {
                next.expect_answer();
                assert!(next.silent_at.is_some_and(|at| at > Instant::now() + limits::HEARTBEAT_GRACE / 2));
                (next.silent_at, next.heartbeat) = (Some(Instant::now() + Duration::from_millis(20)), every(limits::HEARTBEAT));
                verify.send_replace(false);
            }
            came.push(due);
            agenda = next;
        }
        assert_eq!(came, [Due::Ping, Due::Verified(false), Due::Silence]);
        assert_eq!(agenda.silent_at, None);
    }
}
