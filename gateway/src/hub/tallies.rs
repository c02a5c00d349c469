//! A room's tallies on their way to its sockets: changes are coalesced to absolute values, a few times a second, however many vote. Pure.
//!
//! Whose own vote changed is told that as well, and only that person's sockets are.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    time::Duration,
};

use parley_proto::{
    Cursor, MessageId, RoomId, UserId,
    notice::ChangedTally,
    wire::{ServerFrame, Tallies, Tally, VoteValue},
};
use tokio::time::Instant;

use crate::frame::Frame;

/// Between two frames of tallies of a room to a socket.
pub(super) const FLUSH_INTERVAL: Duration = Duration::from_millis(250);
/// Tallies in one frame: below 64 KiB.
const FRAME_TALLIES: usize = 400;
/// Changed tallies and own votes that may wait; more is told at once.
const PENDING_MAX: usize = 20_000;

/// What a socket's client knows of a room's tallies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Those that changed at or above the floor have not been sent yet; whoever reads them has the ticket.
    Outstanding { floor: Cursor, ticket: Ticket },
    /// All as of this, and every change that was flushed since.
    AsOf(Cursor),
}

impl Known {
    /// Nothing more is told for now, everything up to `flushed` having been told. Nobody reads the rest before somebody has a ticket for it.
    pub(super) fn stop(&mut self, flushed: Cursor) {
        let floor = match *self {
            Self::Outstanding { floor, .. } => floor,
            Self::AsOf(as_of) => as_of.max(flushed),
        };
        *self = Self::Outstanding { floor, ticket: Ticket::NOBODY_S };
    }

    /// What was not told is read from now on.
    pub(super) fn go_on(&mut self, theirs: Ticket) {
        if let Self::Outstanding { ticket, .. } = self {
            *ticket = theirs;
        }
    }

    /// A page was sent whose tallies are as of this.
    pub(super) fn lower(&mut self, as_of: Cursor) {
        let (Self::Outstanding { floor: known, .. } | Self::AsOf(known)) = self;
        *known = (*known).min(as_of);
    }
}

/// One reading of what a socket's first answer could not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(pub(super) u64);

impl Ticket {
    const NOBODY_S: Self = Self(u64::MAX);
}

/// What a first answer says of the tallies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Brought {
    /// Changes at or above this have to be told, now or later.
    pub(crate) floor: Cursor,
    pub(crate) read: Option<ReadTallies>,
}

/// Tallies as of a snapshot, of messages below `below`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadTallies {
    pub(crate) as_of: Cursor,
    pub(crate) below: Cursor,
}

/// The changes of one room that wait for the next flush.
#[derive(Debug, Default)]
pub(super) struct RoomTallies {
    pending: BTreeMap<MessageId, Pending>,
    /// Changed tallies and own votes in `pending`.
    size: usize,
    /// Where the chain ended before the oldest of `pending` changed.
    before: Cursor,
    /// Where the chain ended when a tally of this room changed last.
    changed: Cursor,
    flushed: Option<Instant>,
    /// A flush is due already.
    waiting: bool,
}

#[derive(Debug)]
struct Pending {
    tally: Tally,
    votes: HashMap<UserId, VoteValue>,
}

/// When what waits is to be flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    Now,
    After(Duration),
    /// A flush is due already.
    Waits,
}

impl RoomTallies {
    /// These changed while the chain went from `from` to `to`.
    pub(super) fn change(&mut self, from: Cursor, to: Cursor, changed: Vec<ChangedTally>, now: Instant) -> Flush {
        if self.pending.is_empty() {
            self.before = from;
        }
        self.changed = to;
        for ChangedTally { target, position, up, down, votes, .. } in changed {
            let tally = Tally { target, position, up, down, mine: None };
            self.size += 1 + votes.len();
            let pending = self.pending.entry(target).or_insert_with(|| Pending { tally, votes: HashMap::new() });
            pending.tally = tally;
            pending.votes.extend(votes);
        }
        let next = self.flushed.map_or(now, |flushed| flushed + FLUSH_INTERVAL);
        if next <= now || self.size > PENDING_MAX {
            return Flush::Now;
        }
        if std::mem::replace(&mut self.waiting, true) { Flush::Waits } else { Flush::After(next - now) }
    }

    /// What waits; `None` if nothing does.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        self.waiting = false;
        if self.pending.is_empty() {
            return None;
        }
        self.flushed = Some(now);
        self.size = 0;
        let pending: Vec<_> = std::mem::take(&mut self.pending).into_values().collect();
        let voters = pending.iter().flat_map(|pending| pending.votes.keys().copied()).collect();
        Some(Due { as_of: self.changed, pending, voters })
    }

    /// Whether tallies that were read as of a snapshot lack a change that was handed on before.
    pub(super) fn is_newer_than(&self, as_of: Cursor) -> bool {
        self.changed > as_of
    }

    /// Every change that was handed on up to here was flushed.
    pub(super) fn flushed(&self) -> Cursor {
        if self.pending.is_empty() { self.changed } else { self.before }
    }

    /// What a client that was told everything knows, the chain having got to `end`.
    pub(super) fn told(&self, end: Cursor) -> Cursor {
        if self.pending.is_empty() { end } else { self.before.min(end) }
    }
}

/// A flush.
#[derive(Debug)]
pub(super) struct Due {
    as_of: Cursor,
    pending: Vec<Pending>,
    voters: HashSet<UserId>,
}

impl Due {
    /// The frames for everybody whose own votes are as they were.
    pub(super) fn frames(&self, room: RoomId) -> Vec<Frame> {
        frames(room, self.as_of, self.pending.iter().map(|pending| pending.tally))
    }

    /// The frames for somebody whose own votes changed.
    pub(super) fn own_frames(&self, room: RoomId, user: UserId) -> Option<Vec<Frame>> {
        let own = |pending: &Pending| Tally { mine: pending.votes.get(&user).copied(), ..pending.tally };
        self.voters.contains(&user).then(|| frames(room, self.as_of, self.pending.iter().map(own)))
    }
}

/// Frames of tallies, each of a bounded size.
pub(super) fn frames(room: RoomId, as_of: Cursor, tallies: impl Iterator<Item = Tally>) -> Vec<Frame> {
    let tallies: Vec<Tally> = tallies.collect();
    let frame = |items: &[Tally]| ServerFrame::Tallies { room, tallies: Tallies { items: items.to_vec(), as_of } };
    tallies.chunks(FRAME_TALLIES).filter_map(|items| Frame::of(&frame(items))).collect()
}

/// A person's view of tallies that changed.
pub(crate) fn seen_by(user: UserId, changed: &ChangedTally) -> Tally {
    let ChangedTally { target, position, up, down, votes, .. } = changed;
    Tally { target: *target, position: *position, up: *up, down: *down, mine: votes.iter().find(|(voter, _)| *voter == user).map(|(_, value)| *value) }
}

#[cfg(test)]
mod tests {
    use parley_proto::{PartitionId, Position};
    use uuid::Uuid;

    use super::*;

    fn changed(target: u128, up: u64, votes: &[(u128, i64)]) -> ChangedTally {
        ChangedTally {
            room: room(),
            target: MessageId(Uuid::from_u128(target)),
            position: Position(1),
            up,
            down: 0,
            votes: votes.iter().map(|(user, value)| (UserId(Uuid::from_u128(*user)), VoteValue::try_from(*value).unwrap())).collect(),
        }
    }

    fn room() -> RoomId {
        RoomId::new(PartitionId(1), [1; 16])
    }

    fn items(frames: &[Frame]) -> Vec<Tally> {
        let tallies = |frame: &Frame| match serde_json::from_str(frame.json()).unwrap() {
            ServerFrame::Tallies { tallies, .. } => tallies.items,
            other => panic!("{other:?}"),
        };
        frames.iter().flat_map(tallies).collect()
    }

    #[test]
    fn the_first_change_goes_out_at_once_and_a_storm_goes_out_four_times_a_second() {
        let (mut tallies, start) = (RoomTallies::default(), Instant::now());
        let mut flushes = 0;
        let mut due = None;
        for number in 0..10_000_u64 {
            let now = start + Duration::from_micros(number * 500);
            if due.is_some_and(|due| due <= now) {
                due = None;
                flushes += usize::from(tallies.take(now).is_some());
            }
            match tallies.change(Cursor(number), Cursor(number + 1), vec![changed(1, number, &[])], now) {
                Flush::Now => flushes += usize::from(tallies.take(now).is_some()),
                Flush::After(delay) => due = Some(now + delay),
                Flush::Waits => assert!(due.is_some()),
            }
        }
        assert!((19..=21).contains(&flushes), "{flushes} in 5 s");
    }

    #[test]
    fn the_last_value_is_what_is_told_and_only_to_its_owner_which_vote_is_theirs() {
        let (mut tallies, now) = (RoomTallies::default(), Instant::now());
        tallies.change(Cursor(5), Cursor(7), vec![changed(1, 1, &[(8, 1)])], now);
        tallies.change(Cursor(7), Cursor(9), vec![changed(1, 0, &[(8, 0)]), changed(2, 4, &[(9, 1)])], now);
        let due = tallies.take(now).unwrap();
        let seen: Vec<_> = items(&due.frames(room())).iter().map(|tally| (tally.up, tally.mine)).collect();
        assert_eq!(seen, [(0, None), (4, None)]);
        let own: Vec<_> = items(&due.own_frames(room(), UserId(Uuid::from_u128(8))).unwrap()).iter().map(|tally| (tally.up, tally.mine)).collect();
        assert_eq!(own, [(0, Some(VoteValue::NONE)), (4, None)]);
        assert!(due.own_frames(room(), UserId(Uuid::from_u128(7))).is_none());
        assert!(tallies.take(now).is_none());
    }

    #[test]
    fn a_client_knows_only_what_was_flushed() {
        let (mut tallies, now) = (RoomTallies::default(), Instant::now());
        assert_eq!(tallies.told(Cursor(5)), Cursor(5));
        tallies.change(Cursor(5), Cursor(7), vec![changed(1, 1, &[])], now);
        tallies.change(Cursor(7), Cursor(9), vec![changed(1, 2, &[])], now);
        assert_eq!(tallies.told(Cursor(9)), Cursor(5));
        assert!(tallies.is_newer_than(Cursor(8)) && !tallies.is_newer_than(Cursor(9)));
        tallies.take(now);
        assert_eq!(tallies.told(Cursor(12)), Cursor(12));
    }

    #[test]
    fn many_tallies_are_many_small_frames() {
        let many = frames(room(), Cursor(9), (0..1_000).map(|number| seen_by(UserId::NIL, &changed(number, 1_000_000, &[]))));
        assert_eq!(items(&many).len(), 1_000);
        assert!(many.iter().all(|frame| frame.bytes().len() <= 64 * 1024));
    }
}
