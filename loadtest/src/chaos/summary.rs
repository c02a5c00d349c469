//! The figures of a run, for the ledger in docs/reliability.md: only what was measured.

use std::{collections::BTreeMap, fmt, sync::atomic::Ordering::Relaxed, time::Duration};

use super::felt;
use crate::{check::Trouble, people::Counters};

/// All of them.
#[derive(Debug)]
pub struct Summary {
    pub seed: u64,
    pub took: Duration,
    /// By part and kind: how often, and how often with an effect that shows.
    pub faults: BTreeMap<(String, String), (u64, u64)>,
    without_fault: f64,
    latency: [Duration; 3],
    lateness: [Duration; 3],
    skipped: u64,
    settled_after: Duration,
    memory: BTreeMap<String, u64>,
    records: u64,
    checked_in: Duration,
}

impl Summary {
    #[expect(clippy::too_many_arguments, reason = "figures that have nothing else in common")]
    pub(super) fn new(
        seed: u64,
        took: Duration,
        troubles: &[Trouble],
        counters: &Counters,
        settled_after: Duration,
        memory: &BTreeMap<String, u64>,
        records: u64,
        checked_in: Duration,
    ) -> Self {
        let three = |spread: &crate::people::Spread| [spread.quantile(0.5), spread.quantile(0.99), spread.max()];
        let disturbed: u64 = troubles.iter().map(|trouble| trouble.ended - trouble.began).sum();
        Self {
            seed,
            took,
            faults: felt(troubles),
            without_fault: 1.0 - Duration::from_micros(disturbed).as_secs_f64() / took.as_secs_f64(),
            latency: three(&counters.latency),
            lateness: three(&counters.lateness),
            skipped: counters.skipped.load(Relaxed),
            settled_after,
            memory: memory.clone(),
            records,
            checked_in,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |times: [Duration; 3]| times.map(|time| format!("{:.1}", time.as_secs_f64() * 1e3)).join(" / ");
        let (times, with_effect) = self.faults.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        writeln!(
            f,
            "{:.1} minutes, {times} faults, {with_effect} with effect, {:.0} % of the time without fault",
            self.took.as_secs_f64() / 60.0,
            self.without_fault * 100.0
        )?;
        for ((part, kind), (times, with_effect)) in &self.faults {
            writeln!(f, "{:>8}  {kind} of {part}: {times}, {with_effect} with effect", "")?;
        }
        writeln!(f, "from the scheduled instant to the ack (ms, median / p99 / max): {}", millis(self.latency))?;
        writeln!(f, "the generator's own lateness (ms, median / p99 / max): {}; {} wishes were not offered", millis(self.lateness), self.skipped)?;
        writeln!(f, "everything was stored and settled {:.1} s after the last fault", self.settled_after.as_secs_f64())?;
        for (name, bytes) in &self.memory {
            writeln!(f, "{:>8}  {name} took {} MiB at most", "", bytes >> 20)?;
        }
        writeln!(f, "{} records of the log; all histories were checked in {:.1} s", self.records, self.checked_in.as_secs_f64())
    }
}
