//! The promises of GUARANTEES.md that histories can show broken, and what was found of each.

use std::{collections::BTreeMap, fmt};

use crate::verify::Check;

macro_rules! promises {
    ($($name:ident = $says:literal,)*) => {
        /// A promise, or a part of one that is checked by itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Promise { $($name,)* }

        impl Promise {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its number in GUARANTEES.md, and what is held to it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }
        }
    };
}

promises! {
    Durable = "G1 durable ack: what was acked is in the log, below at_most, as it was sent",
    Refusal = "G2 honest refusal: what was only rejected is nowhere; a retry is not rejected without its cancel",
    Answered = "G2 answered in time",
    Order = "G3 one order: every line at its position, ascending",
    Once = "G4 exactly once: one line per identity, a retry changes nothing",
    Resume = "G5 gapless resume and live stream: everything, once",
    Subscribe = "G6 gapless subscribe: what was acked before is there",
    Tallies = "G7 votes: each tally is the sum of the votes below its as_of",
    Converged = "G7 votes: after quiet every client shows what the votes come to",
    Memory = "G8 bounded memory: no process of ours grew above its bound",
    Revocation = "G10 revocation: after leaving or signing out nothing more is shown or taken",
    Session = "G11 session order: sends of one connection stand in their order",
    Integrity = "G12 integrity: bodies and senders as sent, nothing from elsewhere",
    Live = "G14 recovery: live delivery is back in time",
    Whole = "G14 recovery: everything that was begun is settled in time",
}

/// What was checked and what differed, promise by promise.
#[derive(Debug, Default)]
pub struct Findings {
    checks: BTreeMap<Promise, Check>,
}

impl Findings {
    /// Counts one comparison; `what` is asked for where it does not hold.
    pub fn that(&mut self, promise: Promise, holds: bool, what: impl FnOnce() -> String) {
        self.checks.entry(promise).or_insert_with(|| Check::new(promise.name())).that(holds, what);
    }

    /// The promises that were broken.
    pub fn broken(&self) -> Vec<Promise> {
        self.checks.iter().filter(|(_, check)| check.differences > 0).map(|(promise, _)| *promise).collect()
    }

    pub fn checked(&self, promise: Promise) -> u64 {
        self.checks.get(&promise).map_or(0, |check| check.checked)
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in self.checks.values() {
            let verdict = if check.differences == 0 { "ok" } else { "BROKEN" };
            writeln!(f, "{verdict:>8}  {}: {} checked, {} broken", check.name, check.checked, check.differences)?;
            for difference in &check.shown {
                writeln!(f, "          {difference}")?;
            }
        }
        Ok(())
    }
}
