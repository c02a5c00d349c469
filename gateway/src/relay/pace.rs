//! When a relay waits a little before it publishes. A publish costs a frame and a system call for every socket in the room: where messages come close together,
//! one for several of them costs a part of that. Where nobody else speaks, nothing waits.

use std::time::Duration;

use tokio::time::Instant;

/// How long what was read first waits for more.
pub(super) const LINGER: Duration = Duration::from_millis(8);
/// Several records in one publish are a sign of more like that for so long.
const SIGN_LASTS: Duration = Duration::from_secs(1);

/// How closely records come.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<(Instant, u64)>,
}

impl Pace {
    /// So many records were published together.
    pub(super) fn published(&mut self, records: u64, now: Instant) {
        if records > 0 {
            self.last = Some((now, records));
        }
    }

    /// Whether what comes next is to wait for more.
    pub(super) fn lingers(&self, now: Instant) -> bool {
        self.last.is_some_and(|(at, records)| now < at + if records > 1 { SIGN_LASTS } else { LINGER })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_closely_waits() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let after = |millis| start + Duration::from_millis(millis);
        assert!(!pace.lingers(start), "the first waits for nothing");
        pace.published(1, start);
        assert!(!pace.lingers(after(50)), "twenty messages a second are not close");
        assert!(pace.lingers(after(6)), "a hundred and sixty are");
        pace.published(16, start);
        assert!(pace.lingers(after(200)) && !pace.lingers(after(1_000)), "after a burst the next one is expected, for a while");
        pace.published(0, after(300));
        assert!(pace.lingers(after(900)), "a look at the bus says nothing");
    }
}
