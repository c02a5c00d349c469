//! The rows of rooms and members: changed at once together with an outbox row, or repeated from events of the log. The room's row is locked before anything
//! about its members is read, so whatever is decided on it still holds at the commit.

use std::collections::BTreeMap;

use parley_proto::{
    Cid, RoomId, UnixMillis, UserId,
    event::{MemberRow, Role, RoomRow, SystemEvent, Visibility},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::sql;
use crate::store::rooms::{Membership, Room};

#[derive(sqlx::FromRow)]
pub(super) struct StoredRoom {
    id: Uuid,
    kind: String,
    name: String,
    topic: String,
    visibility: String,
    archived: bool,
    version: i64,
    member_count: i64,
    created_at: i64,
    last_seq: i64,
    last_activity_at: i64,
}

impl StoredRoom {
    pub(super) fn room(self) -> Room {
        Room {
            id: RoomId(self.id),
            kind: self.kind,
            name: self.name,
            topic: self.topic,
            visibility: visibility(&self.visibility),
            archived: self.archived,
            version: self.version,
            members: sql::count(self.member_count),
            last_seq: sql::count(self.last_seq),
            last_activity_at: UnixMillis(self.last_activity_at),
            created_at: UnixMillis(self.created_at),
        }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct StoredMember {
    room: Uuid,
    user_id: Uuid,
    role: String,
    joined_at: i64,
    version: i64,
}

impl StoredMember {
    pub(super) fn membership(self) -> Membership {
        Membership { room: RoomId(self.room), user: UserId(self.user_id), role: role(&self.role), joined_at: UnixMillis(self.joined_at), version: self.version }
    }
}

pub(super) async fn room(tx: &mut PgConnection, id: RoomId) -> Result<Option<Room>, sqlx::Error> {
    let row: Option<StoredRoom> = sqlx::query_as(
        "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
         from rooms r left join room_positions p on p.room = r.id
         where r.id = $1",
    )
    .bind(id.0)
    .fetch_optional(tx)
    .await?;
    Ok(row.map(StoredRoom::room))
}

/// The room, which nobody else changes until this transaction ends.
pub(super) async fn lock_room(tx: &mut PgConnection, id: RoomId) -> Result<Option<Room>, sqlx::Error> {
    let row: Option<StoredRoom> = sqlx::query_as(
        "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
         from rooms r left join room_positions p on p.room = r.id
         where r.id = $1
         for update of r",
    )
    .bind(id.0)
    .fetch_optional(tx)
    .await?;
    Ok(row.map(StoredRoom::room))
}

pub(super) async fn member(tx: &mut PgConnection, room: RoomId, user: UserId) -> Result<Option<Membership>, sqlx::Error> {
    let row: Option<StoredMember> =
        sqlx::query_as("select room, user_id, role, joined_at, version from members where room = $1 and user_id = $2 and role is not null")
            .bind(room.0)
            .bind(user.0)
            .fetch_optional(tx)
            .await?;
    Ok(row.map(StoredMember::membership))
}

/// The room's next version, or `None` if there is no such room. Locks it.
pub(super) async fn bump_version(tx: &mut PgConnection, room: RoomId) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("update rooms set version = version + 1 where id = $1 returning version").bind(room.0).fetch_optional(tx).await
}

/// A new room that claims its name if it is public: a violation of [`PUBLIC_NAME`] says that another one has it. False if the id is there already.
pub(super) async fn insert_room(tx: &mut PgConnection, room: &RoomRow, version: i64) -> Result<bool, sqlx::Error> {
    let name_folded = sql::fold_case(&room.name);
    let inserted = sqlx::query(
        "insert into rooms (id, kind, name, name_folded, topic, topic_folded, visibility, archived, version, created_at, public_name)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict on constraint rooms_key do nothing",
    )
    .bind(room.id.0)
    .bind(&room.kind)
    .bind(&room.name)
    .bind(&name_folded)
    .bind(&room.topic)
    .bind(sql::fold_case(&room.topic))
    .bind(visibility_name(room.visibility))
    .bind(room.archived)
    .bind(version)
    .bind(room.created_at.0)
    .bind((room.visibility == Visibility::Public).then_some(&name_folded))
    .execute(tx)
    .await?
    .rows_affected();
    Ok(inserted == 1)
}

/// The constraint that keeps two public rooms from having one name.
pub(super) const PUBLIC_NAME: &str = "rooms_public_name";

/// Writes what the events say of rooms and members, each if the event's version is greater than the row's.
pub(super) async fn apply(tx: &mut PgConnection, events: &[SystemEvent]) -> Result<(), sqlx::Error> {
    let mut rooms: BTreeMap<RoomId, Versioned<'_, RoomRow>> = BTreeMap::new();
    let mut members: BTreeMap<(RoomId, UserId), Versioned<'_, MemberRow>> = BTreeMap::new();
    for event in events {
        let room = Versioned { row: &event.room, version: event.version };
        rooms.entry(event.room.id).and_modify(|known| known.replace_by(room)).or_insert(room);
        if let Some(member) = &event.member {
            let key = (event.room.id, member.user);
            let member = Versioned { row: member, version: event.version };
            members.entry(key).and_modify(|known| known.replace_by(member)).or_insert(member);
        }
    }
    if !rooms.is_empty() {
        apply_rooms(tx, rooms.values().copied().collect()).await?;
    }
    if !members.is_empty() {
        apply_members(tx, &members).await?;
    }
    Ok(())
}

/// A row as an event has it.
#[derive(Debug)]
struct Versioned<'a, T> {
    row: &'a T,
    version: i64,
}

impl<T> Clone for Versioned<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Versioned<'_, T> {}

impl<T> Versioned<'_, T> {
    fn replace_by(&mut self, other: Self) {
        if other.version > self.version {
            *self = other;
        }
    }
}

/// `on conflict` locks the rows that it leaves as they are, too.
async fn apply_rooms(tx: &mut PgConnection, rooms: Vec<Versioned<'_, RoomRow>>) -> Result<(), sqlx::Error> {
    let changed: Vec<(Uuid, bool)> = sqlx::query_as(
        "insert into rooms as r (id, kind, name, name_folded, topic, topic_folded, visibility, archived, version, created_at)
         select *
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::bigint[], $10::bigint[])
         on conflict (id) do update
         set kind = excluded.kind, name = excluded.name, name_folded = excluded.name_folded, topic = excluded.topic, topic_folded = excluded.topic_folded,
             visibility = excluded.visibility, archived = excluded.archived, version = excluded.version,
             public_name = case when excluded.visibility = 'public' and r.public_name = excluded.name_folded then r.public_name end
         where excluded.version > r.version
         returning r.id, r.visibility = 'public' and r.public_name is null",
    )
    .bind(rooms.iter().map(|room| room.row.id.0).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| room.row.kind.as_str()).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| room.row.name.as_str()).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| sql::fold_case(&room.row.name)).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| room.row.topic.as_str()).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| sql::fold_case(&room.row.topic)).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| visibility_name(room.row.visibility)).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| room.row.archived).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| room.version).collect::<Vec<_>>())
    .bind(rooms.iter().map(|room| room.row.created_at.0).collect::<Vec<_>>())
    .fetch_all(&mut *tx)
    .await?;
    let unclaimed: Vec<_> = changed.into_iter().filter(|(_, is_unclaimed)| *is_unclaimed).map(|(id, _)| id).collect();
    if unclaimed.is_empty() {
        return Ok(());
    }
    // A rebuild repeats partitions one after the other: where another public room holds the name just then, this one does without the claim.
    sqlx::query(
        "update rooms r set public_name = r.name_folded
         where r.id in (select distinct on (name_folded) id from rooms where id = any($1) order by name_folded, id)
           and not exists (select 1 from rooms other where other.public_name = r.name_folded)",
    )
    .bind(unclaimed)
    .execute(tx)
    .await?;
    Ok(())
}

async fn apply_members(tx: &mut PgConnection, members: &BTreeMap<(RoomId, UserId), Versioned<'_, MemberRow>>) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with said as (
             select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[]) as said (room, user_id, role, joined_at, version)),
         before as (
             select m.room, m.user_id from members m join said using (room, user_id) where m.role is not null),
         written as (
             insert into members as m (room, user_id, role, joined_at, version)
             select room, user_id, role, joined_at, version from said
             on conflict (room, user_id) do update set role = excluded.role, joined_at = excluded.joined_at, version = excluded.version
             where excluded.version > m.version
             returning m.room, m.user_id, m.role),
         change as (
             select w.room, count(w.role) - count(b.user_id) as difference
             from written w left join before b using (room, user_id)
             group by w.room)
         update rooms r set member_count = r.member_count + c.difference from change c where r.id = c.room and c.difference <> 0",
    )
    .bind(members.keys().map(|(room, _)| room.0).collect::<Vec<_>>())
    .bind(members.keys().map(|(_, user)| user.0).collect::<Vec<_>>())
    .bind(members.values().map(|member| member.row.role.map(role_name)).collect::<Vec<_>>())
    .bind(members.values().map(|member| member.row.joined_at.0).collect::<Vec<_>>())
    .bind(members.values().map(|member| member.version).collect::<Vec<_>>())
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes the event into the outbox: the persister appends it to the log with this row's id as cid. The room's row is locked by now.
pub(super) async fn announce(tx: &mut PgConnection, event: &SystemEvent, sender: UserId, now: UnixMillis) -> Result<(), sqlx::Error> {
    let body = serde_json::to_string(event).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("insert into outbox (id, partition, room, sender, body, created_at) values ($1, $2, $3, $4, $5, $6)")
        .bind(Cid(Uuid::now_v7()).0)
        .bind(i32::from(event.room.id.partition().0))
        .bind(event.room.id.0)
        .bind(sender.0)
        .bind(body)
        .bind(now.0)
        .execute(tx)
        .await?;
    Ok(())
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Member => "member",
    }
}

pub(super) fn role(name: &str) -> Role {
    if name == "owner" { Role::Owner } else { Role::Member }
}

fn visibility_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
    }
}

pub(super) fn visibility(name: &str) -> Visibility {
    if name == "public" { Visibility::Public } else { Visibility::Private }
}
