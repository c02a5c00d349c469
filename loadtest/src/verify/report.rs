//! What was compared, and what differed.

use std::fmt;

use super::expected::Outcomes;

/// Differences that are shown of one check; all of them are counted.
const SHOWN: usize = 10;

/// One thing that has to hold.
#[derive(Debug, Clone)]
pub struct Check {
    pub name: &'static str,
    /// How many things were compared.
    pub checked: u64,
    pub differences: u64,
    /// The first of them.
    pub shown: Vec<String>,
}

impl Check {
    pub fn new(name: &'static str) -> Self {
        Self { name, checked: 0, differences: 0, shown: Vec::new() }
    }

    /// Counts one comparison; `what` is asked for where it does not hold.
    pub fn that(&mut self, holds: bool, what: impl FnOnce() -> String) {
        self.checked += 1;
        if !holds {
            self.differences += 1;
            if self.shown.len() < SHOWN {
                self.shown.push(what());
            }
        }
    }

    /// Compares what is there with what has to be there.
    pub fn equal<T: PartialEq + fmt::Debug>(&mut self, there: &T, wanted: &T, what: impl FnOnce() -> String) {
        self.that(there == wanted, || format!("{}: there is {there:?}, it should be {wanted:?}", what()));
    }
}

/// One partition, as the log has it.
#[derive(Debug, Clone, Copy)]
pub struct PartitionReport {
    pub partition: u16,
    pub records: u64,
    pub lag: u64,
    pub outcomes: Outcomes,
}

/// The whole verdict.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub partitions: Vec<PartitionReport>,
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing differs.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.differences == 0)
    }

    /// The checks that found a difference.
    pub fn broken(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.differences > 0)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["partition", "records", "= applied", "superseded", "duplicate", "expired", "dead letter", "control", "not stored yet"];
        writeln!(f, "{}", header.map(|name| format!("{name:>14}")).join(""))?;
        let mut total = PartitionReport { partition: 0, records: 0, lag: 0, outcomes: Outcomes::default() };
        for partition in &self.partitions {
            line(f, &partition.partition.to_string(), partition)?;
            total.records += partition.records;
            total.lag += partition.lag;
            let (sum, one) = (&mut total.outcomes, partition.outcomes);
            sum.applied += one.applied;
            sum.superseded += one.superseded;
            sum.duplicate += one.duplicate;
            sum.expired += one.expired;
            sum.dead_letter += one.dead_letter;
            sum.control += one.control;
        }
        line(f, "all", &total)?;
        writeln!(f)?;
        for check in &self.checks {
            let verdict = if check.differences == 0 { "ok" } else { "DIFFERS" };
            writeln!(f, "{verdict:>8}  {}: {} compared, {} differ", check.name, check.checked, check.differences)?;
            for difference in &check.shown {
                writeln!(f, "          {difference}")?;
            }
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, of: &PartitionReport) -> fmt::Result {
    let Outcomes { applied, superseded, duplicate, expired, dead_letter, control } = of.outcomes;
    let numbers = [of.records, applied, superseded, duplicate, expired, dead_letter, control, of.lag];
    writeln!(f, "{name:>14}{}", numbers.map(|number| format!("{number:>14}")).join(""))
}
