//! What really happened, in the form that clients' histories are compared with: per room the lines in order, per identity what became of it, per message how
//! its votes stood at any time. Made from the log record by record, with the outcome that `verify`'s own fold gives each.

use std::collections::HashMap;

use parley_proto::{
    Body, Cursor, Kind, MessageId, PartitionId, Position, RoomId, UserId, check,
    event::{EventName, SystemEvent},
};

use crate::{
    history::digest,
    verify::expected::{Outcome, makes_a_frame},
};

/// A line that readers of a room see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    pub position: Position,
    pub id: MessageId,
    pub sender: UserId,
    pub body: u64,
}

/// What became of an identity.
#[derive(Debug, Clone)]
pub struct Taken {
    pub room: RoomId,
    pub sender: UserId,
    pub kind: Kind,
    pub body: u64,
    /// Of the occurrence that counts.
    pub position: Position,
    /// Of those that don't.
    pub repeats: Vec<Position>,
    /// Occurrences that count besides the first: there must be none.
    pub doubles: Vec<Position>,
}

/// How votes on a message stood, after each of them.
#[derive(Debug, Default)]
struct Counting {
    now: HashMap<UserId, i64>,
    steps: Vec<(Position, u64, u64)>,
    by: HashMap<UserId, Vec<(Position, i64)>>,
}

/// Everything that the log says.
#[derive(Debug, Default)]
pub struct Truth {
    lines: HashMap<RoomId, Vec<Line>>,
    taken: HashMap<MessageId, Taken>,
    votes: HashMap<MessageId, Counting>,
    /// Messages that anybody ever voted on.
    voted: HashMap<RoomId, Vec<(Position, MessageId)>>,
    left: HashMap<(RoomId, UserId), Vec<Position>>,
    pub records: u64,
}

impl Truth {
    /// The next record of its partition, and what the fold said of it.
    pub fn record(&mut self, partition: PartitionId, position: Position, bytes: &[u8], outcome: Outcome) {
        self.records += 1;
        let Ok(record) = check::check(bytes, partition) else { return };
        let id = record.id();
        match outcome {
            Outcome::DeadLetter | Outcome::Expired => return,
            Outcome::Duplicate => {
                if let Some(taken) = self.taken.get_mut(&id) {
                    taken.repeats.push(position);
                }
                return;
            }
            Outcome::Applied | Outcome::Superseded | Outcome::Control => {}
        }
        let body = match (&record.body, record.kind) {
            (Body::Plain(text), Kind::Message | Kind::Edit) => digest(text),
            _ => 0,
        };
        if makes_a_frame(record.kind) {
            self.lines.entry(record.room).or_default().push(Line { position, id, sender: record.sender, body });
        }
        if let Some(taken) = self.taken.get_mut(&id) {
            taken.doubles.push(position);
        } else {
            let taken = Taken { room: record.room, sender: record.sender, kind: record.kind, body, position, repeats: Vec::new(), doubles: Vec::new() };
            self.taken.insert(id, taken);
        }
        match (&record.body, record.kind, record.target) {
            (_, Kind::Vote, Some(target)) if outcome == Outcome::Applied => self.vote(record.room, target, record.sender, position, record.value),
            (Body::Plain(json), Kind::System | Kind::Removed, _) => self.event(record.room, position, json),
            _ => {}
        }
    }

    fn vote(&mut self, room: RoomId, target: MessageId, user: UserId, position: Position, value: i64) {
        let counting = self.votes.entry(target).or_default();
        if counting.steps.is_empty()
            && let Some(message) = self.taken.get(&target)
        {
            self.voted.entry(room).or_default().push((message.position, target));
        }
        let (_, mut up, mut down) = counting.steps.last().copied().unwrap_or_default();
        let before = counting.now.insert(user, value).unwrap_or_default();
        up = up + u64::from(value == 1) - u64::from(before == 1);
        down = down + u64::from(value == -1) - u64::from(before == -1);
        counting.steps.push((position, up, down));
        counting.by.entry(user).or_default().push((position, value));
    }

    fn event(&mut self, room: RoomId, position: Position, json: &str) {
        let Ok(event) = serde_json::from_str::<SystemEvent>(json) else { return };
        if let Some(member) = event.member.filter(|member| member.role.is_none() && matches!(event.event, EventName::Left | EventName::Kicked)) {
            self.left.entry((room, member.user)).or_default().push(position);
        }
    }

    /// The lines of a room in [from, to).
    pub fn lines(&self, room: RoomId, from: Cursor, to: Cursor) -> &[Line] {
        let lines = self.lines.get(&room).map(Vec::as_slice).unwrap_or_default();
        let at = |cursor: Cursor| lines.partition_point(|line| line.position.at() < cursor);
        let (from, to) = (at(from), at(to));
        &lines[from..to.max(from)]
    }

    /// The line at this position of a room.
    pub fn line(&self, room: RoomId, position: Position) -> Option<&Line> {
        self.lines(room, position.at(), position.next()).first()
    }

    /// Where a room ends.
    pub fn end(&self, room: RoomId) -> Cursor {
        self.lines.get(&room).and_then(|lines| lines.last()).map_or(Cursor::ZERO, |line| line.position.next())
    }

    pub fn taken(&self, id: MessageId) -> Option<&Taken> {
        self.taken.get(&id)
    }

    pub fn all_taken(&self) -> impl Iterator<Item = (&MessageId, &Taken)> {
        self.taken.iter()
    }

    /// Up and down of a message, all votes below `as_of` counted.
    pub fn counted(&self, message: MessageId, as_of: Cursor) -> (u64, u64) {
        let steps = self.votes.get(&message).map(|counting| counting.steps.as_slice()).unwrap_or_default();
        let at = steps.partition_point(|(position, ..)| position.at() < as_of);
        at.checked_sub(1).map_or((0, 0), |last| (steps[last].1, steps[last].2))
    }

    /// How somebody's own vote stood.
    pub fn own_vote(&self, message: MessageId, user: UserId, as_of: Cursor) -> i64 {
        let votes = self.votes.get(&message).and_then(|counting| counting.by.get(&user)).map(Vec::as_slice).unwrap_or_default();
        let at = votes.partition_point(|(position, _)| position.at() < as_of);
        at.checked_sub(1).map_or(0, |last| votes[last].1)
    }

    /// Messages of a room that somebody voted on.
    pub fn voted(&self, room: RoomId) -> &[(Position, MessageId)] {
        self.voted.get(&room).map(Vec::as_slice).unwrap_or_default()
    }

    /// Where somebody left a room for the n-th time.
    pub fn left(&self, room: RoomId, user: UserId, nth: usize) -> Option<Position> {
        self.left.get(&(room, user))?.get(nth).copied()
    }
}
