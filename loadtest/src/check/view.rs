//! What one client was shown, beside what the log says it had to be shown at that moment (G3, G4, G5, G6, G7, G10, G12). The client is taken at its word for
//! what it was sent; where it stands is worked out here, by the rules of docs/api.md.

use std::collections::HashMap;

use parley_proto::{
    Cursor, MessageId, Position, RoomId, UserId,
    wire::{Ref, ResumeOutcome, RoomCursor},
};

use super::{
    Limits,
    acks::Acks,
    promise::{Findings, Promise},
    trouble::Trouble,
    truth::Truth,
};
use crate::history::{Deed, Event, How, Micros, Shown, Votes};

/// What a client holds of a room.
#[derive(Debug, Default)]
struct Room {
    /// Everything in [start, cursor) was shown.
    start: Cursor,
    cursor: Cursor,
    live: bool,
    /// What came of a replay that is not complete yet.
    pieces: Vec<Shown>,
    tallies: HashMap<MessageId, (Cursor, u64, u64)>,
    leaving: Option<Leaving>,
    leaves: usize,
}

/// From the wish to leave until the wish to join again.
#[derive(Debug, Clone, Copy)]
struct Leaving {
    /// Where the log says it.
    position: Option<Position>,
    /// When it was answered.
    done: Option<Micros>,
}

/// What is counted of all clients.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) shown: u64,
    pub(super) subscribes: u64,
    pub(super) resumes: u64,
    pub(super) resyncs: u64,
    pub(super) pages: u64,
    pub(super) tallies: u64,
    pub(super) leaves: u64,
    pub(super) sign_outs: u64,
    /// Subscribes and resumes that were answered with messages which were in the log alone.
    pub(super) from_log_alone: u64,
    /// The longest time after the answer to a leave or sign-out in which something still came.
    pub(super) slowest_revocation: Micros,
}

/// The client, while its history is read.
#[derive(Debug)]
pub(super) struct View<'a> {
    truth: &'a Truth,
    acks: &'a Acks,
    limits: &'a Limits,
    troubles: &'a [Trouble],
    user: UserId,
    name: String,
    rooms: HashMap<RoomId, Room>,
    /// The subscribes of this connection that have no page yet, and when each was sent.
    asked: HashMap<Ref, Micros>,
    hello: Micros,
    signed_out: Option<Micros>,
}

impl<'a> View<'a> {
    pub(super) fn new(truth: &'a Truth, acks: &'a Acks, limits: &'a Limits, troubles: &'a [Trouble]) -> Self {
        Self { truth, acks, limits, troubles, user: UserId::NIL, name: String::new(), rooms: HashMap::new(), asked: HashMap::new(), hello: 0, signed_out: None }
    }

    pub(super) fn event(&mut self, at: Micros, event: &Event, seen: &mut Seen, findings: &mut Findings) {
        match event {
            Event::Person { user, name } => (self.user, self.name) = (*user, name.clone()),
            Event::Hello { .. } => {
                self.hello = at;
                self.signed_out = None;
                self.rooms.values_mut().for_each(|room| room.live = false);
            }
            Event::Welcome { resume, .. } => {
                for room in self.rooms.values_mut().filter(|_| *resume == ResumeOutcome::Accepted) {
                    room.live = true;
                    room.pieces.clear();
                }
            }
            Event::Closed { .. } => {
                self.closed(at, seen, findings);
                self.asked.clear();
                self.rooms.values_mut().for_each(|room| room.live = false);
            }
            Event::Subscribe { reference, .. } => _ = self.asked.insert(*reference, at),
            Event::Unsubscribed { room, .. } => self.rooms.entry(*room).or_default().live = false,
            Event::Page { how, room, start, end, items, catching_up, votes } => {
                self.data(at, *room, items, seen, findings);
                self.page(at, *how, *room, (*start, *end), items, *catching_up, seen, findings);
                if let Some(votes) = votes {
                    self.votes(*room, votes, seen, findings);
                }
            }
            Event::Replay { room, prev, cursor, items, more, catching_up } => {
                self.data(at, *room, items, seen, findings);
                self.replay(*room, *prev, items, findings);
                if !more {
                    self.replayed(at, *room, *cursor, *catching_up, seen, findings);
                }
            }
            Event::Frames { room, prev, items } => {
                self.data(at, *room, items, seen, findings);
                self.frames(*room, *prev, items, findings);
            }
            Event::Cursors { items } => self.cursors(items, findings),
            Event::Tallies { room, votes } => self.votes(*room, votes, seen, findings),
            Event::Asked { deed: Deed::Leave(room) } => {
                let (user, truth) = (self.user, self.truth);
                let held = self.rooms.entry(*room).or_default();
                held.leaving = Some(Leaving { position: truth.left(*room, user, held.leaves), done: None });
                held.leaves += 1;
                seen.leaves += 1;
            }
            Event::Asked { deed: Deed::Join(room) } => self.rooms.entry(*room).or_default().leaving = None,
            Event::Done { deed: Deed::Leave(room) } => {
                if let Some(leaving) = &mut self.rooms.entry(*room).or_default().leaving {
                    leaving.done = Some(at);
                }
            }
            Event::Done { deed: Deed::SignOut } => {
                seen.sign_outs += 1;
                self.signed_out = Some(at);
            }
            Event::Quiet => self.quiet(findings),
            _ => {}
        }
    }

    /// Room data came: it had to be allowed to (G10).
    fn data(&mut self, at: Micros, room: RoomId, items: &[Shown], seen: &mut Seen, findings: &mut Findings) {
        seen.shown += items.len() as u64;
        if let Some(out) = self.signed_out {
            self.revoked(at, out, "signed out", seen, findings);
        }
        let Some(leaving) = self.rooms.get(&room).and_then(|room| room.leaving) else { return };
        if let Some(done) = leaving.done {
            self.revoked(at, done, "left", seen, findings);
        }
        if let Some(position) = leaving.position {
            let above = items.iter().find(|(shown, ..)| *shown > position);
            findings.that(Promise::Revocation, above.is_none(), || format!("{}: left {room} at {position} and was shown {above:?}", self.name));
        }
    }

    fn revoked(&self, at: Micros, since: Micros, what: &str, seen: &mut Seen, findings: &mut Findings) {
        let late = at - since;
        seen.slowest_revocation = seen.slowest_revocation.max(late);
        let bound = u64::try_from(self.limits.revocation.as_micros()).unwrap_or(u64::MAX);
        findings.that(Promise::Revocation, late <= bound, || format!("{}: {what}, and {late} µs later something came", self.name));
    }

    /// A socket whose session ended is closed.
    fn closed(&mut self, at: Micros, seen: &mut Seen, findings: &mut Findings) {
        if let Some(out) = self.signed_out.take() {
            self.revoked(at, out, "signed out (until the socket was closed)", seen, findings);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a page has that many parts")]
    fn page(
        &mut self,
        at: Micros,
        how: How,
        room: RoomId,
        (start, end): (Cursor, Cursor),
        items: &[Shown],
        catching_up: bool,
        seen: &mut Seen,
        findings: &mut Findings,
    ) {
        let (missing, asked) = match how {
            How::Subscribed(reference) => {
                seen.subscribes += 1;
                let asked = self.asked.remove(&reference);
                findings.that(Promise::Subscribe, asked.is_some(), || format!("{}: {room}: a page that answers {reference}, which waits for none", self.name));
                (Promise::Subscribe, asked.unwrap_or(at))
            }
            How::Resync => {
                seen.resyncs += 1;
                (Promise::Resume, self.hello)
            }
            How::History => {
                seen.pages += 1;
                self.compare(Promise::Resume, room, start, end, items, findings);
                let held = self.rooms.entry(room).or_default();
                if end >= held.start {
                    held.start = held.start.min(start);
                }
                return;
            }
        };
        self.compare(missing, room, start, end, items, findings);
        self.count_from_log_alone(asked, at, room, items, seen);
        if !catching_up {
            self.reaches(missing, room, asked, end, findings);
        }
        let held = self.rooms.entry(room).or_default();
        held.tallies.clear();
        (held.start, held.cursor, held.live) = (start, end, true);
    }

    fn replay(&mut self, room: RoomId, prev: Cursor, items: &[Shown], findings: &mut Findings) {
        let name = &self.name;
        let held = self.rooms.entry(room).or_default();
        findings.that(Promise::Resume, prev <= held.cursor, || format!("{name}: a replay of {room} from {prev}, the client stands at {}", held.cursor));
        held.pieces.extend_from_slice(items);
    }

    fn replayed(&mut self, at: Micros, room: RoomId, cursor: Cursor, catching_up: bool, seen: &mut Seen, findings: &mut Findings) {
        // It answers the hello. The room may be one that the token has and the client does not count on: then a subscribe was sent since.
        let asked = self.hello;
        let held = self.rooms.entry(room).or_default();
        let (from, pieces) = (held.cursor, std::mem::take(&mut held.pieces));
        // Older rows come again when they have changed.
        let new: Vec<_> = pieces.into_iter().filter(|(position, ..)| position.at() >= from).collect();
        held.cursor = held.cursor.max(cursor);
        held.live = true;
        seen.resumes += 1;
        self.compare(Promise::Resume, room, from, cursor, &new, findings);
        self.count_from_log_alone(asked, at, room, &new, seen);
        if !catching_up {
            self.reaches(Promise::Resume, room, asked, cursor, findings);
        }
    }

    fn frames(&mut self, room: RoomId, prev: Cursor, items: &[Shown], findings: &mut Findings) {
        let held = self.rooms.entry(room).or_default();
        let from = held.cursor;
        let end = items.last().map_or(from, |(position, ..)| position.next());
        held.cursor = held.cursor.max(end);
        let (live, name) = (held.live, &self.name);
        findings.that(Promise::Resume, live, || format!("{name}: frames of {room}, which is not received"));
        findings.that(Promise::Resume, prev <= from, || format!("{name}: frames of {room} from {prev}, the client stands at {from}"));
        self.compare(Promise::Resume, room, from, end, items, findings);
    }

    /// A raised cursor says that nothing is between.
    fn cursors(&mut self, items: &[RoomCursor], findings: &mut Findings) {
        for RoomCursor { room, cursor } in items {
            let Some(held) = self.rooms.get_mut(room) else { continue };
            let from = held.cursor;
            held.cursor = held.cursor.max(*cursor);
            self.compare(Promise::Resume, *room, from, *cursor, &[], findings);
        }
    }

    /// `items` have to be exactly what the room has in [from, to).
    fn compare(&self, missing: Promise, room: RoomId, from: Cursor, to: Cursor, items: &[Shown], findings: &mut Findings) {
        let wanted = self.truth.lines(room, from, to);
        let same = |(shown, line): (&Shown, &super::truth::Line)| *shown == (line.position, line.id, line.sender, line.body);
        if items.len() == wanted.len() && items.iter().zip(wanted).all(same) {
            for promise in [missing, Promise::Order, Promise::Integrity, Promise::Once] {
                findings.that(promise, true, String::new);
            }
            return;
        }
        let name = &self.name;
        for pair in items.windows(2) {
            let promise = if pair[0].0 == pair[1].0 { Promise::Resume } else { Promise::Order };
            findings.that(promise, pair[0].0 < pair[1].0, || format!("{name}: {room}: shown in the order {pair:?}"));
        }
        for shown in items {
            findings.that(missing, (from..to).contains(&shown.0.at()), || format!("{name}: {room}: {shown:?} is not in [{from}, {to}), or came again"));
            self.line(room, shown, findings);
        }
        let mut there: Vec<_> = items.iter().map(|(position, ..)| *position).collect();
        there.sort_unstable();
        for line in wanted {
            findings.that(missing, there.binary_search(&line.position).is_ok(), || format!("{name}: {room}: {line:?} was not shown in [{from}, {to})"));
        }
    }

    /// One line that was shown, beside the one that is there.
    fn line(&self, room: RoomId, shown: &Shown, findings: &mut Findings) {
        let (position, id, sender, body) = *shown;
        let what = |says: &str| format!("{}: {room}: {shown:?}: {says}", self.name);
        let line = self.truth.line(room, position);
        if let Some(line) = line.filter(|line| line.id == id) {
            findings.that(Promise::Integrity, line.sender == sender && line.body == body, || what(&format!("it is {line:?}")));
            return;
        }
        match self.truth.taken(id) {
            None => findings.that(Promise::Integrity, false, || what("nothing like that is in the log")),
            Some(taken) if taken.room != room => findings.that(Promise::Integrity, false, || what(&format!("it was sent to {}", taken.room))),
            Some(taken) if taken.repeats.contains(&position) => findings.that(Promise::Once, false, || what("this is a repeat, and no line")),
            Some(taken) => findings.that(Promise::Order, false, || what(&format!("its position is {}", taken.position))),
        }
    }

    /// What was acked before it was asked for has to be below `end`.
    fn reaches(&self, promise: Promise, room: RoomId, asked: Micros, end: Cursor, findings: &mut Findings) {
        if let Some((position, id)) = self.acks.highest_before(room, asked) {
            findings.that(promise, position.at() < end, || {
                format!("{}: {room}: {id} at {position} was acked before {asked} µs, when this was asked for, and is not below {end}", self.name)
            });
        }
    }

    fn count_from_log_alone(&self, asked: Micros, at: Micros, room: RoomId, items: &[Shown], seen: &mut Seen) {
        let alone = self.troubles.iter().filter(|trouble| trouble.began <= asked && at <= trouble.ended).flat_map(|trouble| &trouble.only_in_log);
        let mut pieces = alone.filter(|(partition, ..)| *partition == room.partition());
        let from_there = pieces.any(|(_, from, to)| items.iter().any(|(position, ..)| (*from..*to).contains(&position.at())));
        seen.from_log_alone += u64::from(from_there);
    }

    fn votes(&mut self, room: RoomId, votes: &Votes, seen: &mut Seen, findings: &mut Findings) {
        let (truth, user, as_of) = (self.truth, self.user, votes.as_of);
        for (message, up, down, mine) in &votes.items {
            seen.tallies += 1;
            let wanted = truth.counted(*message, as_of);
            findings.that(Promise::Tallies, (*up, *down) == wanted, || {
                format!("{}: {message} as of {as_of}: shown {up} up and {down} down, it should be {wanted:?}", self.name)
            });
            if let Some(mine) = mine {
                let wanted = truth.own_vote(*message, user, as_of);
                findings.that(Promise::Tallies, *mine == wanted, || format!("{}: {message} as of {as_of}: own vote {mine}, it should be {wanted}", self.name));
            }
            let held = self.rooms.entry(room).or_default().tallies.entry(*message).or_default();
            if as_of > held.0 {
                *held = (as_of, *up, *down);
            }
        }
    }

    /// Everything is said and stored: the client holds all of it.
    fn quiet(&self, findings: &mut Findings) {
        for (room, held) in self.rooms.iter().filter(|(_, held)| held.live) {
            let end = self.truth.end(*room);
            findings.that(Promise::Resume, held.cursor >= end, || {
                format!("{}: {room} ends at {end}, shown in the end was what is below {}", self.name, held.cursor)
            });
            for (position, message) in self.truth.voted(*room).iter().filter(|(position, _)| (held.start..held.cursor).contains(&position.at())) {
                let wanted = self.truth.counted(*message, Cursor::LIMIT);
                let shown = held.tallies.get(message).map_or((0, 0), |(_, up, down)| (*up, *down));
                findings.that(Promise::Converged, shown == wanted, || {
                    format!("{}: {room}: {message} at {position}: shown {shown:?}, it comes to {wanted:?}", self.name)
                });
            }
        }
    }
}
