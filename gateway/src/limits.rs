//! How much one person or address may do. Refusals say when to come again; nobody's limit costs anybody else.
//!
//! Token buckets are kept here and shared over the bus. What happens often is decided here at once and charged to the shared bucket a moment later
//! ([`Limits::spend`]); what is rare and dear asks the shared bucket first ([`Limits::take`]). With the bus away the same limits hold for this process alone.
//! What is judged by load instead of by person is in [`load`], sockets in [`places`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{StreamExt, stream};
use parley_engines::bus::{
    BusLimits,
    limits::{Bucket, Buckets},
    rate::{Micros, Rate, Taken},
};
use parley_proto::ErrorCode;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{metrics, refusal::Refusal};

pub mod address;
mod config;
pub mod load;
pub mod places;

pub use config::LimitsConfig;
use load::Load;
use places::Places;

/// Between two times that the shared buckets are told what was given away: for so long several gateways may give one person more than one would.
const CHARGE_EVERY: Duration = Duration::from_millis(100);
/// Buckets that are told each time; the others have their turn the next time.
const CHARGES_EACH: usize = 1_000;
/// Calls to the bus under way for that.
const CHARGES_AT_ONCE: usize = 64;
/// Buckets that may wait to be told. Above it, some are this process' alone.
const OWED_MAX: usize = 100_000;
/// A bus that failed is left alone for this long: nobody waits for it.
const BUS_PAUSE: Duration = Duration::from_secs(1);

/// What is counted, per person, address or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum What {
    /// Messages, retries and discards.
    Sends,
    Votes,
    /// Subscribes and pages of history.
    Reads,
    RoomsCreated,
    /// Rooms that one becomes a member of: each is a row for ever and a line that everybody there reads.
    Joins,
    /// Upgrades to a socket.
    Connects,
    /// Tries at one account from one address, by how many there were lately.
    SignIns,
    SignInsMany,
    SignInsVeryMany,
    /// Tries at whatever accounts from one address.
    SignInsAddress,
    /// Tries at one account, from wherever.
    SignInsAccount,
}

impl What {
    /// In keys of the bus and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sends => "sends",
            Self::Votes => "votes",
            Self::Reads => "reads",
            Self::RoomsCreated => "rooms_created",
            Self::Joins => "joins",
            Self::Connects => "connects",
            Self::SignIns => "sign_ins",
            Self::SignInsMany => "sign_ins_many",
            Self::SignInsVeryMany => "sign_ins_very_many",
            Self::SignInsAddress => "sign_ins_address",
            Self::SignInsAccount => "sign_ins_account",
        }
    }
}

/// The limits. Clones are the same limits.
#[derive(Debug, Clone)]
pub struct Limits {
    pub(crate) config: LimitsConfig,
    shared: Arc<Shared>,
    pub(crate) load: Load,
    pub(crate) places: Places,
}

#[derive(Debug)]
struct Shared {
    bus: Arc<dyn BusLimits>,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    buckets: Buckets,
    /// What was given away and not told yet.
    owed: HashMap<Bucket, (Rate, u32)>,
    bus_away_until: Option<Instant>,
}

impl Limits {
    /// Limits that are shared over `bus` once [`Limits::start`] was called.
    pub fn new(config: LimitsConfig, bus: Arc<dyn BusLimits>, gateway: &str) -> Self {
        let shared = Shared { bus: Arc::clone(&bus), began: Instant::now(), state: Mutex::default() };
        let places = Places::new(bus, gateway);
        Self { load: Load::new(config.requests_in_flight), config, shared: Arc::new(shared), places }
    }

    /// Keeps this process' buckets and places and the shared ones together until `stop`.
    pub(crate) fn start(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (limits, ended) = (self.clone(), stop.clone());
        tasks.spawn(async move {
            let mut ticks = tokio::time::interval(CHARGE_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while ended.run_until_cancelled(ticks.tick()).await.is_some() {
                limits.shared.tell_owed().await;
            }
        });
        tasks.spawn(self.places.clone().keep(stop.clone()));
    }

    /// One more of `what` by `who`: decided here, told to the others later.
    pub fn spend(&self, what: What, who: impl ToString) -> Result<(), Refusal> {
        let (bucket, rate) = (Bucket::new(what.name(), who), self.config.rate(what));
        let mut state = self.shared.state();
        let taken = state.buckets.take(&bucket, rate, self.shared.now(), 1);
        if taken == Taken::Yes && (state.owed.len() < OWED_MAX || state.owed.contains_key(&bucket)) {
            state.owed.entry(bucket).or_insert((rate, 0)).1 += 1;
        } else if taken == Taken::Yes {
            metrics::limited("owed");
        }
        drop(state);
        refuse(what, taken)
    }

    /// One more of `what` by `who`, as all gateways together see it.
    pub async fn take(&self, what: What, who: impl ToString) -> Result<(), Refusal> {
        let (bucket, rate) = (Bucket::new(what.name(), who), self.config.rate(what));
        let taken = self.shared.state().buckets.take(&bucket, rate, self.shared.now(), 1);
        if taken != Taken::Yes {
            return refuse(what, taken);
        }
        refuse(what, self.shared.ask(&bucket, rate).await)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never 0, which is the level of a full bucket.
    fn now(&self) -> Micros {
        1 + Micros::try_from(self.began.elapsed().as_micros()).unwrap_or(Micros::MAX - 1)
    }

    fn bus_is_away(&self) -> bool {
        self.state().bus_away_until.is_some_and(|until| Instant::now() < until)
    }

    fn bus_failed(&self, error: &parley_engines::bus::BusUnavailable) {
        tracing::debug!(%error, "limits.bus");
        metrics::limits_alone();
        self.state().bus_away_until = Some(Instant::now() + BUS_PAUSE);
    }

    /// Asks the shared bucket for a token that this process' own bucket has given. A bus that is away says yes.
    async fn ask(&self, bucket: &Bucket, rate: Rate) -> Taken {
        if self.bus_is_away() {
            return Taken::Yes;
        }
        match self.bus.take(bucket, rate, 1).await {
            Ok(Taken::Yes) => Taken::Yes,
            Ok(Taken::Wait(wait)) => {
                // As empty here, so that the next one need not ask.
                let until_full = (rate.capacity() + wait).saturating_sub(rate.interval());
                let now = self.now();
                self.state().buckets.level(bucket, now).at_least(now, until_full);
                Taken::Wait(wait)
            }
            Err(error) => {
                self.bus_failed(&error);
                Taken::Yes
            }
        }
    }

    /// Charges the shared buckets with what was given away, and learns what the others gave.
    async fn tell_owed(&self) {
        let owed: Vec<(Bucket, (Rate, u32))> = {
            let mut state = self.state();
            let some: Vec<Bucket> = state.owed.keys().take(CHARGES_EACH).cloned().collect();
            some.into_iter().filter_map(|bucket| state.owed.remove_entry(&bucket)).collect()
        };
        // While the bus is away each process has limits of its own: what was given then is not held against anybody later.
        if owed.is_empty() || self.bus_is_away() {
            return;
        }
        let charges = owed.into_iter().map(|(bucket, (rate, count))| {
            let bus = Arc::clone(&self.bus);
            async move {
                let charged = bus.charge(&bucket, rate, count).await;
                (bucket, charged)
            }
        });
        let mut charges = stream::iter(charges).buffer_unordered(CHARGES_AT_ONCE);
        while let Some((bucket, charged)) = charges.next().await {
            match charged {
                Ok(until_full) => {
                    let now = self.now();
                    self.state().buckets.level(&bucket, now).at_least(now, until_full);
                }
                Err(error) => return self.bus_failed(&error),
            }
        }
    }
}

fn refuse(what: What, taken: Taken) -> Result<(), Refusal> {
    match taken {
        Taken::Yes => Ok(()),
        Taken::Wait(wait) => Err(limited(what.name(), wait)),
    }
}

/// The refusal of whoever has reached a limit.
pub(crate) fn limited(what: &'static str, wait: Duration) -> Refusal {
    metrics::limited(what);
    // Whole milliseconds, rounded up: never earlier than meant.
    let wait = Duration::from_millis(u64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX));
    Refusal::new(ErrorCode::RateLimited).retry_after(wait)
}

#[cfg(test)]
mod tests {
    use parley_engines::bus::embedded::EmbeddedBus;

    use super::*;

    fn limits(bus: &EmbeddedBus, name: &str) -> (Limits, TaskTracker, CancellationToken) {
        let config = LimitsConfig { sends: "1/m,3".parse().unwrap(), rooms_created: "1/h,2".parse().unwrap(), ..LimitsConfig::default() };
        let limits = Limits::new(config, Arc::new(bus.clone()), name);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        limits.start(&tasks, &stop);
        (limits, tasks, stop)
    }

    fn code(outcome: Result<(), Refusal>) -> Option<ErrorCode> {
        outcome.err().map(|refusal| refusal.code)
    }

    #[tokio::test]
    async fn what_one_gateway_gave_away_another_knows_a_moment_later() {
        let bus = EmbeddedBus::new();
        let (here, there) = (limits(&bus, "here").0, limits(&bus, "there").0);
        for _ in 0..3 {
            assert_eq!(here.spend(What::Sends, "ada"), Ok(()));
        }
        let refusal = here.spend(What::Sends, "ada").unwrap_err();
        assert_eq!(refusal.code, ErrorCode::RateLimited);
        assert!(refusal.retry_after.unwrap() > Duration::from_secs(50));
        assert_eq!(there.spend(What::Sends, "bo"), Ok(()), "another's bucket is another");
        // It has to spend to hear of it; each gives at most a burst.
        let mut given = 0;
        while given < 3 && there.spend(What::Sends, "ada").is_ok() {
            given += 1;
            tokio::time::sleep(2 * CHARGE_EVERY).await;
        }
        assert_eq!(given, 1, "after the first one it knows that nothing is left");
    }

    #[tokio::test]
    async fn what_is_rare_is_counted_exactly_over_all_gateways() {
        let bus = EmbeddedBus::new();
        let (here, there) = (limits(&bus, "here").0, limits(&bus, "there").0);
        assert_eq!((here.take(What::RoomsCreated, 1).await, there.take(What::RoomsCreated, 1).await), (Ok(()), Ok(())));
        assert_eq!(code(there.take(What::RoomsCreated, 1).await), Some(ErrorCode::RateLimited));
        bus.set_away(true);
        assert_eq!(code(there.take(What::RoomsCreated, 1).await), Some(ErrorCode::RateLimited), "it remembers what it was told");
    }

    #[tokio::test]
    async fn with_the_bus_away_the_same_limits_hold_for_each_process() {
        let bus = EmbeddedBus::new();
        bus.set_away(true);
        let (here, there) = (limits(&bus, "here").0, limits(&bus, "there").0);
        for limits in [here, there] {
            for _ in 0..2 {
                assert_eq!(limits.take(What::RoomsCreated, 1).await, Ok(()));
            }
            assert_eq!(code(limits.take(What::RoomsCreated, 1).await), Some(ErrorCode::RateLimited));
            for _ in 0..3 {
                assert_eq!(limits.spend(What::Sends, 1), Ok(()));
            }
            assert_eq!(code(limits.spend(What::Sends, 1)), Some(ErrorCode::RateLimited));
        }
    }
}
