//! What a client wants to be taken, in order, by the rules of docs/api.md: an unknown outcome is asked for again before anything later in its room, one at a
//! time; what was refused for now is tried again in its place. Pure: it knows neither socket nor clock.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use parley_proto::{Cid, Cursor, ErrorCode, MessageId, RoomId, wire::Ref};
use tokio::time::Instant;

/// Sends of one room on their way at the same time.
const FLYING_MAX: usize = 8;
/// After a refusal that gave no hint.
const REFUSED_PAUSE: Duration = Duration::from_millis(250);

/// What is to be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Message { body: String },
    Vote { target: MessageId, value: i64 },
}

/// A thing that stays the same however often it is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Thing {
    pub(super) room: RoomId,
    pub(super) cid: Cid,
    pub(super) base: Cursor,
    pub(super) what: What,
    /// When the schedule wanted it sent, on the run's clock.
    pub(super) due: u64,
}

/// The server's word on one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Ack,
    Rejected { code: ErrorCode, last: bool, pause: Option<Duration> },
    Unknown { last: bool, pause: Duration },
}

/// How to try it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    First(Thing),
    Again(Thing),
    /// The user does not want it any more.
    Discard(Thing),
}

#[derive(Debug)]
struct Entry {
    thing: Thing,
    /// An earlier attempt may have been taken.
    doubtful: bool,
    discard: bool,
    flying: Option<Ref>,
    not_before: Option<Instant>,
}

/// Bounded: what does not fit is not taken.
#[derive(Debug)]
pub(super) struct Outbox {
    entries: VecDeque<Entry>,
    max: usize,
}

impl Outbox {
    pub(super) fn new(max: usize) -> Self {
        Self { entries: VecDeque::new(), max }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// False if there is no room for it.
    pub(super) fn push(&mut self, thing: Thing) -> bool {
        self.push_entry(thing, false)
    }

    /// Something that was acked, tried once more.
    pub(super) fn push_again(&mut self, thing: Thing) -> bool {
        self.push_entry(thing, true)
    }

    fn push_entry(&mut self, thing: Thing, doubtful: bool) -> bool {
        let fits = self.entries.len() < self.max;
        if fits {
            self.entries.push_back(Entry { thing, doubtful, discard: false, flying: None, not_before: None });
        }
        fits
    }

    /// Whether a vote on this message waits.
    pub(super) fn votes_on(&self, message: MessageId) -> bool {
        self.entries.iter().any(|entry| matches!(entry.thing.what, What::Vote { target, .. } if target == message))
    }

    /// The next attempt that may be made now, to be called `reference`.
    pub(super) fn next(&mut self, now: Instant, reference: Ref, may: impl Fn(RoomId) -> bool) -> Option<Attempt> {
        let mut flying: HashMap<RoomId, usize> = HashMap::new();
        for entry in self.entries.iter().filter(|entry| entry.flying.is_some()) {
            *flying.entry(entry.thing.room).or_default() += 1;
        }
        let doubtful: HashSet<RoomId> = self.entries.iter().filter(|entry| entry.doubtful).map(|entry| entry.thing.room).collect();
        let mut passed = HashSet::new();
        let entry = self.entries.iter_mut().filter(|entry| entry.flying.is_none()).find(|entry| {
            let room = entry.thing.room;
            let on_the_way = flying.get(&room).copied().unwrap_or_default();
            let waits = entry.not_before.is_some_and(|at| at > now) || !may(room) || passed.contains(&room);
            let takes_its_turn = if doubtful.contains(&room) { entry.doubtful && on_the_way == 0 } else { on_the_way < FLYING_MAX };
            // What waits for one in doubt, wherever that stands, holds back nothing itself.
            let counts = entry.doubtful || !doubtful.contains(&room);
            if counts && (waits || !takes_its_turn) {
                passed.insert(room);
            }
            !waits && takes_its_turn
        })?;
        entry.flying = Some(reference);
        let thing = entry.thing.clone();
        Some(if entry.discard {
            Attempt::Discard(thing)
        } else if entry.doubtful {
            Attempt::Again(thing)
        } else {
            Attempt::First(thing)
        })
    }

    /// When something that was put off may be tried.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.entries.iter().filter(|entry| entry.flying.is_none()).filter_map(|entry| entry.not_before).min()
    }

    /// Takes the server's word; what is settled with an ack comes back.
    pub(super) fn answered(&mut self, reference: Ref, answer: Answer, now: Instant) -> Option<Thing> {
        let at = self.entries.iter().position(|entry| entry.flying == Some(reference))?;
        let entry = &mut self.entries[at];
        entry.flying = None;
        match answer {
            Answer::Rejected { code, last: false, pause } if entry.doubtful || is_for_now(code) => {
                entry.not_before = Some(now + pause.unwrap_or(REFUSED_PAUSE));
                None
            }
            Answer::Unknown { last: false, pause } => {
                entry.doubtful = true;
                entry.not_before = Some(now + pause);
                None
            }
            Answer::Ack => self.entries.remove(at).map(|entry| entry.thing),
            Answer::Rejected { .. } | Answer::Unknown { .. } => {
                self.entries.remove(at);
                None
            }
        }
    }

    /// The connection is gone: what was on its way may have been taken.
    pub(super) fn lost(&mut self) {
        for entry in &mut self.entries {
            entry.doubtful |= entry.flying.take().is_some();
            entry.not_before = None;
        }
    }

    /// A replay shows it: it was taken.
    pub(super) fn strike(&mut self, cid: Cid) {
        self.entries.retain(|entry| entry.thing.cid != cid || entry.flying.is_some());
    }

    /// The user gives up the first message whose outcome is unknown.
    pub(super) fn discard_one(&mut self) {
        let message = |entry: &&mut Entry| entry.doubtful && entry.flying.is_none() && matches!(entry.thing.what, What::Message { .. });
        if let Some(entry) = self.entries.iter_mut().find(message) {
            entry.discard = true;
        }
    }

    /// The user left the room: what was never tried is not tried any more.
    pub(super) fn forget_untried(&mut self, room: RoomId) {
        self.entries.retain(|entry| entry.thing.room != room || entry.doubtful || entry.flying.is_some());
    }
}

/// Whether the same may be accepted later.
fn is_for_now(code: ErrorCode) -> bool {
    matches!(code.status(), 429 | 503) || matches!(code, ErrorCode::OrderHold | ErrorCode::BaseAhead)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SOON: Duration = Duration::from_millis(5);

    fn message(number: u128) -> Thing {
        let room = RoomId::new(parley_proto::PartitionId(0), [1; 16]);
        Thing { room, cid: Cid(Uuid::from_u128(number)), base: Cursor::ZERO, what: What::Message { body: number.to_string() }, due: 0 }
    }

    fn outbox(count: u128) -> Outbox {
        let mut outbox = Outbox::new(10);
        assert!((0..count).all(|number| outbox.push(message(number))));
        outbox
    }

    #[test]
    fn sends_go_in_order_and_many_at_a_time() {
        let mut outbox = outbox(10);
        assert!(!outbox.push(message(11)), "it is full");
        let now = Instant::now();
        for number in 0..FLYING_MAX {
            assert_eq!(outbox.next(now, number as u64, |_| true), Some(Attempt::First(message(number as u128))));
        }
        assert_eq!(outbox.next(now, 99, |_| true), None);
        assert_eq!(outbox.answered(3, Answer::Ack, now), Some(message(3)));
        assert!(outbox.next(now, 99, |_| true).is_some());
    }

    #[test]
    fn an_unknown_outcome_holds_its_room_until_it_is_known() {
        let (mut outbox, now) = (outbox(3), Instant::now());
        outbox.next(now, 0, |_| true);
        outbox.next(now, 1, |_| true);
        outbox.answered(0, Answer::Unknown { last: false, pause: SOON }, now);
        let refused = Answer::Rejected { code: ErrorCode::OrderHold, last: false, pause: None };
        outbox.answered(1, refused, now);
        assert_eq!(outbox.next(now, 2, |_| true), None, "not before the pause is over");
        assert_eq!(outbox.wake(), Some(now + SOON));
        assert_eq!(outbox.next(now + SOON, 2, |_| true), Some(Attempt::Again(message(0))));
        assert_eq!(outbox.next(now + 2 * REFUSED_PAUSE, 3, |_| true), None, "one at a time");
        outbox.answered(2, Answer::Ack, now);
        assert_eq!(outbox.next(now + 2 * REFUSED_PAUSE, 3, |_| true), Some(Attempt::First(message(1))));
    }

    #[test]
    fn what_was_on_its_way_is_in_doubt_once_the_connection_is_gone() {
        let (mut outbox, now) = (outbox(2), Instant::now());
        outbox.next(now, 0, |_| true);
        outbox.lost();
        outbox.discard_one();
        assert_eq!(outbox.next(now, 1, |_| true), Some(Attempt::Discard(message(0))));
        outbox.answered(1, Answer::Rejected { code: ErrorCode::Cancelled, last: true, pause: None }, now);
        assert_eq!(outbox.next(now, 2, |_| true), Some(Attempt::First(message(1))));
        outbox.lost();
        outbox.strike(message(1).cid);
        assert!(outbox.is_empty());
    }

    #[test]
    fn one_in_doubt_is_asked_for_though_an_earlier_one_was_refused() {
        let (mut outbox, now) = (outbox(2), Instant::now());
        outbox.next(now, 0, |_| true);
        outbox.next(now, 1, |_| true);
        outbox.answered(0, Answer::Rejected { code: ErrorCode::Unavailable, last: false, pause: Some(SOON) }, now);
        outbox.answered(1, Answer::Unknown { last: false, pause: SOON }, now);
        assert_eq!(outbox.next(now + SOON, 2, |_| true), Some(Attempt::Again(message(1))));
        outbox.answered(2, Answer::Ack, now);
        assert_eq!(outbox.next(now + SOON, 3, |_| true), Some(Attempt::First(message(0))));
    }

    #[test]
    fn what_can_never_be_is_not_tried_again() {
        let (mut outbox, now) = (outbox(1), Instant::now());
        outbox.next(now, 0, |_| true);
        outbox.answered(0, Answer::Rejected { code: ErrorCode::NotFound, last: false, pause: None }, now);
        assert!(outbox.is_empty());
    }
}
