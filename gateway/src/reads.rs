//! Read marks on their way to the log: one record a second for each person and room, however often a client says how far it is.
//!
//! Whether a mark moves anything is judged where it is stored. Nobody waits here: what can't be appended is tried again for a while and then given up, since
//! the next thing that is read says more anyway.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parley_engines::log::{Appended, Log};
use parley_proto::{Body, Cid, ErrorCode, Kind, Record, RoomId, UserId, codec};
use uuid::Uuid;

use crate::{clock, ends::Ends, metrics, refusal::Refusal, rights::Rights};

/// Between two records of a person in a room.
const PACE: Duration = Duration::from_secs(1);
/// People and rooms that may be on their way at once.
const ON_THEIR_WAY_MAX: usize = 50_000;
/// How often an append is tried, at this pace, before the mark is given up.
const ATTEMPTS: u32 = 30;
/// How long one append may take.
const APPEND_DEADLINE: Duration = Duration::from_secs(5);
/// Numbers beyond this are no numbers of messages.
const SEQ_LIMIT: u64 = 1 << 53;

/// How far somebody has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadMark {
    pub seq: u64,
    /// Unread again from the next message on; else the mark moves forward only.
    pub back: bool,
}

/// What was said and is not appended yet: first forward, then back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Waiting {
    forward: Option<u64>,
    back: Option<u64>,
}

impl Waiting {
    fn add(&mut self, mark: ReadMark) {
        if mark.back {
            self.back = Some(self.back.map_or(mark.seq, |back| back.min(mark.seq)));
        } else {
            self.forward = self.forward.max(Some(mark.seq));
            // Read on beyond what was marked unread: that is over.
            self.back = self.back.filter(|back| *back > mark.seq);
        }
    }

    fn values(self) -> impl Iterator<Item = i64> {
        let forward = self.forward.map(u64::cast_signed);
        let back = self.back.map(|seq| -seq.cast_signed() - 1);
        forward.into_iter().chain(back)
    }

    /// What could not be appended, with what was said since.
    fn before(self, later: Self) -> Self {
        let mut all = self;
        later.forward.into_iter().for_each(|seq| all.add(ReadMark { seq, back: false }));
        later.back.into_iter().for_each(|seq| all.add(ReadMark { seq, back: true }));
        all
    }
}

type Key = (UserId, RoomId);

/// The marks on their way. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reads {
    log: Arc<dyn Log>,
    ends: Ends,
    rights: Rights,
    waiting: Arc<Mutex<HashMap<Key, Waiting>>>,
}

impl Reads {
    /// Nothing is on its way.
    pub fn new(log: Arc<dyn Log>, ends: Ends, rights: Rights) -> Self {
        Self { log, ends, rights, waiting: Arc::default() }
    }

    /// Takes a member's mark; it is appended at once or within a second.
    ///
    /// # Errors
    /// `not_found` for who is no member, `bad_request`, `unavailable`, `overloaded`.
    pub async fn mark(&self, user: UserId, room: RoomId, mark: ReadMark) -> Result<(), Refusal> {
        if mark.seq >= SEQ_LIMIT {
            return Err(Refusal::new(ErrorCode::BadRequest).detail("no message has this number").at("seq"));
        }
        self.rights.member(room, user).await?;
        let key = (user, room);
        let mut waiting = self.lock();
        if let Some(earlier) = waiting.get_mut(&key) {
            earlier.add(mark);
            metrics::read_mark("coalesced");
            return Ok(());
        }
        if waiting.len() >= ON_THEIR_WAY_MAX {
            metrics::limited("reads_on_their_way");
            return Err(Refusal::new(ErrorCode::Overloaded).retry_after(PACE));
        }
        waiting.entry(key).or_default().add(mark);
        metrics::reads_on_their_way(waiting.len());
        drop(waiting);
        tokio::spawn(self.clone().carry(key));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what was said, then once a second what was said meanwhile, until nothing was.
    async fn carry(self, key: Key) {
        let mut failures = 0;
        while let Some(marks) = self.take(key) {
            let appended = tokio::time::timeout(APPEND_DEADLINE, self.append_all(key, marks)).await;
            if matches!(appended, Ok(true)) {
                failures = 0;
                metrics::read_mark("appended");
            } else if failures < ATTEMPTS {
                failures += 1;
                let mut waiting = self.lock();
                let later = waiting.entry(key).or_default();
                *later = marks.before(*later);
            } else {
                metrics::read_mark("lost");
            }
            tokio::time::sleep(PACE).await;
        }
    }

    /// What is to be appended; `None`, and the key is free again, if nothing is.
    fn take(&self, key: Key) -> Option<Waiting> {
        let mut waiting = self.lock();
        let marks = waiting.get_mut(&key).map(std::mem::take).filter(|marks| *marks != Waiting::default());
        if marks.is_none() {
            waiting.remove(&key);
            metrics::reads_on_their_way(waiting.len());
        }
        marks
    }

    async fn append_all(&self, (user, room): Key, marks: Waiting) -> bool {
        for value in marks.values() {
            if !self.append(user, room, value).await {
                return false;
            }
        }
        true
    }

    /// Twice in the log is as good as once, so an unknown outcome is a failure.
    async fn append(&self, user: UserId, room: RoomId, value: i64) -> bool {
        let partition = room.partition();
        let Ok(end) = self.ends.known(partition).await else { return false };
        let record = Record {
            kind: Kind::Read,
            room,
            sender: user,
            cid: Cid(Uuid::now_v7()),
            base: end,
            floor: end,
            auth: end,
            target: None,
            value,
            body: Body::empty(),
            imported: false,
            sent_at: clock::now(),
        };
        let Ok(receipt) = self.log.enqueue(partition, room, codec::encode(&record)) else { return false };
        match receipt.await {
            Appended::At(position) => self.ends.reached(partition, position),
            Appended::Somewhere => {}
            Appended::Unknown => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(marks: &[(u64, bool)]) -> Vec<i64> {
        let mut waiting = Waiting::default();
        marks.iter().for_each(|(seq, back)| waiting.add(ReadMark { seq: *seq, back: *back }));
        waiting.values().collect()
    }

    #[test]
    fn of_what_is_read_within_a_second_the_furthest_is_appended() {
        assert_eq!(said(&[(3, false), (7, false), (5, false)]), [7]);
    }

    #[test]
    fn what_is_marked_unread_stays_so_until_it_is_read_again() {
        assert_eq!(said(&[(7, false), (4, true)]), [7, -5]);
        assert_eq!(said(&[(4, true), (3, false)]), [3, -5]);
        assert_eq!(said(&[(4, true), (9, false)]), [9]);
    }
}
