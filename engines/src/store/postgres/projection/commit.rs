//! One batch in one transaction: compare-and-set first, then load what decides, plan, write. Many new messages come by COPY; statements take
//! whole columns as arrays, never one row each.

use parley_proto::{Body, MessageId, RoomId, UnixMillis, UserId};
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::super::{copy::CopyRows, roster, sql, stalled::COPY_MESSAGES};
use crate::store::{
    plan::{Known, Needs, NewRow, Plan, RoomMark, RowState, Tally, Target, Vote},
    projection::{Batch, CommitError, Committed},
};

/// Classes of SQLSTATE that say "these rows, not this database": data, integrity, a limit (an index entry that is too long), a trigger's own refusal.
const REFUSALS: [&str; 4] = ["22", "23", "54", "P0"];

/// Bytes from which on rows go in by COPY. It takes the server half the work of an INSERT for each row, and a question and an answer more.
const COPY_MIN: usize = 32 * 1024;

/// What an error means for the batch: these rows, or not now.
pub(super) fn error(error: sqlx::Error) -> CommitError {
    let Some(database) = error.as_database_error() else {
        return CommitError::Unavailable(error.into());
    };
    // A room of another transaction took the name in this moment: the next try sees it and does without the claim.
    let name_was_taken_just_now = database.constraint() == Some(roster::PUBLIC_NAME);
    match database.code() {
        Some(code) if REFUSALS.iter().any(|class| code.starts_with(class)) && !name_was_taken_just_now => CommitError::Refused(error.to_string()),
        _ => CommitError::Unavailable(error.into()),
    }
}

/// Somebody else holds the partition's row, and has for [`LOCK_WAIT_MAX`](super::super::LOCK_WAIT_MAX).
pub(super) fn is_locked_out(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("55P03"))
}

/// Writes the batch; the caller commits. `None`, and nothing written, if the partition's next is not the batch's `from`.
pub(super) async fn write(tx: &mut PgConnection, batch: &Batch) -> Result<Option<Committed>, sqlx::Error> {
    if !move_next(tx, batch).await? {
        return Ok(None);
    }
    let needs = Needs::of(batch);
    let known = load(tx, &needs).await?;
    let plan = Plan::new(batch, &needs, known);
    if !plan.rows.is_empty() {
        write_rows(tx, &plan.rows).await?;
    }
    if !plan.changed.is_empty() {
        change_rows(tx, &plan).await?;
    }
    write_marks(tx, &plan).await?;
    write_votes(tx, &plan).await?;
    roster::apply(tx, &plan.events).await?;
    write_leftovers(tx, batch, &plan).await?;
    Ok(Some(plan.committed()))
}

/// The compare-and-set: whoever is not where the store is writes nothing. Two at once wait for each other here, and the second sees what the first did.
async fn move_next(tx: &mut PgConnection, batch: &Batch) -> Result<bool, sqlx::Error> {
    let moved = sqlx::query("update partitions set next = $1, last_hash = $2 where partition = $3 and next = $4")
        .bind(sql::int(batch.to.0))
        .bind(&batch.last_hash.0[..])
        .bind(i32::from(batch.partition.0))
        .bind(sql::int(batch.from.0))
        .execute(tx)
        .await?
        .rows_affected();
    Ok(moved == 1)
}

async fn load(tx: &mut PgConnection, needs: &Needs) -> Result<Known, sqlx::Error> {
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

async fn load_rooms(tx: &mut PgConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows: Vec<(Uuid, i64, i64, Option<i64>)> =
        sqlx::query_as("select room, last_seq, last_position, last_sent_at from room_positions where room = any($1)")
            .bind(needs.rooms.iter().map(|room| room.0).collect::<Vec<_>>())
            .fetch_all(tx)
            .await?;
    known.rooms.extend(rows.into_iter().map(|(room, last_seq, last_position, last_sent_at)| {
        let mark = RoomMark { last_seq: sql::count(last_seq), last_position: sql::position(last_position), last_sent_at: last_sent_at.map(UnixMillis) };
        (RoomId(room), mark)
    }));
    Ok(())
}

#[derive(sqlx::FromRow)]
struct TargetRow {
    id: Uuid,
    room: Uuid,
    position: i64,
    kind: String,
    sender: Uuid,
    deleted: bool,
    rev: i64,
    sent_at: i64,
}

async fn load_targets(tx: &mut PgConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows: Vec<TargetRow> = sqlx::query_as("select id, room, position, kind, sender, deleted, rev, sent_at from messages where id = any($1)")
        .bind(needs.targets.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(tx)
        .await?;
    known.targets.extend(rows.into_iter().map(|row| {
        let target = Target {
            room: RoomId(row.room),
            position: sql::position(row.position),
            is_message: row.kind == "message",
            sender: UserId(row.sender),
            deleted: row.deleted,
            rev: sql::position(row.rev),
            sent_at: UnixMillis(row.sent_at),
        };
        (MessageId(row.id), target)
    }));
    Ok(())
}

#[derive(sqlx::FromRow)]
struct TallyRow {
    message: Uuid,
    room: Uuid,
    position: i64,
    sum: i64,
    count: i64,
    tally_rev: i64,
    sent_at: i64,
}

async fn load_votes(tx: &mut PgConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let messages: Vec<_> = needs.votes.iter().map(|(message, _)| message.0).collect();
    let votes: Vec<(Uuid, Uuid, i64, i64)> = sqlx::query_as(
        "select v.message, v.user_id, v.position, v.value
         from unnest($1::uuid[], $2::uuid[]) as needed (message, user_id) join votes v using (message, user_id)",
    )
    .bind(&messages)
    .bind(needs.votes.iter().map(|(_, user)| user.0).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    known.votes.extend(
        votes.into_iter().map(|(message, user, position, value)| ((MessageId(message), UserId(user)), Vote { position: sql::position(position), value })),
    );
    let tallies: Vec<TallyRow> = sqlx::query_as("select message, room, position, sum, count, tally_rev, sent_at from tallies where message = any($1)")
        .bind(&messages)
        .fetch_all(tx)
        .await?;
    known.tallies.extend(tallies.into_iter().map(|row| {
        let tally = Tally {
            room: RoomId(row.room),
            position: sql::position(row.position),
            sum: row.sum,
            count: sql::count(row.count),
            rev: sql::position(row.tally_rev),
            sent_at: UnixMillis(row.sent_at),
        };
        (MessageId(row.message), tally)
    }));
    Ok(())
}

async fn load_reactions(tx: &mut PgConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows: Vec<(Uuid, Uuid, String, i64)> = sqlx::query_as(
        "select r.message, r.user_id, r.emoji, r.position
         from unnest($1::uuid[], $2::uuid[]) as needed (message, user_id) join reactions r using (message, user_id)",
    )
    .bind(needs.reactions.iter().map(|(message, _)| message.0).collect::<Vec<_>>())
    .bind(needs.reactions.iter().map(|(_, user)| user.0).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    known.reactions.extend(rows.into_iter().map(|(message, user, emoji, position)| ((MessageId(message), UserId(user), emoji), sql::position(position))));
    Ok(())
}

async fn load_reads(tx: &mut PgConnection, needs: &Needs, known: &mut Known) -> Result<(), sqlx::Error> {
    let rows: Vec<(Uuid, Uuid, i64)> = sqlx::query_as(
        "select m.room, m.user_id, m.seq
         from unnest($1::uuid[], $2::uuid[]) as needed (room, user_id) join read_marks m using (room, user_id)",
    )
    .bind(needs.reads.iter().map(|(room, _)| room.0).collect::<Vec<_>>())
    .bind(needs.reads.iter().map(|(_, user)| user.0).collect::<Vec<_>>())
    .fetch_all(tx)
    .await?;
    known.reads.extend(rows.into_iter().map(|(room, user, seq)| ((RoomId(room), UserId(user)), sql::count(seq))));
    Ok(())
}

/// The columns of rows' changeable part.
struct StateColumns<'a> {
    rev: Vec<i64>,
    body: Vec<Option<&'a str>>,
    key_id: Vec<Option<i64>>,
    sealed: Vec<Option<&'a [u8]>>,
    edited: Vec<bool>,
    deleted: Vec<bool>,
}

impl<'a> StateColumns<'a> {
    fn of(states: impl Iterator<Item = RowState<'a>> + Clone) -> Self {
        let body = |state: RowState<'a>| match state.body {
            Some(Body::Plain(text)) => Some(text.as_str()),
            _ => None,
        };
        let sealed = |state: RowState<'a>| match state.body {
            Some(Body::A256Gcm { key_id, data }) => (Some(i64::from(*key_id)), Some(&data[..])),
            _ => (None, None),
        };
        let (key_id, sealed) = states.clone().map(sealed).unzip();
        Self {
            rev: states.clone().map(|state| sql::int(state.rev.0)).collect(),
            body: states.clone().map(body).collect(),
            key_id,
            sealed,
            edited: states.clone().map(|state| state.edited).collect(),
            deleted: states.map(|state| state.deleted).collect(),
        }
    }

    /// As the query's next six parameters.
    fn bind(self, query: Query<'_, Postgres, PgArguments>) -> Query<'_, Postgres, PgArguments> {
        let Self { rev, body, key_id, sealed, edited, deleted } = self;
        query.bind(rev).bind(body).bind(key_id).bind(sealed).bind(edited).bind(deleted)
    }
}

async fn write_rows(tx: &mut PgConnection, rows: &[NewRow<'_>]) -> Result<(), sqlx::Error> {
    let copy = copy_of(rows);
    if copy.len() < COPY_MIN { insert_rows(tx, rows).await } else { copy.send(tx, COPY_MESSAGES).await }
}

/// By COPY, the fastest way in for many. While the server waits for a COPY's data it heeds none of its timeouts: whoever comes after a persister that is cut off there ends
/// it ([`stalled`](super::super::stalled)).
fn copy_of(rows: &[NewRow<'_>]) -> CopyRows {
    let mut copy = CopyRows::new();
    for NewRow { record, id, position, seq, state } in rows {
        let (body, key_id, sealed) = match state.body {
            Some(Body::Plain(text)) => (Some(text), None, None),
            Some(Body::A256Gcm { key_id, data }) => (None, Some(i64::from(*key_id)), Some(data)),
            None => (None, None, None),
        };
        copy.row(16).uuid(record.room.0).int(sql::int(position.0)).uuid(id.0).int(seq.map(sql::int)).field(Some(record.kind.name())).uuid(record.sender.0);
        copy.uuid(record.cid.0).int(sql::int(record.base.0)).int(record.sent_at.0).bool(record.imported).int(sql::int(state.rev.0));
        copy.field(body).int(key_id).field(sealed).bool(state.edited).bool(state.deleted);
    }
    copy
}

async fn insert_rows(tx: &mut PgConnection, rows: &[NewRow<'_>]) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "insert into messages (room, position, id, seq, kind, sender, cid, base, sent_at, imported, rev, body, key_id, sealed, edited, deleted)
         select *
         from unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::text[], $6::uuid[], $7::uuid[], $8::bigint[], $9::bigint[], $10::boolean[],
                     $11::bigint[], $12::text[], $13::bigint[], $14::bytea[], $15::boolean[], $16::boolean[])",
    )
    .bind(rows.iter().map(|row| row.record.room.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| sql::int(row.position.0)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.id.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.seq.map(sql::int)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.record.kind.name()).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.record.sender.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.record.cid.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| sql::int(row.record.base.0)).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.record.sent_at.0).collect::<Vec<_>>())
    .bind(rows.iter().map(|row| row.record.imported).collect::<Vec<_>>());
    StateColumns::of(rows.iter().map(|row| row.state)).bind(query).execute(tx).await?;
    Ok(())
}

async fn change_rows(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    let query = sqlx::query(
        "update messages m
         set rev = c.rev, body = c.body, key_id = c.key_id, sealed = c.sealed, edited = m.edited or c.edited, deleted = m.deleted or c.deleted
         from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::bytea[], $7::boolean[], $8::boolean[])
              as c (room, position, rev, body, key_id, sealed, edited, deleted)
         where m.room = c.room and m.position = c.position",
    )
    .bind(plan.changed.values().map(|row| row.room.0).collect::<Vec<_>>())
    .bind(plan.changed.values().map(|row| sql::int(row.position.0)).collect::<Vec<_>>());
    StateColumns::of(plan.changed.values().map(|row| row.state)).bind(query).execute(tx).await?;
    Ok(())
}

async fn write_marks(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    if !plan.rooms.is_empty() {
        sqlx::query(
            "insert into room_positions (room, last_seq, last_position, last_sent_at)
             select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])
             on conflict (room) do update
             set last_seq = excluded.last_seq, last_position = excluded.last_position, last_sent_at = excluded.last_sent_at",
        )
        .bind(plan.rooms.keys().map(|room| room.0).collect::<Vec<_>>())
        .bind(plan.rooms.values().map(|mark| sql::int(mark.last_seq)).collect::<Vec<_>>())
        .bind(plan.rooms.values().map(|mark| sql::int(mark.last_position.0)).collect::<Vec<_>>())
        .bind(plan.rooms.values().map(|mark| mark.last_sent_at.map(|at| at.0)).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    }
    if !plan.reads.is_empty() {
        sqlx::query(
            "insert into read_marks (room, user_id, seq)
             select * from unnest($1::uuid[], $2::uuid[], $3::bigint[])
             on conflict (room, user_id) do update set seq = excluded.seq",
        )
        .bind(plan.reads.keys().map(|(room, _)| room.0).collect::<Vec<_>>())
        .bind(plan.reads.keys().map(|(_, user)| user.0).collect::<Vec<_>>())
        .bind(plan.reads.values().map(|seq| sql::int(*seq)).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    }
    Ok(())
}

async fn write_votes(tx: &mut PgConnection, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    if !plan.votes.is_empty() {
        sqlx::query(
            "insert into votes (message, user_id, position, value)
             select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
             on conflict (message, user_id) do update set position = excluded.position, value = excluded.value where excluded.position > votes.position",
        )
        .bind(plan.votes.keys().map(|(message, _)| message.0).collect::<Vec<_>>())
        .bind(plan.votes.keys().map(|(_, user)| user.0).collect::<Vec<_>>())
        .bind(plan.votes.values().map(|vote| sql::int(vote.position.0)).collect::<Vec<_>>())
        .bind(plan.votes.values().map(|vote| vote.value).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "insert into tallies (message, room, position, sum, count, tally_rev, sent_at)
             select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
             on conflict (message) do update
             set sum = excluded.sum, count = excluded.count, tally_rev = excluded.tally_rev, sent_at = excluded.sent_at",
        )
        .bind(plan.tallies.keys().map(|message| message.0).collect::<Vec<_>>())
        .bind(plan.tallies.values().map(|tally| tally.room.0).collect::<Vec<_>>())
        .bind(plan.tallies.values().map(|tally| sql::int(tally.position.0)).collect::<Vec<_>>())
        .bind(plan.tallies.values().map(|tally| tally.sum).collect::<Vec<_>>())
        .bind(plan.tallies.values().map(|tally| sql::int(tally.count)).collect::<Vec<_>>())
        .bind(plan.tallies.values().map(|tally| sql::int(tally.rev.0)).collect::<Vec<_>>())
        .bind(plan.tallies.values().map(|tally| tally.sent_at.0).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    }
    if !plan.reactions.is_empty() {
        sqlx::query(
            "insert into reactions (message, user_id, emoji, position, present)
             select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::boolean[])
             on conflict (message, user_id, emoji) do update set position = excluded.position, present = excluded.present
             where excluded.position > reactions.position",
        )
        .bind(plan.reactions.keys().map(|(message, _, _)| message.0).collect::<Vec<_>>())
        .bind(plan.reactions.keys().map(|(_, user, _)| user.0).collect::<Vec<_>>())
        .bind(plan.reactions.keys().map(|(_, _, emoji)| emoji.as_str()).collect::<Vec<_>>())
        .bind(plan.reactions.values().map(|(position, _)| sql::int(position.0)).collect::<Vec<_>>())
        .bind(plan.reactions.values().map(|(_, present)| *present).collect::<Vec<_>>())
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Outbox rows that have arrived, dead letters, counters.
async fn write_leftovers(tx: &mut PgConnection, batch: &Batch, plan: &Plan<'_>) -> Result<(), sqlx::Error> {
    if !plan.arrived.is_empty() {
        sqlx::query("delete from outbox where id = any($1)").bind(plan.arrived.iter().map(|cid| cid.0).collect::<Vec<_>>()).execute(&mut *tx).await?;
    }
    if !plan.dead_letters.is_empty() {
        sqlx::query(
            "insert into dead_letters (partition, position, reason, bytes)
             select $1, letter.position, letter.reason, letter.bytes
             from unnest($2::bigint[], $3::text[], $4::bytea[]) as letter (position, reason, bytes)",
        )
        .bind(i32::from(batch.partition.0))
        .bind(plan.dead_letters.iter().map(|letter| sql::int(letter.position.0)).collect::<Vec<_>>())
        // Postgres has no NUL in texts, and a dead letter is never refused.
        .bind(plan.dead_letters.iter().map(|letter| letter.reason.replace('\0', "\u{FFFD}")).collect::<Vec<_>>())
        .bind(plan.dead_letters.iter().map(|letter| &letter.bytes[..]).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    }
    let outcomes = &plan.outcomes;
    sqlx::query(
        "update partitions
         set applied = applied + $1, superseded = superseded + $2, duplicate = duplicate + $3,
             expired = expired + $4, dead_letter = dead_letter + $5, control = control + $6
         where partition = $7",
    )
    .bind(sql::int(outcomes.applied))
    .bind(sql::int(outcomes.superseded))
    .bind(sql::int(outcomes.duplicate))
    .bind(sql::int(outcomes.expired))
    .bind(sql::int(outcomes.dead_letter))
    .bind(sql::int(outcomes.control))
    .bind(i32::from(batch.partition.0))
    .execute(tx)
    .await?;
    Ok(())
}
