//! The tables, row by row, beside what the log says. All of it is read in one transaction, so it holds while the persister writes.

use std::collections::{BTreeMap, HashMap};

use futures::TryStreamExt;
use parley_engines::store::projection::REFUSED;
use parley_proto::{Body, Cursor, Kind, LogId, MessageId, PartitionId, Position, RoomId, UserId, codec};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    expected::{Expected, Outcomes, Row, Tally},
    report::Check,
};

/// A row of `partitions`.
#[derive(Debug, Clone)]
pub(super) struct PartitionRow {
    pub(super) open: bool,
    pub(super) log_id: LogId,
    pub(super) next: Cursor,
    pub(super) outcomes: Outcomes,
    pub(super) last_hash: Option<Vec<u8>>,
}

pub(super) async fn partitions(tx: &mut PgConnection) -> Result<BTreeMap<PartitionId, PartitionRow>, sqlx::Error> {
    let rows = sqlx::query("select * from partitions").fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            let count = |column| number(row, column);
            let outcomes = Outcomes {
                applied: count("applied")?,
                superseded: count("superseded")?,
                duplicate: count("duplicate")?,
                expired: count("expired")?,
                dead_letter: count("dead_letter")?,
                control: count("control")?,
            };
            let open = row.try_get::<String, _>("phase")? == "open";
            let partition = PartitionId(u16::try_from(row.try_get::<i32, _>("partition")?).map_err(|error| sqlx::Error::Decode(error.into()))?);
            let log_id = LogId(row.try_get("log_id")?);
            Ok((partition, PartitionRow { open, log_id, next: Cursor(count("next")?), outcomes, last_hash: row.try_get("last_hash")? }))
        })
        .collect()
}

/// How many changes of rooms and members have not come back from the log.
pub(super) async fn outbox(tx: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let row = sqlx::query("select count(*) as waiting from outbox").fetch_one(tx).await?;
    number(&row, "waiting")
}

/// A good record that the database did not take.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) partition: PartitionId,
    pub(super) position: Position,
    bytes: Vec<u8>,
    redriven: bool,
}

pub(super) async fn refused(tx: &mut PgConnection) -> Result<Vec<Refused>, sqlx::Error> {
    let rows = sqlx::query("select partition, position, bytes, redriven from dead_letters where starts_with(reason, $1)").bind(REFUSED).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            let partition = PartitionId(u16::try_from(row.try_get::<i32, _>("partition")?).map_err(|error| sqlx::Error::Decode(error.into()))?);
            let redriven = row.try_get::<Option<i64>, _>("redriven")?.is_some();
            Ok(Refused { partition, position: Position(number(row, "position")?), bytes: row.try_get("bytes")?, redriven })
        })
        .collect()
}

/// What was accepted and refused afterwards is lost, unless an operator had it appended once more.
pub(super) fn none_is_lost(refused: &[Refused], expected: &BTreeMap<PartitionId, Expected>) -> Check {
    let mut check = Check::new("accepted records that the database refused: each was driven once more");
    for Refused { partition, position, bytes, redriven } in refused {
        let row = codec::decode(bytes).ok().filter(|record| record.kind.is_row()).map(|record| record.id());
        let is_there = match row {
            Some(id) => expected.get(partition).is_some_and(|expected| expected.has_row(id)),
            None => *redriven,
        };
        check.that(is_there, || format!("{partition}:{position}: see `parley dead-letters show`"));
    }
    check
}

/// Compares every table that the log feeds with what it should hold.
pub(super) async fn compare(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Vec<Check>, sqlx::Error> {
    Ok(vec![
        messages(tx, expected).await?,
        marks(tx, expected).await?,
        votes(tx, expected).await?,
        tallies(tx, expected).await?,
        reactions(tx, expected).await?,
        read_marks(tx, expected).await?,
        dead_letters(tx, expected).await?,
        rooms(tx, expected).await?,
        members(tx, expected).await?,
        member_counts(tx).await?,
    ])
}

async fn messages(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let mut check = Check::new("messages: every row as the log has it, one per identity, seq without gaps");
    let mut seen = 0;
    let mut rows = sqlx::query("select * from messages").fetch(tx);
    while let Some(row) = rows.try_next().await? {
        let (room, position) = (RoomId(row.try_get("room")?), Position(number(&row, "position")?));
        let wanted = expected.get(&room.partition()).and_then(|expected| expected.rows.get(&(room, position)));
        let there = timeline_row(&row)?;
        seen += u64::from(wanted.is_some());
        check.equal(&Some(&there), &wanted, || format!("{room} at {position}"));
    }
    let wanted: u64 = expected.values().map(|expected| expected.rows.len() as u64).sum();
    check.equal(&seen, &wanted, || "rows that the log has and the store as well".to_owned());
    Ok(check)
}

fn timeline_row(row: &PgRow) -> Result<Row, sqlx::Error> {
    let name: String = row.try_get("kind")?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| sqlx::Error::Decode(format!("kind {name}").into()))?;
    let plain = row.try_get::<Option<String>, _>("body")?.map(Body::Plain);
    let sealed = match (row.try_get::<Option<i64>, _>("key_id")?, row.try_get::<Option<Vec<u8>>, _>("sealed")?) {
        (Some(key_id), Some(data)) => {
            Some(Body::A256Gcm { key_id: u32::try_from(key_id).map_err(|error| sqlx::Error::Decode(error.into()))?, data: data.into() })
        }
        _ => None,
    };
    let seq = row.try_get::<Option<i64>, _>("seq")?.map(i64::unsigned_abs);
    Ok(Row {
        id: MessageId(row.try_get("id")?),
        seq,
        rev: Position(number(row, "rev")?),
        kind,
        sender: UserId(row.try_get("sender")?),
        body: plain.or(sealed),
        sent_at: row.try_get("sent_at")?,
        imported: row.try_get("imported")?,
        edited: row.try_get("edited")?,
        deleted: row.try_get("deleted")?,
    })
}

async fn marks(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let rows = sqlx::query("select room, last_seq, last_position from room_positions").fetch_all(tx).await?;
    let there = rows
        .iter()
        .map(|row| Ok((row.try_get::<Uuid, _>("room")?, (number(row, "last_seq")?, number(row, "last_position")?))))
        .collect::<Result<HashMap<_, _>, sqlx::Error>>()?;
    let wanted = all(expected, |expected| expected.marks.iter().map(|(room, mark)| (room.0, (mark.last_seq, mark.last_position.0))));
    Ok(same("room positions: (last seq, last position)", &there, &wanted))
}

async fn votes(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let rows = sqlx::query("select message, user_id, position, value from votes").fetch_all(tx).await?;
    let there = rows
        .iter()
        .map(|row| Ok(((row.try_get::<Uuid, _>("message")?, row.try_get::<Uuid, _>("user_id")?), (number(row, "position")?, row.try_get("value")?))))
        .collect::<Result<HashMap<_, (u64, i64)>, sqlx::Error>>()?;
    let wanted = all(expected, |expected| expected.votes.iter().map(|((message, user), (position, value))| ((message.0, user.0), (position.0, *value))));
    Ok(same("votes: (position, value) of the newest per person and message", &there, &wanted))
}

async fn tallies(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let rows = sqlx::query("select message, sum, count, tally_rev from tallies").fetch_all(tx).await?;
    let there = rows
        .iter()
        .map(|row| {
            let tally = Tally { sum: row.try_get("sum")?, count: number(row, "count")?, rev: Position(number(row, "tally_rev")?) };
            Ok((row.try_get::<Uuid, _>("message")?, tally))
        })
        .collect::<Result<HashMap<_, _>, sqlx::Error>>()?;
    let wanted = all(expected, |expected| expected.tallies.iter().map(|(message, tally)| (message.0, *tally)));
    Ok(same("tallies: each the sum over the votes", &there, &wanted))
}

async fn reactions(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let rows = sqlx::query("select message, user_id, emoji, position, present from reactions").fetch_all(tx).await?;
    let there = rows
        .iter()
        .map(|row| {
            let key = (row.try_get::<Uuid, _>("message")?, row.try_get::<Uuid, _>("user_id")?, row.try_get::<String, _>("emoji")?);
            Ok((key, (number(row, "position")?, row.try_get("present")?)))
        })
        .collect::<Result<HashMap<_, (u64, bool)>, sqlx::Error>>()?;
    let wanted = all(expected, |expected| {
        expected.reactions.iter().map(|((message, user, emoji), (position, present))| ((message.0, user.0, emoji.clone()), (position.0, *present)))
    });
    Ok(same("reactions", &there, &wanted))
}

async fn read_marks(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let rows = sqlx::query("select room, user_id, seq from read_marks").fetch_all(tx).await?;
    let there = rows
        .iter()
        .map(|row| Ok(((row.try_get::<Uuid, _>("room")?, row.try_get::<Uuid, _>("user_id")?), number(row, "seq")?)))
        .collect::<Result<HashMap<_, _>, sqlx::Error>>()?;
    let wanted = all(expected, |expected| expected.read_marks.iter().map(|((room, user), seq)| ((room.0, user.0), *seq)));
    Ok(same("read marks", &there, &wanted))
}

async fn dead_letters(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let rows = sqlx::query("select partition, position, bytes from dead_letters").fetch_all(tx).await?;
    let there = rows
        .iter()
        .map(|row| Ok(((row.try_get::<i32, _>("partition")?, number(row, "position")?), row.try_get::<Vec<u8>, _>("bytes")?)))
        .collect::<Result<HashMap<_, _>, sqlx::Error>>()?;
    let mut wanted = HashMap::new();
    for (partition, expected) in expected {
        wanted.extend(expected.dead_letters.iter().map(|(position, bytes)| ((i32::from(partition.0), position.0), bytes.clone())));
    }
    Ok(same("dead letters: exactly what the log has that can't be read", &there, &wanted))
}

/// Rooms are decided in the store and told to the log: the store may be ahead of it, never behind, and at the same version both say the same.
async fn rooms(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let mut check = Check::new("rooms: as the newest event of the log has them");
    let rows = sqlx::query("select id, name, topic, visibility, archived, version from rooms").fetch_all(tx).await?;
    let mut there = HashMap::new();
    for row in &rows {
        let texts = (row.try_get::<String, _>("name")?, row.try_get::<String, _>("topic")?, row.try_get::<String, _>("visibility")?);
        there.insert(RoomId(row.try_get("id")?), (row.try_get::<i64, _>("version")?, texts, row.try_get::<bool, _>("archived")?));
    }
    for (room, wanted) in expected.values().flat_map(|expected| &expected.rooms) {
        let Some((version, texts, archived)) = there.get(room) else {
            check.that(false, || format!("{room} is in the log and not in the store"));
            continue;
        };
        check.that(*version >= wanted.version, || format!("{room} has version {version}, the log {}", wanted.version));
        if *version == wanted.version {
            let visibility = serde_json::to_value(wanted.row.visibility).unwrap_or_default().as_str().unwrap_or_default().to_owned();
            let logged = (wanted.row.name.clone(), wanted.row.topic.clone(), visibility);
            check.equal(&(texts, *archived), &(&logged, wanted.row.archived), || room.to_string());
        }
    }
    Ok(check)
}

/// The same for members.
async fn members(tx: &mut PgConnection, expected: &BTreeMap<PartitionId, Expected>) -> Result<Check, sqlx::Error> {
    let mut check = Check::new("members: as the newest event of the log has them");
    let rows = sqlx::query("select room, user_id, role, version from members").fetch_all(tx).await?;
    let mut there = HashMap::new();
    for row in &rows {
        let key = (RoomId(row.try_get("room")?), UserId(row.try_get("user_id")?));
        there.insert(key, (row.try_get::<i64, _>("version")?, row.try_get::<Option<String>, _>("role")?));
    }
    for (key, wanted) in expected.values().flat_map(|expected| &expected.members) {
        let known = there.get(key);
        let behind = known.is_none_or(|(version, _)| *version < wanted.version);
        check.that(!behind, || format!("{key:?}: there is {known:?}, the log has {wanted:?}"));
        if let Some((version, role)) = known
            && *version == wanted.version
        {
            let logged = wanted.row.and_then(|role| serde_json::to_value(role).ok()?.as_str().map(str::to_owned));
            check.equal(role, &logged, || format!("{key:?}"));
        }
    }
    Ok(check)
}

async fn member_counts(tx: &mut PgConnection) -> Result<Check, sqlx::Error> {
    let mut check = Check::new("member counts: each the number of its members");
    let rows = sqlx::query(
        "select r.id, r.member_count, coalesce(m.count, 0) as counted
         from rooms r left join (select room, count(*) as count from members where role is not null group by room) m on m.room = r.id",
    )
    .fetch_all(tx)
    .await?;
    for row in &rows {
        let (room, there, counted): (Uuid, i64, i64) = (row.try_get("id")?, row.try_get("member_count")?, row.try_get("counted")?);
        check.equal(&there, &counted, || room.to_string());
    }
    Ok(check)
}

fn number(row: &PgRow, column: &str) -> Result<u64, sqlx::Error> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// What all partitions expect of one table.
fn all<'a, K, V, I>(expected: &'a BTreeMap<PartitionId, Expected>, of: impl Fn(&'a Expected) -> I) -> HashMap<K, V>
where
    K: std::hash::Hash + Eq,
    I: Iterator<Item = (K, V)> + 'a,
{
    expected.values().flat_map(of).collect()
}

/// Compares two whole tables.
fn same<K, V>(name: &'static str, there: &HashMap<K, V>, wanted: &HashMap<K, V>) -> Check
where
    K: std::hash::Hash + Eq + std::fmt::Debug,
    V: PartialEq + std::fmt::Debug,
{
    let mut check = Check::new(name);
    for (key, wanted) in wanted {
        check.equal(&there.get(key), &Some(wanted), || format!("{key:?}"));
    }
    for key in there.keys().filter(|key| !wanted.contains_key(key)) {
        check.that(false, || format!("{key:?} is in the store and not in the log"));
    }
    check
}
