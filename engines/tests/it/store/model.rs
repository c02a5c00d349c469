//! A second, naive opinion of what a log does to the tables: no indexes, no batches, one record at a time.

use std::collections::BTreeMap;

use parley_engines::store::projection::{CommitError, Entry};
use parley_proto::{Body, Kind, LogId, MessageId, Record, RoomId, UserId};
use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use super::{
    Engine,
    fixture::{P, batch, record, room, user},
};

#[derive(Default)]
pub(super) struct Model {
    rows: Vec<Row>,
    votes: BTreeMap<(MessageId, UserId), (u64, i64)>,
    tally_revs: BTreeMap<MessageId, u64>,
    reactions: BTreeMap<(MessageId, UserId, String), (u64, i64)>,
    reads: BTreeMap<(RoomId, UserId), i64>,
    dead: Vec<u64>,
    /// applied, superseded, duplicate, expired, dead letter, control
    counts: [u64; 6],
}

struct Row {
    position: u64,
    record: Record,
    seq: Option<usize>,
    rev: u64,
    body: Option<String>,
    edited: bool,
    deleted: bool,
}

impl Model {
    /// What the whole log makes.
    pub(super) fn of(log: &[Entry]) -> Self {
        let mut model = Self::default();
        log.iter().zip(0..).for_each(|(entry, position)| model.apply(position, entry));
        model
    }

    fn apply(&mut self, position: u64, entry: &Entry) {
        let outcome = match entry {
            Entry::Duplicate => 2,
            Entry::Expired => 3,
            Entry::Dead { .. } => {
                self.dead.push(position);
                4
            }
            Entry::First(record) if record.kind == Kind::Cancel => 5,
            Entry::First(record) => usize::from(!self.changes(position, record)),
        };
        self.counts[outcome] += 1;
    }

    fn changes(&mut self, position: u64, record: &Record) -> bool {
        let text = match &record.body {
            Body::Plain(text) => text.clone(),
            Body::A256Gcm { .. } => unreachable!("none of these here"),
        };
        match record.kind {
            Kind::Message | Kind::System => {
                let is_message = record.kind == Kind::Message;
                let before = self.rows.iter().filter(|row| row.record.room == record.room && row.seq.is_some()).count();
                let seq = is_message.then_some(before + 1);
                self.rows.push(Row { position, record: record.clone(), seq, rev: position, body: Some(text), edited: false, deleted: false });
                return true;
            }
            Kind::Read => {
                let last = self.rows.iter().filter(|row| row.record.room == record.room && row.seq.is_some()).count() as i64;
                let before = self.reads.get(&(record.room, record.sender)).copied();
                let after = if record.value < 0 { before.unwrap_or(last).min(-record.value - 1) } else { before.unwrap_or(0).max(record.value.min(last)) };
                self.reads.insert((record.room, record.sender), after);
                return before != Some(after);
            }
            _ => {}
        }
        let target = record.target.unwrap();
        let Some(row) = self.rows.iter_mut().find(|row| row.record.id() == target) else { return false };
        if row.record.kind != Kind::Message || row.record.room != record.room || row.deleted {
            return false;
        }
        match record.kind {
            Kind::Edit if row.record.sender != record.sender => return false,
            Kind::Edit => (row.body, row.edited, row.rev) = (Some(text), true, position),
            Kind::Delete | Kind::Erased => (row.body, row.deleted, row.rev) = (None, true, position),
            Kind::Vote => {
                self.votes.insert((target, record.sender), (position, record.value));
                self.tally_revs.insert(target, position);
            }
            Kind::Reaction => _ = self.reactions.insert((target, record.sender, text), (position, record.value)),
            other => unreachable!("{other:?}"),
        }
        true
    }

    /// One line per row of each table, sorted.
    pub(super) fn tables(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for row in &self.rows {
            let Row { record, body, .. } = row;
            lines.push(format!(
                "messages {} {} {} {:?} {} {} {} {:?} {} {}",
                record.room.0.simple(),
                row.position,
                record.id().0.simple(),
                row.seq,
                row.rev,
                record.kind.name(),
                record.sender.0.simple(),
                body,
                row.edited,
                row.deleted
            ));
        }
        for ((message, user), (position, value)) in &self.votes {
            lines.push(format!("votes {} {} {position} {value}", message.0.simple(), user.0.simple()));
        }
        for (message, rev) in &self.tally_revs {
            let votes = || self.votes.iter().filter(|((of, _), _)| of == message).map(|(_, (_, value))| *value);
            lines.push(format!("tallies {} {} {} {rev}", message.0.simple(), votes().sum::<i64>(), votes().filter(|value| *value != 0).count()));
        }
        for ((message, user, emoji), (position, present)) in &self.reactions {
            lines.push(format!("reactions {} {} {emoji} {position} {present}", message.0.simple(), user.0.simple()));
        }
        for ((room, user), seq) in &self.reads {
            lines.push(format!("read_marks {} {} {seq}", room.0.simple(), user.0.simple()));
        }
        lines.extend(self.dead.iter().map(|position| format!("dead_letters {position}")));
        lines.push(format!("partitions {} {:?}", self.counts.iter().sum::<u64>(), self.counts));
        lines.sort();
        lines
    }
}

type MessageRow = (Uuid, i64, Uuid, Option<i64>, i64, String, Uuid, Option<String>, bool, bool);
type ReactionRow = (Uuid, Uuid, String, i64, bool);
type PartitionRow = (i64, i64, i64, i64, i64, i64, i64);

/// The same lines from a database: they differ in the name of the column that says who.
macro_rules! tables_of {
    ($name:ident, $connection:ty, $user:literal) => {
        pub(super) async fn $name(connection: &mut $connection) -> Vec<String> {
            let mut lines = Vec::new();
            let rows: Vec<MessageRow> = sqlx::query_as("select room, position, id, seq, rev, kind, sender, body, edited, deleted from messages")
                .fetch_all(&mut *connection)
                .await
                .unwrap();
            for (room, position, message, seq, rev, kind, sender, body, edited, deleted) in rows {
                let (room, message, sender) = (room.simple(), message.simple(), sender.simple());
                lines.push(format!("messages {room} {position} {message} {seq:?} {rev} {kind} {sender} {body:?} {edited} {deleted}"));
            }
            let rows: Vec<(Uuid, Uuid, i64, i64)> =
                sqlx::query_as(concat!("select message, ", $user, ", position, value from votes")).fetch_all(&mut *connection).await.unwrap();
            lines.extend(rows.iter().map(|(message, user, position, value)| format!("votes {} {} {position} {value}", message.simple(), user.simple())));
            let rows: Vec<(Uuid, i64, i64, i64)> =
                sqlx::query_as("select message, sum, count, tally_rev from tallies").fetch_all(&mut *connection).await.unwrap();
            lines.extend(rows.iter().map(|(message, sum, count, rev)| format!("tallies {} {sum} {count} {rev}", message.simple())));
            let rows: Vec<ReactionRow> =
                sqlx::query_as(concat!("select message, ", $user, ", emoji, position, present from reactions")).fetch_all(&mut *connection).await.unwrap();
            for (message, user, emoji, position, present) in rows {
                lines.push(format!("reactions {} {} {emoji} {position} {}", message.simple(), user.simple(), i64::from(present)));
            }
            let rows: Vec<(Uuid, Uuid, i64)> =
                sqlx::query_as(concat!("select room, ", $user, ", seq from read_marks")).fetch_all(&mut *connection).await.unwrap();
            lines.extend(rows.iter().map(|(room, user, seq)| format!("read_marks {} {} {seq}", room.simple(), user.simple())));
            let rows: Vec<(i64,)> = sqlx::query_as("select position from dead_letters").fetch_all(&mut *connection).await.unwrap();
            lines.extend(rows.iter().map(|(position,)| format!("dead_letters {position}")));
            let rows: Vec<PartitionRow> = sqlx::query_as("select next, applied, superseded, duplicate, expired, dead_letter, control from partitions")
                .fetch_all(connection)
                .await
                .unwrap();
            lines.extend(rows.iter().map(|row| format!("partitions {} {:?}", row.0, [row.1, row.2, row.3, row.4, row.5, row.6])));
            lines.sort();
            lines
        }
    };
}

tables_of!(tables_of_sqlite, sqlx::SqliteConnection, "user");
tables_of!(tables_of_postgres, sqlx::PgConnection, "user_id");

/// A random log, committed in random pieces with zombies in between, is what a naive fold of it says.
pub(super) async fn any_log_in_any_pieces_gives_the_tables_that_a_naive_fold_gives<E: Engine>(engine: impl AsyncFn() -> E) {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let log = random_log(&mut random, 600);
        let model = Model::of(&log);
        for _ in 0..2 {
            let engine = engine().await;
            let store = engine.store();
            store.partition(P, LogId::NIL).await.unwrap();
            let mut done = 0;
            while done < log.len() {
                let end = (done + random.random_range(1..120)).min(log.len());
                if done > 0 && random.random_bool(0.5) {
                    let stale = random.random_range(0..done);
                    let zombie = store.commit(&batch(stale as u64, log[stale..end].to_vec())).await;
                    assert!(matches!(zombie, Err(CommitError::Moved { .. })), "seed {seed}: {zombie:?}");
                }
                store.commit(&batch(done as u64, log[done..end].to_vec())).await.unwrap();
                done = end;
                let state = &store.partitions().await.unwrap()[0];
                assert_eq!(state.outcomes.consumed(), done as u64, "seed {seed}: conservation at every commit");
            }
            assert_eq!(engine.tables().await, model.tables(), "seed {seed}");
        }
    }
}

/// A log of few rooms, people and messages, so that everything meets everything.
pub(super) fn random_log(random: &mut StdRng, length: usize) -> Vec<Entry> {
    let mut written: Vec<Record> = Vec::new();
    (0..length)
        .map(|number| {
            let (place, person) = (room(random.random_range(1..4)), user(random.random_range(1..5)));
            let roll = random.random_range(0..100);
            let mut made = match roll {
                0..=1 => return Entry::Duplicate,
                2..=3 => return Entry::Expired,
                4..=5 => return Entry::Dead { reason: "poison".to_owned(), bytes: vec![1, 2].into() },
                6..=7 => record(Kind::Cancel, place, person),
                8..=14 => Record { value: random.random_range(-40..60), ..record(Kind::Read, place, person) },
                15..=19 => Record { body: Body::Plain(r#"{"event":"custom"}"#.to_owned()), ..record(Kind::System, place, person) },
                20..=44 => Record { body: Body::Plain(format!("body {number} 'quoted' \"twice\" 👍")), ..record(Kind::Message, place, person) },
                _ => aimed(random, roll, number, &written, place, person),
            };
            made.cid = parley_proto::Cid(Uuid::from_u128(random.random()));
            written.push(made.clone());
            Entry::First(Box::new(made))
        })
        .collect()
}

/// A record about an earlier one of any kind, mostly of its own room and sometimes by its own sender.
fn aimed(random: &mut StdRng, roll: u32, number: usize, written: &[Record], place: RoomId, person: UserId) -> Record {
    let target = (!written.is_empty()).then(|| &written[random.random_range(0..written.len())]);
    let place = target.filter(|_| random.random_bool(0.9)).map_or(place, |target| target.room);
    let person = target.filter(|_| random.random_bool(0.5)).map_or(person, |target| target.sender);
    let id = target.map_or(MessageId(Uuid::from_u128(9)), Record::id);
    let made = match roll {
        45..=54 => Record { body: Body::Plain(format!("edit {number}")), ..record(Kind::Edit, place, person) },
        55..=57 => record(Kind::Delete, place, person),
        58..=59 => record(Kind::Erased, place, person),
        60..=69 => {
            Record { value: random.random_range(0..2), body: Body::Plain(["👍", "🦀"][number % 2].to_owned()), ..record(Kind::Reaction, place, person) }
        }
        _ => Record { value: random.random_range(-1..2), ..record(Kind::Vote, place, person) },
    };
    Record { target: Some(id), ..made }
}
