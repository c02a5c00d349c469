//! Which buckets there are, and an engine's buckets in memory. Pure: no clock, no lock.

use std::collections::HashMap;

use super::{
    PLACES_TTL,
    rate::{Level, Micros, Rate, Taken},
};

/// A bucket's name: what is limited, and for whom. `who` is an id, an address or a hash, never what somebody typed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    pub what: &'static str,
    pub who: String,
}

impl Bucket {
    /// Its name.
    pub fn new(what: &'static str, who: impl ToString) -> Self {
        Self { what, who: who.to_string() }
    }
}

/// Buckets that are kept at most. Above it, what is dropped counts as full: a limit is milder then, memory is bounded always.
const BUCKETS_MAX: usize = 200_000;

/// Token buckets in memory; full ones are let go.
#[derive(Debug, Default)]
pub struct Buckets {
    levels: HashMap<Bucket, Level>,
    /// Full ones are looked for when so many are kept.
    sweep_at: usize,
}

impl Buckets {
    /// See [`Rate::take`].
    pub fn take(&mut self, bucket: &Bucket, rate: Rate, now: Micros, cost: u32) -> Taken {
        rate.take(self.level(bucket, now), now, cost)
    }

    /// The bucket's level, to be changed.
    pub fn level(&mut self, bucket: &Bucket, now: Micros) -> &mut Level {
        if self.levels.len() >= self.sweep_at.max(1_024) && !self.levels.contains_key(bucket) {
            self.sweep(now);
        }
        self.levels.entry(bucket.clone()).or_default()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.levels.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.levels.is_empty()
    }

    fn sweep(&mut self, now: Micros) {
        self.levels.retain(|_, level| !level.is_full(now));
        if self.levels.len() >= BUCKETS_MAX {
            // Those that are nearly full again lose least.
            let mut levels: Vec<Level> = self.levels.values().copied().collect();
            let (_, median, _) = levels.select_nth_unstable(BUCKETS_MAX / 2);
            let median = *median;
            self.levels.retain(|_, level| *level > median);
        }
        self.sweep_at = (self.levels.len() * 2).min(BUCKETS_MAX);
    }
}

/// Who holds how many places of which bucket, and which holders live.
#[derive(Debug, Default)]
pub struct Places {
    held: HashMap<Bucket, HashMap<String, u32>>,
    /// Holder → until when it lives.
    holders: HashMap<String, Micros>,
}

impl Places {
    /// See [`super::BusLimits::hold`].
    pub fn hold(&mut self, bucket: &Bucket, holder: &str, count: u32, most: u32, now: Micros) -> bool {
        let held = self.held.entry(bucket.clone()).or_default();
        held.retain(|holder, _| self.holders.get(holder).is_some_and(|until| *until > now));
        let others: u32 = held.iter().filter(|(other, _)| *other != holder).map(|(_, count)| *count).sum();
        // Fewer than before are fewer, whatever the others have.
        let before = held.get(holder).copied().unwrap_or_default();
        let granted = count <= before || others.saturating_add(count) <= most;
        if granted && count > 0 {
            held.insert(holder.to_owned(), count);
        } else if granted {
            held.remove(holder);
        }
        if held.is_empty() {
            self.held.remove(bucket);
        }
        granted
    }

    /// See [`super::BusLimits::renew_holder`].
    pub fn renew(&mut self, holder: &str, until: Micros, now: Micros) -> bool {
        let lived = self.holders.insert(holder.to_owned(), until).is_some_and(|before| before > now);
        self.holders.retain(|_, until| *until > now);
        lived
    }

    /// Whether the holder lives.
    pub fn lives(&self, holder: &str, now: Micros) -> bool {
        self.holders.get(holder).is_some_and(|until| *until > now)
    }
}

const _: () = assert!(PLACES_TTL.as_secs() > 60, "gateways say it again each minute");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn full_buckets_cost_nothing_and_memory_is_bounded_whoever_comes() {
        let rate = Rate::new(1, Duration::from_secs(1), 2);
        let mut buckets = Buckets::default();
        for who in 0..5_000 {
            buckets.take(&Bucket::new("sends", who), rate, who * 1_000_000, 1);
        }
        assert!(buckets.len() < 2_000, "{}", buckets.len());
        for who in 0..3 * BUCKETS_MAX {
            buckets.take(&Bucket::new("sends", who), rate, 0, 2);
            assert!(buckets.len() <= BUCKETS_MAX);
        }
        let last = Bucket::new("sends", 3 * BUCKETS_MAX - 1);
        assert_ne!(buckets.take(&last, rate, 0, 1), Taken::Yes, "who came last is limited");
    }
}
