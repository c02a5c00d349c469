//! How long ago somebody's rights were found unchanged, by the version that grows whenever one of them ends. Knows no I/O; the hub asks, see `hub::recheck`.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parley_proto::UserId;
use tokio::time::Instant;

/// Rights that nothing vouched for in so long count no more. A look takes up to [`super::LOOK_DEADLINE`] and happens each second: 30 s are never reached.
pub(crate) const VERIFIED_FOR: Duration = Duration::from_secs(24);

/// Somebody without a socket is remembered for so long, so that coming back renews nothing while nobody can vouch. It is the life of an access token.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// People with sockets here, and what vouches for them.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    people: HashMap<UserId, Person>,
    /// The store did not answer the last look.
    is_store_away: bool,
}

#[derive(Debug)]
struct Person {
    version: Option<Version>,
    /// When they were vouched for last: the beginning of the question.
    at: Instant,
    /// What was read before is of an older version.
    changed_at: Option<Instant>,
    last_seen: Instant,
}

/// The version of somebody's rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// Sessions and memberships were read after it.
    Read(u64),
    /// The bus said so; nothing was read yet.
    Heard(u64),
}

impl Version {
    fn number(self) -> u64 {
        match self {
            Self::Read(number) | Self::Heard(number) => number,
        }
    }
}

impl Verified {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket of this person was opened: its session was just checked, as far as anybody could. Returns whether nothing vouched for this person for longer than
    /// `look`: whoever was away was not looked after, and should not have to wait for the next look.
    pub(crate) fn came(&self, user: UserId, now: Instant, look: Duration) -> bool {
        let mut state = self.state();
        let is_store_away = state.is_store_away;
        let person = state.people.entry(user).or_insert(Person { version: None, at: now, changed_at: None, last_seen: now });
        if !is_store_away && !is_recent(person.at, now) {
            person.at = now;
        }
        now.duration_since(person.at) > look
    }

    /// These have sockets now.
    pub(crate) fn present(&self, users: &HashSet<UserId>, now: Instant) {
        self.state().people.retain(|user, person| {
            if users.contains(user) {
                person.last_seen = now;
            }
            now.duration_since(person.last_seen) < REMEMBERED_FOR
        });
    }

    /// The store's word, asked at `begun`. Returns those whose rights have to be read, with their versions.
    pub(crate) fn store_said(&self, versions: &[(UserId, u64)], begun: Instant) -> Vec<(UserId, u64)> {
        let mut state = self.state();
        state.is_store_away = false;
        let mut changed = Vec::new();
        for (user, version) in versions {
            let Some(person) = state.people.get_mut(user) else { continue };
            if person.version == Some(Version::Read(*version)) {
                person.at = begun;
            } else {
                changed.push((*user, *version));
            }
        }
        changed
    }

    /// The store did not answer.
    pub(crate) fn store_is_away(&self) {
        self.state().is_store_away = true;
    }

    /// Sessions and memberships were read after the version, all of it after `begun`.
    pub(crate) fn read(&self, user: UserId, version: u64, begun: Instant) {
        if let Some(person) = self.state().people.get_mut(&user) {
            (person.version, person.at, person.changed_at) = (Some(Version::Read(version)), begun, Some(begun));
        }
    }

    /// The version of their rights by which this process lets them do what they do; `None` before anything was read.
    pub(crate) fn version(&self, user: UserId) -> Option<u64> {
        let state = self.state();
        let person = state.people.get(&user).filter(|person| person.changed_at.is_some())?;
        person.version.map(Version::number)
    }

    /// A resume token was signed by this version, and the bus, asked at `begun`, says that it is the newest: what the token says counts as read then, until the store
    /// can be asked. `false`: something else was read here.
    pub(crate) fn vouched(&self, user: UserId, version: u64, begun: Instant) -> bool {
        let mut state = self.state();
        let Some(person) = state.people.get_mut(&user) else { return false };
        match person.version {
            Some(Version::Read(read)) if read != version => return false,
            Some(Version::Read(_)) => person.at = begun,
            _ => (person.version, person.at, person.changed_at) = (Some(Version::Heard(version)), begun, Some(begun)),
        }
        true
    }

    /// The bus' word, which stands in for the store's: the version that was known still is the newest.
    pub(crate) fn bus_said(&self, user: UserId, version: Option<u64>, begun: Instant) {
        let mut state = self.state();
        let (Some(person), Some(version)) = (state.people.get_mut(&user), version) else { return };
        let known = match person.version {
            Some(known) => known.number(),
            None => {
                person.version = Some(Version::Heard(version));
                version
            }
        };
        if known == version {
            person.at = begun;
        }
    }

    /// Whether this person has a socket here and nothing has vouched for them for too long.
    pub(crate) fn is_overdue(&self, user: UserId, now: Instant) -> bool {
        self.state().people.get(&user).is_some_and(|person| !is_recent(person.at, now))
    }

    /// Whether what was read at `read_at` still holds, without asking anybody.
    pub(crate) fn covers(&self, user: UserId, read_at: Instant, now: Instant) -> bool {
        self.state().people.get(&user).is_some_and(|person| is_recent(person.at, now) && person.changed_at.is_some_and(|changed_at| read_at >= changed_at))
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.duration_since(at) < VERIFIED_FOR
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LOOK: Duration = Duration::from_secs(10);
    const ADA: UserId = UserId(Uuid::from_u128(1));

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn whoever_was_away_for_longer_than_a_look_is_looked_at_soon() {
        let (verified, start) = (Verified::default(), Instant::now());
        assert!(!verified.came(ADA, start, LOOK));
        assert!(!verified.came(ADA, after(start, 5), LOOK));
        assert!(verified.came(ADA, after(start, 22), LOOK));
    }

    #[test]
    fn whoever_nothing_vouches_for_is_overdue_before_thirty_seconds_are_over() {
        let (verified, start) = (Verified::default(), Instant::now());
        verified.came(ADA, start, LOOK);
        assert!(!verified.is_overdue(ADA, after(start, 23)));
        assert!(verified.is_overdue(ADA, after(start, 24)));
        assert_eq!(verified.store_said(&[(ADA, 4)], after(start, 25)), [(ADA, 4)], "never read: has to be");
        assert!(verified.is_overdue(ADA, after(start, 25)), "a version alone vouches for nothing");
        verified.read(ADA, 4, after(start, 25));
        assert!(!verified.is_overdue(ADA, after(start, 26)));
        assert_eq!(verified.store_said(&[(ADA, 4)], after(start, 40)), []);
        assert!(!verified.is_overdue(ADA, after(start, 60)));
    }

    #[test]
    fn the_bus_stands_in_as_long_as_it_says_the_version_that_was_read() {
        let (verified, start) = (Verified::default(), Instant::now());
        verified.came(ADA, start, LOOK);
        verified.read(ADA, 4, start);
        verified.store_is_away();
        verified.bus_said(ADA, Some(4), after(start, 20));
        assert!(!verified.is_overdue(ADA, after(start, 40)));
        for unknown in [None, Some(5), Some(3)] {
            verified.bus_said(ADA, unknown, after(start, 40));
            assert!(verified.is_overdue(ADA, after(start, 44)), "{unknown:?}");
        }
    }

    #[test]
    fn a_token_stands_in_for_the_store_until_that_is_read() {
        let (verified, start) = (Verified::default(), Instant::now());
        assert!(!verified.vouched(ADA, 4, start), "nobody with a socket");
        verified.came(ADA, start, LOOK);
        verified.store_is_away();
        assert_eq!(verified.version(ADA), None);
        assert!(verified.vouched(ADA, 4, after(start, 1)));
        assert!(verified.covers(ADA, after(start, 1), after(start, 2)) && !verified.covers(ADA, start, after(start, 2)));
        assert_eq!(verified.version(ADA), Some(4));
        verified.bus_said(ADA, Some(5), after(start, 20));
        assert!(verified.is_overdue(ADA, after(start, 25)), "something has ended");
        assert_eq!(verified.store_said(&[(ADA, 4)], after(start, 26)), [(ADA, 4)], "it has to be read");
        verified.read(ADA, 5, after(start, 27));
        assert!(!verified.vouched(ADA, 4, after(start, 28)), "of an older version");
    }

    #[test]
    fn coming_back_renews_nothing_while_the_store_is_away() {
        let (verified, start) = (Verified::default(), Instant::now());
        verified.came(ADA, start, LOOK);
        verified.store_is_away();
        verified.came(ADA, after(start, 30), LOOK);
        assert!(verified.is_overdue(ADA, after(start, 30)));
        verified.store_said(&[], after(start, 31));
        verified.came(ADA, after(start, 31), LOOK);
        assert!(!verified.is_overdue(ADA, after(start, 31)));
    }

    #[test]
    fn what_was_read_before_a_change_is_not_covered() {
        let (verified, start) = (Verified::default(), Instant::now());
        verified.came(ADA, start, LOOK);
        assert!(!verified.covers(ADA, start, start), "nothing was read yet");
        verified.read(ADA, 4, after(start, 1));
        assert!(verified.covers(ADA, after(start, 2), after(start, 3)));
        verified.read(ADA, 5, after(start, 5));
        assert!(!verified.covers(ADA, after(start, 2), after(start, 6)));
        assert!(!verified.covers(ADA, after(start, 6), after(start, 29)), "nobody vouches any more");
    }

    #[test]
    fn who_has_gone_is_forgotten_in_the_end() {
        let (verified, start) = (Verified::default(), Instant::now());
        verified.came(ADA, start, LOOK);
        verified.present(&HashSet::from([ADA]), after(start, 100));
        verified.present(&HashSet::new(), after(start, 699));
        assert_eq!(verified.state().people.len(), 1);
        verified.present(&HashSet::new(), after(start, 700));
        assert_eq!(verified.state().people.len(), 0);
    }
}
