//! The rows of rooms and members: changed at once together with an outbox row, or repeated from an event of the log.

use parley_proto::{
    Cid, RoomId, UnixMillis, UserId,
    event::{MemberRow, Role, RoomRow, SystemEvent, Visibility},
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::sql;
use crate::store::rooms::{Membership, Room};

#[derive(sqlx::FromRow)]
pub(super) struct StoredRoom {
    id: Vec<u8>,
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
    pub(super) fn room(self) -> Result<Room, sqlx::Error> {
        Ok(Room {
            id: RoomId(sql::uuid(&self.id)?),
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
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct StoredMember {
    room: Vec<u8>,
    user: Vec<u8>,
    role: String,
    joined_at: i64,
    version: i64,
}

impl StoredMember {
    pub(super) fn membership(self) -> Result<Membership, sqlx::Error> {
        Ok(Membership {
            room: RoomId(sql::uuid(&self.room)?),
            user: UserId(sql::uuid(&self.user)?),
            role: role(&self.role),
            joined_at: UnixMillis(self.joined_at),
            version: self.version,
        })
    }
}

/// The room as this transaction sees it.
pub(super) async fn room(tx: &mut SqliteConnection, id: RoomId) -> Result<Option<Room>, sqlx::Error> {
    let row: Option<StoredRoom> = sqlx::query_as(
        "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
         from rooms r left join room_positions p on p.room = r.id
         where r.id = ?",
    )
    .bind(sql::blob(id.0))
    .fetch_optional(tx)
    .await?;
    row.map(StoredRoom::room).transpose()
}

/// The membership as this transaction sees it.
pub(super) async fn member(tx: &mut SqliteConnection, room: RoomId, user: UserId) -> Result<Option<Membership>, sqlx::Error> {
    let row: Option<StoredMember> = sqlx::query_as("select room, user, role, joined_at, version from members where room = ? and user = ? and role is not null")
        .bind(sql::blob(room.0))
        .bind(sql::blob(user.0))
        .fetch_optional(tx)
        .await?;
    row.map(StoredMember::membership).transpose()
}

/// The room's next version, or `None` if there is no such room.
pub(super) async fn bump_version(tx: &mut SqliteConnection, room: RoomId) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar("update rooms set version = version + 1 where id = ? returning version").bind(sql::blob(room.0)).fetch_optional(tx).await
}

/// Writes what the event says of the room and the member, each if the event's version is greater than the row's.
pub(super) async fn apply(tx: &mut SqliteConnection, event: &SystemEvent) -> Result<(), sqlx::Error> {
    apply_room(tx, &event.room, event.version).await?;
    if let Some(member) = &event.member {
        apply_member(tx, event.room.id, member, event.version).await?;
    }
    Ok(())
}

async fn apply_room(tx: &mut SqliteConnection, room: &RoomRow, version: i64) -> Result<(), sqlx::Error> {
    // A rebuild repeats partitions one after the other: where another public room holds the name just then, this one does without the claim.
    sqlx::query(
        "insert into rooms (id, kind, name, name_folded, topic, topic_folded, visibility, archived, version, created_at, public_name)
         select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                case when ?7 = 'public' and not exists (select 1 from rooms where public_name = ?4 and id <> ?1) then ?4 end
         where true
         on conflict (id) do update
         set kind = excluded.kind, name = excluded.name, name_folded = excluded.name_folded, topic = excluded.topic, topic_folded = excluded.topic_folded,
             visibility = excluded.visibility, archived = excluded.archived, version = excluded.version, public_name = excluded.public_name
         where excluded.version > rooms.version",
    )
    .bind(sql::blob(room.id.0))
    .bind(room.kind.clone())
    .bind(room.name.clone())
    .bind(sql::fold_case(&room.name))
    .bind(room.topic.clone())
    .bind(sql::fold_case(&room.topic))
    .bind(visibility_name(room.visibility))
    .bind(room.archived)
    .bind(version)
    .bind(room.created_at.0)
    .execute(tx)
    .await?;
    Ok(())
}

async fn apply_member(tx: &mut SqliteConnection, room: RoomId, member: &MemberRow, version: i64) -> Result<(), sqlx::Error> {
    let stored: Option<(bool, i64)> = sqlx::query_as("select role is not null, version from members where room = ? and user = ?")
        .bind(sql::blob(room.0))
        .bind(sql::blob(member.user.0))
        .fetch_optional(&mut *tx)
        .await?;
    let (was, stored_version) = stored.unwrap_or((false, 0));
    if version <= stored_version {
        return Ok(());
    }
    sqlx::query(
        "insert into members (room, user, role, joined_at, version) values (?, ?, ?, ?, ?)
         on conflict (room, user) do update set role = excluded.role, joined_at = excluded.joined_at, version = excluded.version",
    )
    .bind(sql::blob(room.0))
    .bind(sql::blob(member.user.0))
    .bind(member.role.map(role_name))
    .bind(member.joined_at.0)
    .bind(version)
    .execute(&mut *tx)
    .await?;
    let change = i64::from(member.role.is_some()) - i64::from(was);
    if change != 0 {
        sqlx::query("update rooms set member_count = member_count + ? where id = ?").bind(change).bind(sql::blob(room.0)).execute(tx).await?;
    }
    Ok(())
}

/// Writes the event into the outbox: the persister appends it to the log with this row's id as cid.
pub(super) async fn announce(tx: &mut SqliteConnection, event: &SystemEvent, sender: UserId, now: UnixMillis) -> Result<(), sqlx::Error> {
    let body = serde_json::to_string(event).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("insert into outbox (id, partition, room, sender, body, created_at) values (?, ?, ?, ?, ?, ?)")
        .bind(sql::blob(Cid(Uuid::now_v7()).0))
        .bind(i64::from(event.room.id.partition().0))
        .bind(sql::blob(event.room.id.0))
        .bind(sql::blob(sender.0))
        .bind(body)
        .bind(now.0)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) fn role_name(role: Role) -> &'static str {
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
