//! How long things took: counted in buckets that are a sixteenth of their value wide, so that any number of them takes the same memory.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

const STEPS: u32 = 16;
const BUCKETS: usize = (64 * STEPS) as usize;

/// May be added to by many at once.
#[derive(Debug)]
pub struct Spread {
    buckets: Vec<AtomicU64>,
    max: AtomicU64,
}

impl Default for Spread {
    fn default() -> Self {
        Self { buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(), max: AtomicU64::new(0) }
    }
}

impl Spread {
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(micros)].fetch_add(1, Ordering::Relaxed);
        self.max.fetch_max(micros, Ordering::Relaxed);
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    pub fn max(&self) -> Duration {
        Duration::from_micros(self.max.load(Ordering::Relaxed))
    }

    /// Not exceeded by this part of them (0.5: the median), to a sixteenth.
    pub fn quantile(&self, part: f64) -> Duration {
        let count = self.count();
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let wanted = ((count as f64 * part) as u64).max(1);
        let mut seen = 0;
        for (index, bucket) in self.buckets.iter().enumerate() {
            seen += bucket.load(Ordering::Relaxed);
            if seen >= wanted {
                return Duration::from_micros(upper_end(index)).min(self.max());
            }
        }
        self.max()
    }
}

fn bucket(micros: u64) -> usize {
    if micros < u64::from(STEPS) {
        return usize::try_from(micros).unwrap_or(0);
    }
    let shift = micros.ilog2() - STEPS.ilog2();
    usize::try_from(u64::from(shift * STEPS) + (micros >> shift)).unwrap_or(BUCKETS - 1)
}

fn upper_end(bucket: usize) -> u64 {
    let (bucket, steps) = (bucket as u64, u64::from(STEPS));
    if bucket < 2 * steps {
        return bucket;
    }
    let shift = bucket / steps - 1;
    ((bucket - shift * steps + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_a_sixteenth() {
        let spread = Spread::default();
        (1..=10_000).for_each(|micros| spread.add(Duration::from_micros(micros)));
        for (part, wanted) in [(0.5, 5_000.0), (0.99, 9_900.0), (1.0, 10_000.0)] {
            let there = spread.quantile(part).as_micros() as f64;
            assert!((wanted..=wanted * 1.07).contains(&there), "{part}: {there}");
        }
        assert_eq!((spread.count(), spread.max()), (10_000, Duration::from_millis(10)));
    }
}
