//! What the store must hold, worked out from the log alone. Plain on purpose, and not the product's fold: where the product remembers a window of
//! identities, this remembers all of them for ever; where it folds batches onto rows, this goes record by record.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use parley_proto::{
    Body, Cursor, Kind, LogId, MessageId, PartitionId, Position, Record, RoomId, UserId, WINDOW,
    check::{self, CheckError},
    event::{EventName, Role, RoomRow, SystemEvent},
};
use sha2::{Digest, Sha256};

/// What the fold says of one record (PROTOCOL, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Applied,
    Superseded,
    Duplicate,
    Expired,
    DeadLetter,
    Control,
}

/// How many records had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcomes {
    pub applied: u64,
    pub superseded: u64,
    pub duplicate: u64,
    pub expired: u64,
    pub dead_letter: u64,
    pub control: u64,
}

impl Outcomes {
    fn count(&mut self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Applied => &mut self.applied,
            Outcome::Superseded => &mut self.superseded,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Expired => &mut self.expired,
            Outcome::DeadLetter => &mut self.dead_letter,
            Outcome::Control => &mut self.control,
        };
        *counter += 1;
    }

    pub fn sum(self) -> u64 {
        self.applied + self.superseded + self.duplicate + self.expired + self.dead_letter + self.control
    }
}

/// A row of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub id: MessageId,
    pub seq: Option<u64>,
    pub rev: Position,
    pub kind: Kind,
    pub sender: UserId,
    /// `None`: deleted.
    pub body: Option<Body>,
    pub sent_at: i64,
    pub imported: bool,
    pub edited: bool,
    pub deleted: bool,
}

/// Of one message: sum of its votes' values, votes that are not 0, the position of the last one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub sum: i64,
    pub count: u64,
    pub rev: Position,
}

/// How far a room has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomMark {
    pub last_seq: u64,
    pub last_position: Position,
}

/// A room or a member as the newest event of the log has it, with the room's version then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    pub version: i64,
    pub row: T,
}

/// Everything that one partition of the log leaves in the store.
#[derive(Debug)]
pub struct Expected {
    partition: PartitionId,
    pub next: Cursor,
    pub log_id: Option<LogId>,
    pub last_hash: Option<[u8; 16]>,
    pub outcomes: Outcomes,
    pub rows: BTreeMap<(RoomId, Position), Row>,
    pub marks: BTreeMap<RoomId, RoomMark>,
    pub votes: HashMap<(MessageId, UserId), (Position, i64)>,
    pub tallies: HashMap<MessageId, Tally>,
    pub reactions: HashMap<(MessageId, UserId, String), (Position, bool)>,
    pub read_marks: HashMap<(RoomId, UserId), u64>,
    pub dead_letters: BTreeMap<Position, Vec<u8>>,
    pub rooms: HashMap<RoomId, Versioned<RoomRow>>,
    pub members: HashMap<(RoomId, UserId), Versioned<Option<Role>>>,
    /// Positions of each room's records of which readers are told one by one, with the records' ids.
    pub frames: BTreeMap<RoomId, Vec<(Position, MessageId)>>,
    places: HashMap<MessageId, (RoomId, Position)>,
    occurrences: HashMap<MessageId, Vec<Position>>,
    refused: BTreeSet<Position>,
}

/// The log holds a record that this reader is too old for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record at {position} of partition {partition} has version {version}, which is newer than this program")]
pub struct Newer {
    pub partition: PartitionId,
    pub position: Position,
    pub version: u8,
}

impl Expected {
    /// `refused` is what the log can't say: the good records that the database did not take. They have their places and identities all the same.
    pub fn new(partition: PartitionId, refused: BTreeSet<Position>) -> Self {
        Self {
            partition,
            next: Cursor::ZERO,
            log_id: None,
            last_hash: None,
            outcomes: Outcomes::default(),
            rows: BTreeMap::new(),
            marks: BTreeMap::new(),
            votes: HashMap::new(),
            tallies: HashMap::new(),
            reactions: HashMap::new(),
            read_marks: HashMap::new(),
            dead_letters: BTreeMap::new(),
            rooms: HashMap::new(),
            members: HashMap::new(),
            frames: BTreeMap::new(),
            places: HashMap::new(),
            occurrences: HashMap::new(),
            refused,
        }
    }

    /// The next record of the log.
    pub fn record(&mut self, position: Position, bytes: &[u8]) -> Result<Outcome, Newer> {
        let outcome = match check::check(bytes, self.partition) {
            Err(CheckError::Newer(version)) => return Err(Newer { partition: self.partition, position, version }),
            Err(CheckError::Dead(_)) => {
                self.dead_letters.insert(position, bytes.to_vec());
                Outcome::DeadLetter
            }
            Ok(record) => self.checked(position, &record, bytes),
        };
        self.outcomes.count(outcome);
        self.next = position.next();
        let mut hash = [0; 16];
        hash.copy_from_slice(&Sha256::digest(bytes)[..16]);
        self.last_hash = Some(hash);
        Ok(outcome)
    }

    fn checked(&mut self, position: Position, record: &Record, bytes: &[u8]) -> Outcome {
        if record.floor > position.at() || position.0 - record.floor.0 > WINDOW {
            return Outcome::Expired;
        }
        let occurrences = self.occurrences.entry(record.id()).or_default();
        let repeats = occurrences.iter().any(|earlier| earlier.at() >= record.floor);
        occurrences.push(position);
        if repeats {
            return Outcome::Duplicate;
        }
        if makes_a_frame(record.kind) {
            self.frames.entry(record.room).or_default().push((position, record.id()));
        }
        if self.refused.contains(&position) {
            self.dead_letters.insert(position, bytes.to_vec());
            return Outcome::DeadLetter;
        }
        if record.kind.is_control() {
            if let (Kind::Genesis, Body::Plain(json)) = (record.kind, &record.body) {
                self.log_id = self.log_id.or(check::genesis(json).map(|genesis| genesis.log_id));
            }
            Outcome::Control
        } else if self.applies(position, record) {
            Outcome::Applied
        } else {
            Outcome::Superseded
        }
    }

    /// Whether the timeline has a row with this id.
    pub fn has_row(&self, id: MessageId) -> bool {
        self.places.contains_key(&id)
    }

    fn applies(&mut self, position: Position, record: &Record) -> bool {
        match record.kind {
            Kind::Message | Kind::System | Kind::Removed | Kind::Archived => {
                self.insert(position, record);
                true
            }
            Kind::Edit => self.change(position, record, |row| row.sender == record.sender, Some(record.body.clone())),
            Kind::Delete | Kind::Erased => self.change(position, record, |_| true, None),
            Kind::Vote => self.vote(position, record),
            Kind::Reaction => self.reaction(position, record),
            Kind::Read => self.read(record.room, record.sender, record.value),
            Kind::Cancel | Kind::Genesis => false,
        }
    }

    fn insert(&mut self, position: Position, record: &Record) {
        let mark = self.marks.entry(record.room).or_default();
        mark.last_position = position;
        let is_message = record.kind == Kind::Message;
        mark.last_seq += u64::from(is_message);
        let row = Row {
            id: record.id(),
            seq: is_message.then_some(mark.last_seq),
            rev: position,
            kind: record.kind,
            sender: record.sender,
            body: Some(record.body.clone()),
            sent_at: record.sent_at.0,
            imported: record.imported,
            edited: false,
            deleted: false,
        };
        self.places.insert(row.id, (record.room, position));
        self.rows.insert((record.room, position), row);
        if !is_message && let Body::Plain(json) = &record.body {
            self.event(record.room, json);
        }
    }

    fn event(&mut self, room: RoomId, json: &str) {
        let Some(event) = serde_json::from_str(json).ok().filter(|event: &SystemEvent| event.room.id == room) else { return };
        newest(self.rooms.entry(room), event.version, event.room);
        if let Some(member) = event.member {
            if member.role.is_some() && matches!(event.event, EventName::Created | EventName::Joined) {
                self.read(room, member.user, i64::MAX);
            }
            newest(self.members.entry((room, member.user)), event.version, member.role);
        }
    }

    /// Forward to a message's number that is there, or back before one. Whether that moved the mark.
    fn read(&mut self, room: RoomId, user: UserId, value: i64) -> bool {
        let last = self.marks.get(&room).map_or(0, |mark| mark.last_seq);
        let before = self.read_marks.get(&(room, user)).copied();
        let after = if value < 0 { before.unwrap_or(last).min(value.unsigned_abs() - 1) } else { before.unwrap_or(0).max(value.unsigned_abs().min(last)) };
        self.read_marks.insert((room, user), after);
        before != Some(after)
    }

    /// The message that a record is about, unless it is absent, deleted or in another room.
    fn target(&mut self, record: &Record) -> Option<&mut Row> {
        let place = self.places.get(&record.target?).filter(|(room, _)| *room == record.room)?;
        self.rows.get_mut(place).filter(|row| row.kind == Kind::Message && !row.deleted)
    }

    fn change(&mut self, position: Position, record: &Record, may: impl Fn(&Row) -> bool, body: Option<Body>) -> bool {
        let Some(row) = self.target(record).filter(|row| may(row)) else { return false };
        row.rev = position;
        row.edited |= body.is_some();
        row.deleted = body.is_none();
        row.body = body;
        true
    }

    fn vote(&mut self, position: Position, record: &Record) -> bool {
        let Some(target) = self.target(record).map(|row| row.id) else { return false };
        let (_, before) = self.votes.insert((target, record.sender), (position, record.value)).unwrap_or_default();
        let tally = self.tallies.entry(target).or_default();
        tally.sum += record.value - before;
        tally.count = tally.count + u64::from(record.value != 0) - u64::from(before != 0);
        tally.rev = position;
        true
    }

    fn reaction(&mut self, position: Position, record: &Record) -> bool {
        let (Some(target), Body::Plain(emoji)) = (self.target(record).map(|row| row.id), &record.body) else { return false };
        self.reactions.insert((target, record.sender, emoji.clone()), (position, record.value == 1));
        true
    }
}

/// Whether readers are told of records of this kind one by one.
pub fn makes_a_frame(kind: Kind) -> bool {
    !matches!(kind, Kind::Vote | Kind::Reaction | Kind::Read) && !kind.is_control()
}

fn newest<K, T>(entry: Entry<'_, K, Versioned<T>>, version: i64, row: T) {
    match entry {
        Entry::Occupied(known) if known.get().version >= version => {}
        entry => _ = entry.insert_entry(Versioned { version, row }),
    }
}
