//! One batch in one transaction: compare-and-set first, then load what decides, plan, write. Statements take whole lists, never one row each.

use std::sync::LazyLock;

use parley_proto::{Body, MessageId, RoomId, UnixMillis, UserId};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, query::Query, sqlite::SqliteArguments};

use super::super::{next_of, roster, sql};
use crate::store::{
    StoreUnavailable,
    plan::{Known, Needs, NewRow, Plan, RoomMark, Tally, Target, Vote},
    projection::{Batch, CommitError, Committed},
};

/// SQLite's primary result codes that say "these rows, not this database": too big, constraint (a trigger's refusal too), mismatch.
const REFUSALS: [i32; 3] = [18, 19, 20];

impl From<sqlx::Error> for CommitError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse::<i32>().ok());
        match code {
            Some(code) if REFUSALS.contains(&(code & 0xFF)) => Self::Refused(error.to_string()),
            _ => Self::Unavailable(error.into()),
        }
    }
}

/// Writes the batch; the caller commits.
pub(super) async fn write(tx: &mut SqliteConnection, batch: &Batch) -> Result<Committed, CommitError> {
    move_next(tx, batch).await?;
    let needs = Needs::of(batch);
    let known = load(tx, &needs).await?;
    let plan = Plan::new(batch, &needs, known);
    insert_rows(tx, &plan.rows).await?;
    change_rows(tx, &plan).await?;
    write_marks(tx, &plan).await?;
    write_votes(tx, &plan).await?;
    for event in &plan.events {
        roster::apply(tx, event).await?;
    }
    write_leftovers(tx, batch, &plan).await?;
    Ok(plan.committed())
}

/// The compare-and-set: whoever is not where the store is writes nothing.
async fn move_next(tx: &mut SqliteConnection, batch: &Batch) -> Result<(), CommitError> {
    let moved = sqlx::query("update partitions set next = ?, last_hash = ? where partition = ? and next = ?")
        .bind(sql::int(batch.to.0))
        .bind(batch.last_hash.0.to_vec())
        .bind(i64::from(batch.partition.0))
        .bind(sql::int(batch.from.0))
        .execute(&mut *tx)
        .await?
        .rows_affected();
    if moved == 1 {
        return Ok(());
    }
    let next = next_of(tx, batch.partition).await?;
    if next == batch.from {
        return Err(StoreUnavailable(format!("partition {} has no row", batch.partition)).into());
    }
    Err(CommitError::Moved { next })
}

async fn load(tx: &mut SqliteConnection, needs: &Needs) -> Result<Known, sqlx::Error> {
    let mut known = Known::default();
    if !needs.rooms.is_empty() {
        load_rooms(tx, needs, &mut known).await?;
    }
    if !needs.targets.is_empty() {
        load_targets(tx, needs, &mut known).await?;
    }
    if !needs.votes.is_empty() {
        load_votes(tx, needs, &mut known).await?;
    }
    if !needs.reactions.is_empty() {
        load_reactions(tx, needs, &mut known).await?;
    }
    if !needs.reads.is_empty() {
        load_reads(tx, needs, &mut known).await?;
    }
    Ok(known)
}

async fn load_rooms(tx: &mut SqliteConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows: Vec<(Vec<u8>, i64, i64, Option<i64>)> =
        sqlx::query_as("select room, last_seq, last_position, last_sent_at from room_positions where room in (select unhex(value) from json_each(?))")
            .bind(sql::id_list(needs.rooms.iter().map(|room| room.0)))
            .fetch_all(tx)
            .await?;
    for (room, last_seq, last_position, last_sent_at) in rows {
        let mark = RoomMark { last_seq: sql::count(last_seq), last_position: sql::position(last_position), last_sent_at: last_sent_at.map(UnixMillis) };
        known.rooms.insert(RoomId(sql::uuid(&room)?), mark);
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct TargetRow {
    id: Vec<u8>,
    room: Vec<u8>,
    position: i64,
    kind: String,
    sender: Vec<u8>,
    deleted: bool,
    rev: i64,
    sent_at: i64,
}

async fn load_targets(tx: &mut SqliteConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows: Vec<TargetRow> =
        sqlx::query_as("select id, room, position, kind, sender, deleted, rev, sent_at from messages where id in (select unhex(value) from json_each(?))")
            .bind(sql::id_list(needs.targets.iter().map(|id| id.0)))
            .fetch_all(tx)
            .await?;
    for row in rows {
        let target = Target {
            room: RoomId(sql::uuid(&row.room)?),
            position: sql::position(row.position),
            is_message: row.kind == "message",
            sender: UserId(sql::uuid(&row.sender)?),
            deleted: row.deleted,
            rev: sql::position(row.rev),
            sent_at: UnixMillis(row.sent_at),
        };
        known.targets.insert(MessageId(sql::uuid(&row.id)?), target);
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct TallyRow {
    message: Vec<u8>,
    room: Vec<u8>,
    position: i64,
    sum: i64,
    count: i64,
    tally_rev: i64,
    sent_at: i64,
}

async fn load_votes(tx: &mut SqliteConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let votes: Vec<(Vec<u8>, Vec<u8>, i64, i64)> = sqlx::query_as(
        "select v.message, v.user, v.position, v.value
         from json_each(?) j cross join votes v on v.message = unhex(j.value ->> 0) and v.user = unhex(j.value ->> 1)",
    )
    .bind(pairs(needs.votes.iter().map(|(message, user)| (message.0, user.0))))
    .fetch_all(&mut *tx)
    .await?;
    for (message, user, position, value) in votes {
        known.votes.insert((MessageId(sql::uuid(&message)?), UserId(sql::uuid(&user)?)), Vote { position: sql::position(position), value });
    }
    let tallies: Vec<TallyRow> =
        sqlx::query_as("select message, room, position, sum, count, tally_rev, sent_at from tallies where message in (select unhex(value) from json_each(?))")
            .bind(sql::id_list(needs.votes.iter().map(|(message, _)| message.0)))
            .fetch_all(tx)
            .await?;
    for row in tallies {
        let tally = Tally {
            room: RoomId(sql::uuid(&row.room)?),
            position: sql::position(row.position),
            sum: row.sum,
            count: sql::count(row.count),
            rev: sql::position(row.tally_rev),
            sent_at: UnixMillis(row.sent_at),
        };
        known.tallies.insert(MessageId(sql::uuid(&row.message)?), tally);
    }
    Ok(())
}

async fn load_reactions(tx: &mut SqliteConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows: Vec<(Vec<u8>, Vec<u8>, String, i64)> = sqlx::query_as(
        "select r.message, r.user, r.emoji, r.position
         from json_each(?) j cross join reactions r on r.message = unhex(j.value ->> 0) and r.user = unhex(j.value ->> 1)",
    )
    .bind(pairs(needs.reactions.iter().map(|(message, user)| (message.0, user.0))))
    .fetch_all(tx)
    .await?;
    for (message, user, emoji, position) in rows {
        known.reactions.insert((MessageId(sql::uuid(&message)?), UserId(sql::uuid(&user)?), emoji), sql::position(position));
    }
    Ok(())
}

async fn load_reads(tx: &mut SqliteConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows: Vec<(Vec<u8>, Vec<u8>, i64)> = sqlx::query_as(
        "select m.room, m.user, m.seq
         from json_each(?) j cross join read_marks m on m.room = unhex(j.value ->> 0) and m.user = unhex(j.value ->> 1)",
    )
    .bind(pairs(needs.reads.iter().map(|(room, user)| (room.0, user.0))))
    .fetch_all(tx)
    .await?;
    for (room, user, seq) in rows {
        known.reads.insert((RoomId(sql::uuid(&room)?), UserId(sql::uuid(&user)?)), sql::count(seq));
    }
    Ok(())
}

fn pairs(pairs: impl Iterator<Item = (uuid::Uuid, uuid::Uuid)>) -> String {
    Value::from_iter(pairs.map(|(left, right)| json!([sql::hex_id(left), sql::hex_id(right)]))).to_string()
}

/// Rows per statement: the large one for imports and bursts, then what is left in small ones; each text is prepared once.
const ROWS_PER_INSERT: [usize; 3] = [256, 16, 1];

static INSERTS: LazyLock<[String; 3]> = LazyLock::new(|| {
    ROWS_PER_INSERT.map(|rows| {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
        format!(
            "insert into messages (room, position, id, seq, rev, kind, sender, cid, base, body, key_id, sealed, sent_at, imported, edited, deleted) values {values}"
        )
    })
});

async fn insert_rows(tx: &mut SqliteConnection, mut rows: &[NewRow<'_>]) -> Result<(), sqlx::Error> {
    for (size, insert) in ROWS_PER_INSERT.into_iter().zip(INSERTS.iter()) {
        while let Some((chunk, rest)) = rows.split_at_checked(size) {
            let mut query = sqlx::query(AssertSqlSafe(insert.as_str()));
            for row in chunk {
                query = bind_row(query, row);
            }
            query.execute(&mut *tx).await?;
            rows = rest;
        }
    }
    Ok(())
}

fn bind_row<'q>(query: Query<'q, Sqlite, SqliteArguments>, row: &NewRow<'_>) -> Query<'q, Sqlite, SqliteArguments> {
    let NewRow { record, state, .. } = row;
    let (body, key_id, sealed) = match state.body {
        Some(Body::Plain(text)) => (Some(text.clone()), None, None),
        Some(Body::A256Gcm { key_id, data }) => (None, Some(i64::from(*key_id)), Some(data.to_vec())),
        None => (None, None, None),
    };
    query
        .bind(sql::blob(record.room.0))
        .bind(sql::int(row.position.0))
        .bind(sql::blob(row.id.0))
        .bind(row.seq.map(sql::int))
        .bind(sql::int(state.rev.0))
        .bind(record.kind.name())
        .bind(sql::blob(record.sender.0))
        .bind(sql::blob(record.cid.0))
        .bind(sql::int(record.base.0))
        .bind(body)
        .bind(key_id)
        .bind(sealed)
        .bind(record.sent_at.0)
        .bind(record.imported)
        .bind(state.edited)
        .bind(state.deleted)
}

async fn change_rows(tx: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    if plan.changed.is_empty() {
        return Ok(());
    }
    let rows = plan.changed.values().map(|row| {
        let (body, key_id, sealed) = match row.state.body {
            Some(Body::Plain(text)) => (Some(text), None, None),
            Some(Body::A256Gcm { key_id, data }) => (None, Some(*key_id), Some(sql::hex(data))),
            None => (None, None, None),
        };
        let state = &row.state;
        json!([sql::hex_id(row.room.0), row.position.0, state.rev.0, body, key_id, sealed, i32::from(state.edited), i32::from(state.deleted)])
    });
    sqlx::query(
        "update messages
         set rev = j.value ->> 2, body = j.value ->> 3, key_id = j.value ->> 4, sealed = unhex(j.value ->> 5),
             edited = max(edited, j.value ->> 6), deleted = max(deleted, j.value ->> 7)
         from json_each(?) j
         where messages.room = unhex(j.value ->> 0) and messages.position = j.value ->> 1",
    )
    .bind(Value::from_iter(rows).to_string())
    .execute(tx)
    .await?;
    Ok(())
}

async fn write_marks(tx: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    if !plan.rooms.is_empty() {
        let rows = plan.rooms.iter().map(|(room, mark)| json!([sql::hex_id(room.0), mark.last_seq, mark.last_position.0, mark.last_sent_at.map(|at| at.0)]));
        sqlx::query(
            "insert into room_positions (room, last_seq, last_position, last_sent_at)
             select unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3 from json_each(?)
             where true
             on conflict (room) do update
             set last_seq = excluded.last_seq, last_position = excluded.last_position, last_sent_at = excluded.last_sent_at",
        )
        .bind(Value::from_iter(rows).to_string())
        .execute(&mut *tx)
        .await?;
    }
    if !plan.reads.is_empty() {
        let rows = plan.reads.iter().map(|((room, user), seq)| json!([sql::hex_id(room.0), sql::hex_id(user.0), seq]));
        sqlx::query(
            "insert into read_marks (room, user, seq)
             select unhex(value ->> 0), unhex(value ->> 1), value ->> 2 from json_each(?)
             where true
             on conflict (room, user) do update set seq = excluded.seq",
        )
        .bind(Value::from_iter(rows).to_string())
        .execute(tx)
        .await?;
    }
    Ok(())
}

async fn write_votes(tx: &mut SqliteConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    if !plan.votes.is_empty() {
        let rows = plan.votes.iter().map(|((message, user), vote)| json!([sql::hex_id(message.0), sql::hex_id(user.0), vote.position.0, vote.value]));
        sqlx::query(
            "insert into votes (message, user, position, value)
             select unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3 from json_each(?)
             where true
             on conflict (message, user) do update set position = excluded.position, value = excluded.value where excluded.position > votes.position",
        )
        .bind(Value::from_iter(rows).to_string())
        .execute(&mut *tx)
        .await?;
        let rows = plan.tallies.iter().map(|(message, tally)| {
            json!([sql::hex_id(message.0), sql::hex_id(tally.room.0), tally.position.0, tally.sum, tally.count, tally.rev.0, tally.sent_at.0])
        });
        sqlx::query(
            "insert into tallies (message, room, position, sum, count, tally_rev, sent_at)
             select unhex(value ->> 0), unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6 from json_each(?)
             where true
             on conflict (message) do update
             set sum = excluded.sum, count = excluded.count, tally_rev = excluded.tally_rev, sent_at = excluded.sent_at",
        )
        .bind(Value::from_iter(rows).to_string())
        .execute(&mut *tx)
        .await?;
    }
    if !plan.reactions.is_empty() {
        let rows = plan.reactions.iter().map(|((message, user, emoji), (position, present))| {
            json!([sql::hex_id(message.0), sql::hex_id(user.0), sql::hex(emoji.as_bytes()), position.0, i32::from(*present)])
        });
        sqlx::query(
            "insert into reactions (message, user, emoji, position, present)
             select unhex(value ->> 0), unhex(value ->> 1), cast(unhex(value ->> 2) as text), value ->> 3, value ->> 4 from json_each(?)
             where true
             on conflict (message, user, emoji) do update set position = excluded.position, present = excluded.present
             where excluded.position > reactions.position",
        )
        .bind(Value::from_iter(rows).to_string())
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Outbox rows that have arrived, dead letters, counters.
async fn write_leftovers(tx: &mut SqliteConnection, batch: &Batch, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    if !plan.arrived.is_empty() {
        sqlx::query("delete from outbox where id in (select unhex(value) from json_each(?))")
            .bind(sql::id_list(plan.arrived.iter().map(|cid| cid.0)))
            .execute(&mut *tx)
            .await?;
    }
    if !plan.dead_letters.is_empty() {
        let rows = plan.dead_letters.iter().map(|letter| json!([letter.position.0, letter.reason, sql::hex(letter.bytes)]));
        sqlx::query(
            "insert into dead_letters (partition, position, reason, bytes)
             select ?, value ->> 0, value ->> 1, unhex(value ->> 2) from json_each(?)",
        )
        .bind(i64::from(batch.partition.0))
        .bind(Value::from_iter(rows).to_string())
        .execute(&mut *tx)
        .await?;
    }
    let outcomes = &plan.outcomes;
    sqlx::query(
        "update partitions
         set applied = applied + ?, superseded = superseded + ?, duplicate = duplicate + ?,
             expired = expired + ?, dead_letter = dead_letter + ?, control = control + ?
         where partition = ?",
    )
    .bind(sql::int(outcomes.applied))
    .bind(sql::int(outcomes.superseded))
    .bind(sql::int(outcomes.duplicate))
    .bind(sql::int(outcomes.expired))
    .bind(sql::int(outcomes.dead_letter))
    .bind(sql::int(outcomes.control))
    .bind(i64::from(batch.partition.0))
    .execute(tx)
    .await?;
    Ok(())
}
