//! What a batch does to the rows: pure, the same for every engine. An engine loads what [`Needs`] names, asks for the [`Plan`], and writes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use parley_proto::{
    Body, Cid, Kind, MessageId, Position, Record, RoomId, UnixMillis, UserId, codec,
    event::{EventName, SystemEvent},
    notice::ChangedTally,
    planted::{PlantedBug, planted},
    wire::{Tally as Shown, VoteValue},
};

use super::projection::{Batch, Committed, Entry, Outcomes};

/// The stored rows that decide what the batch means.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// Rooms that get rows, or that somebody has read.
    pub(super) rooms: BTreeSet<RoomId>,
    /// What edits, deletes, votes, reactions and erasures are about.
    pub(super) targets: BTreeSet<MessageId>,
    pub(super) votes: BTreeSet<(MessageId, UserId)>,
    pub(super) reactions: BTreeSet<(MessageId, UserId)>,
    pub(super) reads: BTreeSet<(RoomId, UserId)>,
}

impl Needs {
    pub(super) fn of(batch: &Batch) -> Self {
        let mut needs = Self::default();
        for (_, record) in firsts(batch) {
            if record.kind.is_row() {
                needs.rooms.insert(record.room);
            }
            needs.reads.extend(newcomer(record).map(|user| (record.room, user)));
            let Some(target) = record.target else {
                if record.kind == Kind::Read {
                    needs.rooms.insert(record.room);
                    needs.reads.insert((record.room, record.sender));
                }
                continue;
            };
            needs.targets.insert(target);
            match record.kind {
                Kind::Vote => _ = needs.votes.insert((target, record.sender)),
                Kind::Reaction => _ = needs.reactions.insert((target, record.sender)),
                _ => {}
            }
        }
        needs
    }
}

fn firsts(batch: &Batch) -> impl Iterator<Item = (Position, &Record)> {
    batch.entries.iter().filter_map(|(position, entry)| match entry {
        Entry::First(record) => Some((*position, record.as_ref())),
        _ => None,
    })
}

/// How far a room has come.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoomMark {
    pub(super) last_seq: u64,
    pub(super) last_position: Position,
    pub(super) last_sent_at: Option<UnixMillis>,
}

/// A stored row that records are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) room: RoomId,
    pub(super) position: Position,
    pub(super) is_message: bool,
    pub(super) sender: UserId,
    pub(super) deleted: bool,
    pub(super) rev: Position,
    pub(super) sent_at: UnixMillis,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Vote {
    pub(super) position: Position,
    pub(super) value: i64,
}

/// The sum over a message's votes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    pub(super) room: RoomId,
    /// Of the message.
    pub(super) position: Position,
    pub(super) sum: i64,
    pub(super) count: u64,
    pub(super) rev: Position,
    /// Of the message.
    pub(super) sent_at: UnixMillis,
}

/// What people see of a stored sum and count; `mine` is the reader's own vote, where that is known.
pub(super) fn shown(target: MessageId, position: Position, sum: i64, count: u64, mine: Option<i64>) -> Shown {
    let up = count.saturating_add_signed(sum) / 2;
    Shown { target, position, up, down: count.saturating_sub(up), mine: mine.map(vote_value) }
}

/// The tables hold nothing else.
pub(super) fn vote_value(value: i64) -> VoteValue {
    VoteValue::try_from(value).unwrap_or_default()
}

/// What the store holds of what the batch needs.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) rooms: HashMap<RoomId, RoomMark>,
    pub(super) targets: HashMap<MessageId, Target>,
    pub(super) votes: HashMap<(MessageId, UserId), Vote>,
    /// Of every needed target that has one.
    pub(super) tallies: HashMap<MessageId, Tally>,
    pub(super) reactions: HashMap<(MessageId, UserId, String), Position>,
    pub(super) reads: HashMap<(RoomId, UserId), u64>,
}

/// A row of the timeline to insert.
#[derive(Debug)]
pub(super) struct NewRow<'a> {
    pub(super) record: &'a Record,
    pub(super) id: MessageId,
    pub(super) position: Position,
    pub(super) seq: Option<u64>,
    pub(super) state: RowState<'a>,
}

/// The part of a row that later records change.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowState<'a> {
    pub(super) rev: Position,
    /// `None`: deleted or erased.
    pub(super) body: Option<&'a Body>,
    pub(super) edited: bool,
    pub(super) deleted: bool,
}

/// A stored row to change; `edited` and `deleted` are added to what is stored.
#[derive(Debug)]
pub(super) struct ChangedRow<'a> {
    pub(super) room: RoomId,
    pub(super) position: Position,
    pub(super) state: RowState<'a>,
}

#[derive(Debug)]
pub(super) struct NewDeadLetter<'a> {
    pub(super) position: Position,
    pub(super) reason: &'a str,
    pub(super) bytes: &'a Bytes,
}

/// Everything that one commit writes, besides the partition's `next`.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    pub(super) outcomes: Outcomes,
    pub(super) rows: Vec<NewRow<'a>>,
    pub(super) changed: BTreeMap<(RoomId, Position), ChangedRow<'a>>,
    pub(super) rooms: BTreeMap<RoomId, RoomMark>,
    pub(super) votes: BTreeMap<(MessageId, UserId), Vote>,
    pub(super) tallies: BTreeMap<MessageId, Tally>,
    pub(super) reactions: BTreeMap<(MessageId, UserId, String), (Position, bool)>,
    pub(super) reads: BTreeMap<(RoomId, UserId), u64>,
    /// Changes of rooms and members, in order.
    pub(super) events: Vec<SystemEvent>,
    /// Outbox rows that have arrived.
    pub(super) arrived: Vec<Cid>,
    pub(super) dead_letters: Vec<NewDeadLetter<'a>>,
}

impl<'a> Plan<'a> {
    /// What `batch` does to a store that holds `known`.
    pub(super) fn new(batch: &'a Batch, needs: &Needs, known: Known) -> Self {
        let mut planner = Planner { known, needs, fresh: HashMap::new(), plan: Plan::default() };
        for (position, entry) in &batch.entries {
            planner.entry(*position, entry);
        }
        planner.plan
    }

    /// What the commit did, once it is done.
    pub(super) fn committed(&self) -> Committed {
        let mut tallies: BTreeMap<MessageId, ChangedTally> = BTreeMap::new();
        for (target, tally) in &self.tallies {
            let Shown { position, up, down, .. } = shown(*target, tally.position, tally.sum, tally.count, None);
            tallies.insert(*target, ChangedTally { room: tally.room, target: *target, position, up, down, votes: Vec::new() });
        }
        for ((target, user), vote) in &self.votes {
            if let Some(tally) = tallies.get_mut(target) {
                tally.votes.push((*user, vote_value(vote.value)));
            }
        }
        let rooms = self.rooms.iter().map(|(room, mark)| (*room, mark.last_seq)).collect();
        let reads = self.reads.iter().map(|((room, user), seq)| (*room, *user, *seq)).collect();
        Committed { outcomes: self.outcomes, rooms, tallies: tallies.into_values().collect(), reads }
    }
}

enum Effect {
    Applied,
    Superseded,
    Control,
}

struct Planner<'a, 'n> {
    known: Known,
    needs: &'n Needs,
    /// Targets that this very batch inserts: index into `plan.rows`.
    fresh: HashMap<MessageId, usize>,
    plan: Plan<'a>,
}

impl<'a> Planner<'a, '_> {
    fn entry(&mut self, position: Position, entry: &'a Entry) {
        match entry {
            Entry::Duplicate => self.plan.outcomes.duplicate += 1,
            Entry::Expired => self.plan.outcomes.expired += 1,
            Entry::Dead { reason, bytes } => {
                self.plan.outcomes.dead_letter += 1;
                self.plan.dead_letters.push(NewDeadLetter { position, reason, bytes });
                // An event that the database refuses would be appended again for ever: its outbox row goes with it.
                self.plan.arrived.extend(codec::decode(bytes).ok().filter(is_event).map(|record| record.cid));
            }
            Entry::First(record) => match self.first(position, record) {
                Effect::Applied => self.plan.outcomes.applied += 1,
                Effect::Superseded => self.plan.outcomes.superseded += 1,
                Effect::Control => self.plan.outcomes.control += 1,
            },
        }
    }

    fn first(&mut self, position: Position, record: &'a Record) -> Effect {
        match record.kind {
            Kind::Genesis | Kind::Cancel => Effect::Control,
            Kind::Message => self.row(position, record),
            Kind::System | Kind::Removed | Kind::Archived => {
                self.plan.arrived.push(record.cid);
                self.plan.events.extend(event(record));
                let effect = self.row(position, record);
                if let Some(user) = newcomer(record) {
                    self.set_read(record.room, user, i64::MAX);
                }
                effect
            }
            Kind::Edit => self.change(position, record, |target| target.sender == record.sender, Some(&record.body)),
            Kind::Delete | Kind::Erased => self.change(position, record, |_| true, None),
            Kind::Vote => self.vote(position, record),
            Kind::Reaction => self.reaction(position, record),
            Kind::Read => self.read(record),
        }
    }

    fn row(&mut self, position: Position, record: &'a Record) -> Effect {
        let mark = self.plan.rooms.entry(record.room).or_insert_with(|| self.known.rooms.get(&record.room).copied().unwrap_or_default());
        mark.last_position = position;
        let is_message = record.kind == Kind::Message;
        let seq = is_message.then(|| {
            mark.last_seq += 1;
            mark.last_sent_at = Some(record.sent_at);
            mark.last_seq
        });
        let id = record.id();
        if self.needs.targets.contains(&id) {
            let target = Target { room: record.room, position, is_message, sender: record.sender, deleted: false, rev: position, sent_at: record.sent_at };
            self.known.targets.insert(id, target);
            self.fresh.insert(id, self.plan.rows.len());
        }
        let state = RowState { rev: position, body: Some(&record.body), edited: false, deleted: false };
        self.plan.rows.push(NewRow { record, id, position, seq, state });
        Effect::Applied
    }

    /// The message that the record is about, unless it is absent, deleted, or in another room.
    fn target(&self, record: &Record) -> Option<(MessageId, Target)> {
        let id = record.target?;
        let target = self.known.targets.get(&id).copied()?;
        (target.is_message && target.room == record.room && !target.deleted).then_some((id, target))
    }

    fn change(&mut self, position: Position, record: &Record, may: impl Fn(&Target) -> bool, body: Option<&'a Body>) -> Effect {
        let Some((id, target)) = self.target(record).filter(|(_, target)| may(target) && target.rev < position) else {
            return Effect::Superseded;
        };
        let deleted = body.is_none();
        self.known.targets.insert(id, Target { deleted, rev: position, ..target });
        let state = match self.fresh.get(&id) {
            Some(index) => &mut self.plan.rows[*index].state,
            None => {
                let untouched = RowState { rev: target.rev, body: None, edited: false, deleted: false };
                let key = (target.room, target.position);
                &mut self.plan.changed.entry(key).or_insert(ChangedRow { room: key.0, position: key.1, state: untouched }).state
            }
        };
        *state = RowState { rev: position, body, edited: state.edited || !deleted, deleted };
        Effect::Applied
    }

    fn vote(&mut self, position: Position, record: &Record) -> Effect {
        let Some((id, target)) = self.target(record) else {
            return Effect::Superseded;
        };
        let before = self.known.votes.get(&(id, record.sender)).copied();
        if before.is_some_and(|vote| vote.position >= position) && !planted(PlantedBug::VoteWithoutGuard) {
            return Effect::Superseded;
        }
        let vote = Vote { position, value: record.value };
        self.known.votes.insert((id, record.sender), vote);
        self.plan.votes.insert((id, record.sender), vote);
        let before = before.map_or(0, |vote| vote.value);
        let tally = self.plan.tallies.entry(id).or_insert_with(|| {
            let untouched = Tally { room: target.room, position: target.position, sum: 0, count: 0, rev: position, sent_at: target.sent_at };
            self.known.tallies.get(&id).copied().unwrap_or(untouched)
        });
        tally.sum += vote.value - before;
        tally.count = tally.count + u64::from(vote.value != 0) - u64::from(before != 0);
        tally.rev = position;
        tally.sent_at = target.sent_at;
        Effect::Applied
    }

    fn reaction(&mut self, position: Position, record: &Record) -> Effect {
        let (Some((id, _)), Body::Plain(emoji)) = (self.target(record), &record.body) else {
            return Effect::Superseded;
        };
        let key = (id, record.sender, emoji.clone());
        if self.known.reactions.get(&key).is_some_and(|before| *before >= position) {
            return Effect::Superseded;
        }
        self.known.reactions.insert(key.clone(), position);
        self.plan.reactions.insert(key, (position, record.value == 1));
        Effect::Applied
    }

    fn read(&mut self, record: &Record) -> Effect {
        if self.set_read(record.room, record.sender, record.value) { Effect::Applied } else { Effect::Superseded }
    }

    /// Whether the mark moved. It is never above the room's last message, whatever a client says.
    fn set_read(&mut self, room: RoomId, user: UserId, value: i64) -> bool {
        let last = self.plan.rooms.get(&room).or_else(|| self.known.rooms.get(&room)).map_or(0, |mark| mark.last_seq);
        let before = self.known.reads.get(&(room, user)).copied();
        let seq = match u64::try_from(value) {
            Ok(at_least) => at_least.min(last).max(before.unwrap_or(0)),
            Err(_) => (value.unsigned_abs() - 1).min(before.unwrap_or(last)),
        };
        if before == Some(seq) {
            return false;
        }
        self.known.reads.insert((room, user), seq);
        self.plan.reads.insert((room, user), seq);
        true
    }
}

/// Kinds that come out of the outbox.
fn is_event(record: &Record) -> bool {
    record.kind.is_row() && record.kind != Kind::Message
}

/// Who became a member by this record: what was said before they came is not unread.
fn newcomer(record: &Record) -> Option<UserId> {
    let event = (record.kind == Kind::System).then(|| event(record)).flatten()?;
    let came = matches!(event.event, EventName::Created | EventName::Joined);
    event.member.filter(|member| came && member.role.is_some()).map(|member| member.user)
}

/// The rows of room and member that the record carries, if it is about its own room.
fn event(record: &Record) -> Option<SystemEvent> {
    let Body::Plain(json) = &record.body else { return None };
    serde_json::from_str(json).ok().filter(|event: &SystemEvent| event.room.id == record.room)
}
