//! How many sockets one person and one address have open, at all gateways together.
//!
//! Each gateway tells the bus how many it has of each. What a gateway that died had counts no more once its lease is over; a bus that is away leaves each
//! gateway with the same limits of its own.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parley_engines::bus::{BusLimits, PLACES_TTL, limits::Bucket};
use parley_proto::UserId;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{LimitsConfig, address::AddressBlock, limited};
use crate::refusal::Refusal;

/// How long a gateway's word counts after its last sign of life.
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// Between two signs of life.
const RENEW: Duration = Duration::from_millis(500);
/// Everything is said again so often.
const REPEAT: Duration = Duration::from_secs(60);
/// What was said changed: told together, so often.
const TOLD_EACH: usize = 1_000;
/// What somebody with too many sockets is told to wait: one may close any time.
const RETRY: Duration = Duration::from_secs(5);

/// Open sockets, counted. Clones count together.
#[derive(Debug, Clone)]
pub struct Places {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bus: Arc<dyn BusLimits>,
    /// This process, and no other that had or will have its name.
    holder: String,
    /// How often everything was said again.
    repeats: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    counts: HashMap<Bucket, u32>,
    /// Counts that the bus may not know.
    untold: HashSet<Bucket>,
}

/// A socket's places; given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    buckets: Vec<Bucket>,
}

impl Places {
    pub(super) fn new(bus: Arc<dyn BusLimits>, gateway: &str) -> Self {
        let holder = format!("{gateway}/{:016x}", rand::random::<u64>());
        Self { shared: Arc::new(Shared { bus, holder, repeats: AtomicU64::new(0), state: Mutex::default() }) }
    }

    /// This process as a holder of places, on the bus.
    pub(crate) fn holder(&self) -> &str {
        &self.shared.holder
    }

    /// Grows whenever the bus may have forgotten what this holder said.
    pub(crate) fn repeats(&self) -> u64 {
        self.shared.repeats.load(Ordering::Relaxed)
    }

    /// One more socket of this person from this address.
    pub async fn socket(&self, config: &LimitsConfig, user: UserId, address: AddressBlock) -> Result<Place, Refusal> {
        let mut place = Place { shared: Arc::clone(&self.shared), buckets: Vec::with_capacity(2) };
        let wanted = [(Bucket::new("sockets_user", user), config.sockets_per_user), (Bucket::new("sockets_address", address), config.sockets_per_address)];
        for (bucket, most) in wanted {
            place.add(bucket, most).await?;
        }
        Ok(place)
    }

    /// Tells the bus what changed and that this gateway lives, until `stop`.
    pub(super) async fn keep(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(RENEW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut repeat_at = Instant::now() + REPEAT;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let known = self.shared.bus.renew_holder(&self.shared.holder, LEASE).await;
            if known == Ok(false) || repeat_at <= Instant::now() {
                self.shared.state().repeat();
                self.shared.repeats.fetch_add(1, Ordering::Relaxed);
                repeat_at = Instant::now() + REPEAT;
            }
            if known.is_ok() {
                self.shared.tell().await;
            }
        }
    }
}

const _: () = assert!(REPEAT.as_secs() * 3 < PLACES_TTL.as_secs() && RENEW.as_millis() * 4 < LEASE.as_millis(), "a repetition may be lost");

impl Place {
    async fn add(&mut self, bucket: Bucket, most: u32) -> Result<(), Refusal> {
        let what = bucket.what;
        let Some(count) = self.shared.state().add(&bucket, most) else { return Err(limited(what, RETRY)) };
        self.buckets.push(bucket.clone());
        match self.shared.bus.hold(&bucket, &self.shared.holder, count, most).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(limited(what, RETRY)),
            Err(error) => {
                tracing::debug!(%error, "limits.places");
                Ok(())
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        for bucket in self.buckets.drain(..) {
            state.remove(bucket);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells counts as they are now; two sockets that came at once may have told theirs in the wrong order.
    async fn tell(&self) {
        let changed: Vec<(Bucket, u32)> = {
            let mut state = self.state();
            let some: Vec<Bucket> = state.untold.iter().take(TOLD_EACH).cloned().collect();
            some.into_iter()
                .map(|bucket| (state.untold.take(&bucket).unwrap_or(bucket.clone()), state.counts.get(&bucket).copied().unwrap_or_default()))
                .collect()
        };
        for (bucket, count) in changed {
            // They are there: it is not for the bus to refuse them.
            if let Err(error) = self.bus.hold(&bucket, &self.holder, count, u32::MAX).await {
                tracing::debug!(%error, "limits.places");
                self.state().untold.insert(bucket);
                return;
            }
        }
    }
}

impl State {
    /// How many there are now; `None`: there are too many.
    fn add(&mut self, bucket: &Bucket, most: u32) -> Option<u32> {
        let count = self.counts.get(bucket).copied().unwrap_or_default() + 1;
        if count > most {
            return None;
        }
        self.counts.insert(bucket.clone(), count);
        self.untold.insert(bucket.clone());
        Some(count)
    }

    fn remove(&mut self, bucket: Bucket) {
        if let Some(count) = self.counts.get_mut(&bucket) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&bucket);
            }
        }
        self.untold.insert(bucket);
    }

    fn repeat(&mut self) {
        self.untold.extend(self.counts.keys().cloned());
    }
}

#[cfg(test)]
mod tests {
    use parley_engines::bus::embedded::EmbeddedBus;
    use parley_proto::ErrorCode;
    use uuid::Uuid;

    use super::*;

    fn gateway(bus: &EmbeddedBus, name: &str) -> (Places, CancellationToken) {
        let (places, stop) = (Places::new(Arc::new(bus.clone()), name), CancellationToken::new());
        tokio::spawn(places.clone().keep(stop.clone()));
        (places, stop)
    }

    fn config() -> LimitsConfig {
        LimitsConfig { sockets_per_user: 2, sockets_per_address: 3, ..LimitsConfig::default() }
    }

    async fn open(places: &Places, user: u128, address: &str) -> Result<Place, ErrorCode> {
        let address = AddressBlock::of(address.parse().unwrap());
        places.socket(&config(), UserId(Uuid::from_u128(user)), address).await.map_err(|refusal| refusal.code)
    }

    #[tokio::test]
    async fn sockets_are_counted_over_all_gateways_and_given_back() {
        let bus = EmbeddedBus::new();
        let ((here, _), (there, _)) = (gateway(&bus, "here"), gateway(&bus, "there"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (first, second) = (open(&here, 1, "127.0.0.1").await.unwrap(), open(&there, 1, "127.0.0.1").await.unwrap());
        assert_eq!(open(&there, 1, "127.0.0.1").await.map(drop), Err(ErrorCode::RateLimited), "a third of one person");
        let third = open(&here, 2, "127.0.0.1").await.unwrap();
        assert_eq!(open(&there, 3, "127.0.0.1").await.map(drop), Err(ErrorCode::RateLimited), "a fourth of one address");
        assert!(open(&there, 3, "127.0.0.2").await.is_ok());
        drop((first, third));
        tokio::time::sleep(2 * RENEW).await;
        assert!(open(&there, 1, "127.0.0.1").await.is_ok(), "what was refused took no place");
        drop(second);
    }

    #[tokio::test]
    async fn a_gateway_that_died_holds_nothing_and_one_whose_bus_is_away_counts_alone() {
        let bus = EmbeddedBus::new();
        let ((dies, stop), (lives, _)) = (gateway(&bus, "same name"), gateway(&bus, "same name"));
        tokio::time::sleep(Duration::from_millis(50)).await;
        let left = [open(&dies, 1, "127.0.0.1").await.unwrap(), open(&dies, 1, "127.0.0.1").await.unwrap()];
        assert!(open(&lives, 1, "127.0.0.1").await.is_err());
        stop.cancel();
        tokio::time::sleep(LEASE + RENEW).await;
        assert!(open(&lives, 1, "127.0.0.1").await.is_ok());
        drop(left);
        bus.set_away(true);
        let alone = [open(&lives, 1, "127.0.0.1").await.unwrap(), open(&lives, 1, "127.0.0.1").await.unwrap()];
        assert!(open(&lives, 1, "127.0.0.1").await.is_err());
        drop(alone);
    }
}
