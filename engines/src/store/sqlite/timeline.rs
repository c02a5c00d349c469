//! History in SQLite.

use async_trait::async_trait;
use parley_proto::{
    Cid, Cursor, MessageId, PartitionId, Position, RoomId, UnixMillis, UserId,
    item::{Item, ItemKind},
};
use sqlx::SqliteConnection;

use super::{SqliteStore, call, next_of, sql};
use crate::store::{
    Snapshot, StoreUnavailable,
    page::fetch_limit,
    timeline::{Changes, Rows, RowsAt, Timeline},
};

#[derive(sqlx::FromRow)]
pub(super) struct MessageRow {
    position: i64,
    id: Vec<u8>,
    seq: Option<i64>,
    rev: i64,
    kind: String,
    sender: Vec<u8>,
    cid: Vec<u8>,
    body: Option<String>,
    sent_at: i64,
    imported: bool,
    edited: bool,
    deleted: bool,
}

impl MessageRow {
    pub(super) fn item(self) -> Result<Item, sqlx::Error> {
        let kind = match self.kind.as_str() {
            "message" => ItemKind::Message,
            "system" => ItemKind::System,
            "removed" => ItemKind::Removed,
            "archived" => ItemKind::Archived,
            other => return Err(sqlx::Error::Decode(format!("{other} is not a kind of row").into())),
        };
        let body = match self.body {
            None => serde_json::Value::Null,
            Some(text) if kind == ItemKind::Message => serde_json::Value::String(text),
            Some(json) => serde_json::from_str(&json).unwrap_or_default(),
        };
        Ok(Item {
            position: sql::position(self.position),
            kind,
            id: MessageId(sql::uuid(&self.id)?),
            sender: UserId(sql::uuid(&self.sender)?),
            cid: Cid(sql::uuid(&self.cid)?),
            target: None,
            body,
            sent_at: UnixMillis(self.sent_at),
            rev: Some(sql::position(self.rev)),
            seq: self.seq.map(sql::count),
            imported: self.imported,
            edited: self.edited,
            deleted: self.deleted,
        })
    }
}

#[async_trait]
impl Timeline for SqliteStore {
    async fn rows(&self, room: RoomId, at: RowsAt, limit: usize) -> Result<Snapshot<Rows>, StoreUnavailable> {
        call(async {
            let mut tx = self.read().await?;
            let next = next_of(&mut tx, room.partition()).await?;
            let last_seq = last_seq(&mut tx, room).await?;
            let slice = match at {
                RowsAt::Newest => before(&mut tx, room, Cursor::LIMIT, limit).await?,
                RowsAt::Before(cursor) => before(&mut tx, room, cursor, limit).await?,
                RowsAt::From(cursor) => from(&mut tx, room, cursor, limit).await?,
                RowsAt::Around(id) => around(&mut tx, room, id, limit).await?,
            };
            Ok(Snapshot { next, value: Rows { items: slice.items, has_older: slice.has_older, has_newer: slice.has_newer, last_seq } })
        })
        .await
    }

    async fn changes(&self, room: RoomId, from: Cursor, limit: usize) -> Result<Snapshot<Changes>, StoreUnavailable> {
        call(async {
            let mut tx = self.read().await?;
            let next = next_of(&mut tx, room.partition()).await?;
            let last_seq = last_seq(&mut tx, room).await?;
            let mut rows: Vec<MessageRow> = sqlx::query_as(
                "select * from (
                     select * from (select * from messages where room = ?1 and position >= ?2 order by position limit ?3 + 0)
                     union all
                     select * from (select * from messages where room = ?1 and rev > position and rev >= ?2 and position < ?2 order by rev limit ?3 + 0))
                 order by rev
                 limit ?3 + 0",
            )
            .bind(sql::blob(room.0))
            .bind(sql::int(from.0))
            .bind(fetch_limit(limit))
            .fetch_all(&mut *tx)
            .await?;
            let truncated = rows.len() > limit;
            rows.truncate(limit);
            let items = rows.into_iter().map(MessageRow::item).collect::<Result<_, _>>()?;
            Ok(Snapshot { next, value: Changes { items, truncated, last_seq } })
        })
        .await
    }

    async fn find(&self, partition: PartitionId, ids: &[MessageId]) -> Result<Snapshot<Vec<Option<Position>>>, StoreUnavailable> {
        call(async {
            let mut tx = self.read().await?;
            let next = next_of(&mut tx, partition).await?;
            let found: Vec<(Option<Vec<u8>>, Option<i64>)> = sqlx::query_as(
                "select m.room, m.position
                 from json_each(?) j left join messages m on m.id = unhex(j.value)
                 order by j.key",
            )
            .bind(sql::id_list(ids.iter().map(|id| id.0)))
            .fetch_all(&mut *tx)
            .await?;
            let value = found
                .into_iter()
                .map(|row| match row {
                    (Some(room), Some(position)) => Ok((RoomId(sql::uuid(&room)?).partition() == partition).then(|| sql::position(position))),
                    _ => Ok(None),
                })
                .collect::<Result<_, sqlx::Error>>()?;
            Ok(Snapshot { next, value })
        })
        .await
    }
}

struct Slice {
    items: Vec<Item>,
    has_older: bool,
    has_newer: bool,
}

/// The nearest rows below the cursor.
async fn before(tx: &mut SqliteConnection, room: RoomId, cursor: Cursor, limit: usize) -> Result<Slice, sqlx::Error> {
    let mut rows: Vec<MessageRow> = sqlx::query_as("select * from messages where room = ? and position < ? order by position desc limit ? + 0")
        .bind(sql::blob(room.0))
        .bind(sql::int(cursor.0))
        .bind(fetch_limit(limit))
        .fetch_all(&mut *tx)
        .await?;
    let has_older = rows.len() > limit;
    rows.truncate(limit);
    rows.reverse();
    let has_newer: bool = sqlx::query_scalar("select exists (select 1 from messages where room = ? and position >= ?)")
        .bind(sql::blob(room.0))
        .bind(sql::int(cursor.0))
        .fetch_one(tx)
        .await?;
    Ok(Slice { items: rows.into_iter().map(MessageRow::item).collect::<Result<_, _>>()?, has_older, has_newer })
}

/// The nearest rows at or above the cursor.
async fn from(tx: &mut SqliteConnection, room: RoomId, cursor: Cursor, limit: usize) -> Result<Slice, sqlx::Error> {
    let mut rows: Vec<MessageRow> = sqlx::query_as("select * from messages where room = ? and position >= ? order by position limit ? + 0")
        .bind(sql::blob(room.0))
        .bind(sql::int(cursor.0))
        .bind(fetch_limit(limit))
        .fetch_all(&mut *tx)
        .await?;
    let has_newer = rows.len() > limit;
    rows.truncate(limit);
    let has_older: bool = sqlx::query_scalar("select exists (select 1 from messages where room = ? and position < ?)")
        .bind(sql::blob(room.0))
        .bind(sql::int(cursor.0))
        .fetch_one(tx)
        .await?;
    Ok(Slice { items: rows.into_iter().map(MessageRow::item).collect::<Result<_, _>>()?, has_older, has_newer })
}

/// The row with this id, half of `limit` in front of it, the rest behind it.
async fn around(tx: &mut SqliteConnection, room: RoomId, id: MessageId, limit: usize) -> Result<Slice, sqlx::Error> {
    let position: Option<i64> = sqlx::query_scalar("select position from messages where id = ? and room = ?")
        .bind(sql::blob(id.0))
        .bind(sql::blob(room.0))
        .fetch_optional(&mut *tx)
        .await?;
    let Some(position) = position else {
        return Ok(Slice { items: Vec::new(), has_older: false, has_newer: false });
    };
    let older = before(tx, room, sql::cursor(position), limit / 2).await?;
    let newer = from(tx, room, sql::cursor(position), limit - older.items.len()).await?;
    let items = older.items.into_iter().chain(newer.items).collect();
    Ok(Slice { items, has_older: older.has_older, has_newer: newer.has_newer })
}

async fn last_seq(tx: &mut SqliteConnection, room: RoomId) -> Result<u64, sqlx::Error> {
    let last_seq: Option<i64> = sqlx::query_scalar("select last_seq from room_positions where room = ?").bind(sql::blob(room.0)).fetch_optional(tx).await?;
    Ok(last_seq.map_or(0, sql::count))
}
