//! Rooms in SQLite.

use async_trait::async_trait;
use parley_proto::{
    RoomId, UserId,
    event::{EventName, MemberRow, Role, RoomRow, SystemEvent, Visibility},
};

use super::{
    SqliteStore, call,
    roster::{self, StoredRoom},
    sql,
};
use crate::store::{
    Direction, Page, PageRequest, StoreUnavailable,
    page::{cut, fetch_limit},
    rooms::{ActivityKey, DirectoryKey, NewRoom, Room, RoomCreated, Rooms},
};

#[async_trait]
impl Rooms for SqliteStore {
    async fn create_room(&self, room: &NewRoom) -> Result<RoomCreated, StoreUnavailable> {
        let event = SystemEvent {
            event: EventName::Created,
            version: 1,
            room: RoomRow {
                id: room.id,
                kind: "room".to_owned(),
                name: room.name.clone(),
                topic: room.topic.clone(),
                visibility: room.visibility,
                archived: false,
                created_at: room.created_at,
            },
            member: Some(MemberRow { user: room.owner, role: Some(Role::Owner), joined_at: room.created_at }),
        };
        call(async {
            let mut tx = self.write().await?;
            if let Some(existing) = roster::room(&mut tx, room.id).await? {
                return Ok(RoomCreated::Created(existing));
            }
            if room.visibility == Visibility::Public {
                let taken: bool = sqlx::query_scalar("select exists (select 1 from rooms where public_name = ?)")
                    .bind(sql::fold_case(&room.name))
                    .fetch_one(&mut *tx)
                    .await?;
                if taken {
                    return Ok(RoomCreated::NameTaken);
                }
            }
            roster::apply(&mut tx, &event).await?;
            roster::announce(&mut tx, &event, room.owner, room.created_at).await?;
            let created = roster::room(&mut tx, room.id).await?.ok_or(sqlx::Error::RowNotFound)?;
            tx.commit().await?;
            self.announced.notify_one();
            Ok(RoomCreated::Created(created))
        })
        .await
    }

    async fn room(&self, id: RoomId) -> Result<Option<Room>, StoreUnavailable> {
        call(async { roster::room(&mut *self.readers.acquire().await?, id).await }).await
    }

    async fn rooms_of(&self, user: UserId, page: &PageRequest<ActivityKey>) -> Result<Page<Room>, StoreUnavailable> {
        let start = page.start.map(|key| (key.last_activity_at.0.saturating_neg(), key.room));
        let (number, id) = edge(start, page.direction);
        let sql = match page.direction {
            Direction::Forward => {
                "select * from (
                     select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                            coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
                     from members m join rooms r on r.id = m.room left join room_positions p on p.room = r.id
                     where m.user = ? and m.role is not null)
                 where (-last_activity_at, id) > (?, ?)
                 order by -last_activity_at, id
                 limit ?"
            }
            Direction::Backward => {
                "select * from (
                     select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                            coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
                     from members m join rooms r on r.id = m.room left join room_positions p on p.room = r.id
                     where m.user = ? and m.role is not null)
                 where (-last_activity_at, id) < (?, ?)
                 order by -last_activity_at desc, id desc
                 limit ?"
            }
        };
        call(async {
            let rows: Vec<StoredRoom> =
                sqlx::query_as(sql).bind(sql::blob(user.0)).bind(number).bind(id).bind(fetch_limit(page.limit)).fetch_all(&self.readers).await?;
            cut(page, rows, StoredRoom::room)
        })
        .await
    }

    async fn public_rooms(&self, query: Option<&str>, page: &PageRequest<DirectoryKey>) -> Result<Page<Room>, StoreUnavailable> {
        let start = page.start.map(|key| (-sql::int(key.members), key.room));
        let (number, id) = edge(start, page.direction);
        let sql = match page.direction {
            Direction::Forward => {
                "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                        coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
                 from rooms r left join room_positions p on p.room = r.id
                 where r.visibility = 'public' and r.archived = 0
                   and (instr(r.name_folded, ?1) > 0 or instr(r.topic_folded, ?1) > 0)
                   and (-r.member_count, r.id) > (?2, ?3)
                 order by -r.member_count, r.id
                 limit ?4"
            }
            Direction::Backward => {
                "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                        coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
                 from rooms r left join room_positions p on p.room = r.id
                 where r.visibility = 'public' and r.archived = 0
                   and (instr(r.name_folded, ?1) > 0 or instr(r.topic_folded, ?1) > 0)
                   and (-r.member_count, r.id) < (?2, ?3)
                 order by -r.member_count desc, r.id desc
                 limit ?4"
            }
        };
        call(async {
            let rows: Vec<StoredRoom> = sqlx::query_as(sql)
                .bind(sql::fold_case(query.unwrap_or_default()))
                .bind(number)
                .bind(id)
                .bind(fetch_limit(page.limit))
                .fetch_all(&self.readers)
                .await?;
            cut(page, rows, StoredRoom::room)
        })
        .await
    }
}

/// Where a page begins: behind its start, or at the list's edge.
fn edge(start: Option<(i64, RoomId)>, direction: Direction) -> (i64, Vec<u8>) {
    match (start, direction) {
        (Some((number, room)), _) => (number, sql::blob(room.0)),
        (None, Direction::Forward) => (i64::MIN, sql::BELOW_ALL_IDS.to_vec()),
        (None, Direction::Backward) => (i64::MAX, sql::ABOVE_ALL_IDS.to_vec()),
    }
}
