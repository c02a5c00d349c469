//! Token buckets as GCRA: one number a bucket, the time at which it is full again. Pure: no I/O, no clock, no lock. The embedded bus, Redis' script and the
//! gateways' own buckets are this arithmetic.

use std::{fmt, str::FromStr, time::Duration};

/// How much may be taken: a token comes back each `interval`, `burst` of them are there at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval: Micros,
    burst: u32,
}

/// Microseconds since whatever moment the bucket's clock counts from.
pub type Micros = u64;

/// What came of asking for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// They are taken.
    Yes,
    /// Nothing was taken; after this time as many will be there.
    Wait(Duration),
}

/// A bucket: when it is full again. A bucket that is full needs no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Level(pub Micros);

impl Rate {
    /// `count` tokens come back in `per`, evenly; `burst` are there at most. Neither is below one.
    pub fn new(count: u32, per: Duration, burst: u32) -> Self {
        let interval = micros(per) / u64::from(count.max(1));
        Self { interval: interval.max(1), burst: burst.max(1) }
    }

    /// The time in which one token comes back.
    pub fn interval(&self) -> Duration {
        Duration::from_micros(self.interval)
    }

    /// How many can be taken at once from a full bucket.
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// The same with so many times the burst, and tokens that come back so much slower.
    #[must_use]
    pub fn slower(&self, interval_times: u32, burst_times: u32) -> Self {
        Self { interval: self.interval.saturating_mul(interval_times.into()), burst: self.burst.saturating_mul(burst_times) }
    }

    /// Takes `cost` tokens if they are there. More than the burst never are.
    pub fn take(&self, level: &mut Level, now: Micros, cost: u32) -> Taken {
        let wanted = level.0.max(now).saturating_add(self.interval.saturating_mul(cost.into()));
        let most = now.saturating_add(micros(self.capacity()));
        if wanted > most {
            return Taken::Wait(Duration::from_micros(wanted - most));
        }
        level.0 = wanted;
        Taken::Yes
    }

    /// Takes `cost` tokens that were given away already, there or not. Returns how far the bucket is from full; more than [`Rate::capacity`]: it owes.
    pub fn charge(&self, level: &mut Level, now: Micros, cost: u32) -> Duration {
        level.0 = level.0.max(now).saturating_add(self.interval.saturating_mul(cost.into()));
        Duration::from_micros(level.0 - now)
    }

    /// The time in which an empty bucket is full again.
    pub fn capacity(&self) -> Duration {
        Duration::from_micros(self.interval.saturating_mul(self.burst.into()))
    }
}

impl Level {
    /// Whoever knows that the bucket needs so long to be full makes it at least that empty.
    pub fn at_least(&mut self, now: Micros, until_full: Duration) {
        self.0 = self.0.max(now.saturating_add(micros(until_full)));
    }

    /// Nobody took anything, or everything has come back.
    pub fn is_full(&self, now: Micros) -> bool {
        self.0 <= now
    }
}

fn micros(duration: Duration) -> Micros {
    Micros::try_from(duration.as_micros()).unwrap_or(Micros::MAX)
}

/// Longer is a mistake, and times stay exact in every engine.
const CAPACITY_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Seconds per unit in which rates are written.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];

/// As an operator writes it: `10/s,20` is ten a second and at most twenty at once; `1/3s,1` one in three seconds.
impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a rate is a count, a time and a burst, such as 10/s,20 or 1/3s,1";
        let (rate, burst) = text.split_once(',').ok_or(WRONG)?;
        let (count, per) = rate.split_once('/').ok_or(WRONG)?;
        let (number, unit) = UNITS.iter().find_map(|(unit, seconds)| Some((per.trim().strip_suffix(unit)?, *seconds))).ok_or(WRONG)?;
        let number: u32 = if number.is_empty() { 1 } else { number.parse().map_err(|_| WRONG)? };
        let (count, burst): (u32, u32) = (count.trim().parse().map_err(|_| WRONG)?, burst.trim().parse().map_err(|_| WRONG)?);
        if count == 0 || number == 0 || burst == 0 {
            return Err("a rate of nothing would refuse everything");
        }
        let rate = Self::new(count, Duration::from_secs(u64::from(number) * unit), burst);
        if rate.capacity() > CAPACITY_MAX { Err("a rate's burst has to come back within a year") } else { Ok(rate) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The shortest time in which a whole number of tokens comes back.
        for (unit, seconds) in UNITS {
            if (seconds * 1_000_000).is_multiple_of(self.interval) {
                return write!(f, "{}/{unit},{}", seconds * 1_000_000 / self.interval, self.burst);
            }
        }
        write!(f, "1/{}s,{}", self.interval.div_ceil(1_000_000), self.burst)
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn rates_are_read_as_people_write_them() {
        for (text, interval_ms, burst, written) in [
            ("10/s,20", 100, 20, "10/s,20"),
            ("1/3s,1", 3_000, 1, "20/m,1"),
            ("20/d,20", 4_320_000, 20, "20/d,20"),
            ("30/m, 5", 2_000, 5, "30/m,5"),
            ("8/h,80", 450_000, 80, "8/h,80"),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!((rate.interval(), rate.burst()), (Duration::from_millis(interval_ms), burst), "{text}");
            assert_eq!(rate.to_string(), written);
            assert_eq!(written.parse(), Ok(rate));
        }
        for bad in ["", "10", "10/s", "10,20", "0/s,1", "1/s,0", "1/0s,1", "-1/s,1", "1/w,1", "1/s,20,3", "1.5/s,2", "1/4294967295d,2"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_one_at_a_time() {
        let rate = Rate::new(10, Duration::from_secs(1), 20);
        let mut level = Level::default();
        for _ in 0..20 {
            assert_eq!(rate.take(&mut level, 1_000, 1), Taken::Yes);
        }
        assert_eq!(rate.take(&mut level, 1_000, 1), Taken::Wait(Duration::from_millis(100)));
        assert_eq!(rate.take(&mut level, 101_000, 1), Taken::Yes);
        assert_eq!(rate.take(&mut level, 101_000, 1), Taken::Wait(Duration::from_millis(100)));
    }

    /// Whoever asks whenever and for whatever: in no stretch of time more is given than the burst and what comes back in it; whoever waits as told is given it;
    /// a no costs nothing.
    #[test]
    fn no_stretch_of_time_gives_more_than_the_burst_and_what_comes_back_in_it() {
        for seed in 0..200 {
            let mut random = StdRng::seed_from_u64(seed);
            let rate = Rate::new(random.random_range(1..50), Duration::from_millis(random.random_range(100..5_000)), random.random_range(1..40));
            let (mut level, mut now, mut given) = (Level::default(), random.random_range(0..1 << 50), Vec::<(Micros, u64)>::new());
            for _ in 0..500 {
                now += random.random_range(0..rate.interval * 2);
                let cost = random.random_range(1..=rate.burst.min(3));
                let before = level;
                match rate.take(&mut level, now, cost) {
                    Taken::Yes => given.push((now, cost.into())),
                    Taken::Wait(time) => {
                        assert_eq!(level, before, "seed {seed}: a no changes nothing");
                        let mut early = level;
                        assert_ne!(rate.take(&mut early, now + micros(time) - 1, cost), Taken::Yes, "seed {seed}: a moment before it is too early");
                        let mut later = level;
                        assert_eq!(rate.take(&mut later, now + micros(time), cost), Taken::Yes, "seed {seed}: whoever waits as told is given it");
                    }
                }
            }
            for (first, (from, _)) in given.iter().enumerate() {
                let mut sum = 0;
                for (at, cost) in &given[first..] {
                    sum += cost;
                    assert!(sum <= u64::from(rate.burst) + (at - from) / rate.interval + 1, "seed {seed}: {sum} in {} µs", at - from);
                }
            }
        }
    }

    /// Several gateways give away by buckets of their own and charge a shared one now and then: in the long run no more is given than one bucket would give.
    #[test]
    fn buckets_that_are_charged_to_one_give_in_the_long_run_what_one_would_give() {
        for seed in 0..50 {
            let mut random = StdRng::seed_from_u64(seed);
            let rate = Rate::new(10, Duration::from_secs(1), 20);
            let (mut shared, mut own, mut owed) = (Level::default(), [Level::default(); 3], [0_u32; 3]);
            let (mut now, mut given) = (0, 0_u64);
            while now < 60_000_000 {
                now += random.random_range(1_000..10_000);
                let at = random.random_range(0..3);
                if rate.take(&mut own[at], now, 1) == Taken::Yes {
                    (owed[at], given) = (owed[at] + 1, given + 1);
                }
                if random.random_range(0..10) == 0 {
                    let full = rate.charge(&mut shared, now, std::mem::take(&mut owed[at]));
                    own[at].at_least(now, full);
                }
            }
            // A minute's tokens, a burst of each of the three, and what was given between two charges.
            assert!((600..=600 + 3 * 20 + 30).contains(&given), "seed {seed}: {given}");
        }
    }

    #[test]
    fn the_end_of_time_is_no_way_around_a_limit() {
        let rate = Rate::new(1, Duration::from_secs(u64::MAX), u32::MAX);
        let mut level = Level(u64::MAX);
        assert!(matches!(rate.take(&mut level, u64::MAX - 1, u32::MAX), Taken::Yes | Taken::Wait(_)));
        assert!(!level.is_full(u64::MAX - 1));
        assert_eq!(Rate::new(5, Duration::from_secs(1), 2).take(&mut Level::default(), 0, 3), Taken::Wait(Duration::from_millis(200)));
    }
}
