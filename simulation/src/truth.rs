//! What the log means, by a fold of its own: small, unbounded, sharing nothing with the product's but the codec. Kept up with every append.

use std::collections::BTreeMap;

use parley_proto::{Cid, Cursor, Kind, MessageId, PartitionId, Position, RoomId, UserId, codec};

/// A line of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: MessageId,
    pub(crate) cid: Cid,
    pub(crate) sender: UserId,
    /// `None` for events.
    pub(crate) body: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Vote {
    position: Position,
    user: UserId,
    value: i64,
}

/// All that the log has said.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    occurrences: BTreeMap<MessageId, Vec<(Position, Kind)>>,
    rows: BTreeMap<RoomId, BTreeMap<Position, Row>>,
    places: BTreeMap<MessageId, (RoomId, Position)>,
    votes: BTreeMap<MessageId, Vec<Vote>>,
    /// What messages were changed to, in order.
    edits: BTreeMap<MessageId, Vec<String>>,
    pub(crate) duplicates: u64,
}

impl Truth {
    /// The next record of the partition.
    pub(crate) fn append(&mut self, _partition: PartitionId, position: Position, bytes: &[u8]) {
        let Ok(record) = codec::decode(bytes) else { return };
        let id = record.id();
        let earlier = self.occurrences.entry(id).or_default();
        let repeats = earlier.iter().any(|(at, _)| at.at() >= record.floor);
        earlier.push((position, record.kind));
        if repeats {
            self.duplicates += 1;
            return;
        }
        match record.kind {
            Kind::Message | Kind::System => {
                let body = match (&record.body, record.kind) {
                    (parley_proto::Body::Plain(text), Kind::Message) => Some(text.clone()),
                    _ => None,
                };
                self.rows.entry(record.room).or_default().insert(position, Row { id, cid: record.cid, sender: record.sender, body });
                self.places.insert(id, (record.room, position));
            }
            Kind::Vote => {
                if let Some(target) = record.target.filter(|target| self.places.get(target).is_some_and(|(room, _)| *room == record.room)) {
                    self.votes.entry(target).or_default().push(Vote { position, user: record.sender, value: record.value });
                }
            }
            Kind::Edit => {
                if let (Some(target), parley_proto::Body::Plain(text)) = (record.target, record.body)
                    && self.message(target).is_some_and(|(room, row)| room == record.room && row.sender == record.sender)
                {
                    self.edits.entry(target).or_default().push(text);
                }
            }
            _ => {}
        }
    }

    fn message(&self, id: MessageId) -> Option<(RoomId, &Row)> {
        let (room, position) = self.places.get(&id)?;
        let row = self.rows.get(room)?.get(position)?;
        row.body.is_some().then_some((*room, row))
    }

    /// The line as its last change left it.
    pub(crate) fn current(&self, row: &Row) -> Row {
        let body = self.edits.get(&row.id).and_then(|edits| edits.last()).or(row.body.as_ref());
        Row { body: body.cloned(), ..row.clone() }
    }

    /// Whether somebody may see the line like this, before or after any change.
    pub(crate) fn was_once(&self, row: &Row, seen: &Row) -> bool {
        let edits = self.edits.get(&row.id).into_iter().flatten();
        row == seen || edits.map(|text| Row { body: Some(text.clone()), ..row.clone() }).any(|edited| edited == *seen)
    }

    /// Where this identity stands first, and as what.
    pub(crate) fn first(&self, id: MessageId) -> Option<(Position, Kind)> {
        self.occurrences.get(&id)?.first().copied()
    }

    /// The room's lines in [from, to).
    pub(crate) fn rows(&self, room: RoomId, from: Cursor, to: Cursor) -> Vec<(Position, Row)> {
        let Some(rows) = self.rows.get(&room).filter(|_| from < to) else { return Vec::new() };
        rows.range(from.position()..to.position()).map(|(position, row)| (*position, row.clone())).collect()
    }

    /// Up and down of the votes below the cursor.
    pub(crate) fn tally(&self, target: MessageId, below: Cursor) -> (u64, u64) {
        let last = self.last_votes(target, below);
        let count = |value| last.values().filter(|vote| **vote == value).count() as u64;
        (count(1), count(-1))
    }

    pub(crate) fn vote_of(&self, target: MessageId, user: UserId, below: Cursor) -> i64 {
        self.last_votes(target, below).get(&user).copied().unwrap_or_default()
    }

    /// Each person's last vote below the cursor: later ones in the log replace earlier ones.
    fn last_votes(&self, target: MessageId, below: Cursor) -> BTreeMap<UserId, i64> {
        self.votes.get(&target).into_iter().flatten().filter(|vote| vote.position.at() < below).map(|vote| (vote.user, vote.value)).collect()
    }

    /// Those that anybody voted on.
    pub(crate) fn targets(&self) -> impl Iterator<Item = MessageId> {
        self.votes.keys().copied()
    }
}
