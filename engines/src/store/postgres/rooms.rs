//! Rooms in Postgres.

use async_trait::async_trait;
use parley_proto::{
    RoomId, UserId,
    event::{EventName, MemberRow, Role, RoomRow, SystemEvent},
};

use super::{
    PostgresStore,
    page::edge,
    roster::{self, StoredRoom},
    sql,
};
use crate::store::{
    Direction, Page, PageRequest, StoreUnavailable,
    page::{cut, fetch_limit},
    rooms::{ActivityKey, DirectoryKey, NewRoom, Room, RoomCreated, Rooms},
};

#[async_trait]
impl Rooms for PostgresStore {
    async fn create_room(&self, room: &NewRoom) -> Result<RoomCreated, StoreUnavailable> {
        let event = created(room);
        self.call(async {
            let mut tx = self.write().await?;
            match roster::insert_room(&mut tx, &event.room, event.version).await {
                Err(error) if error.as_database_error().and_then(|error| error.constraint()) == Some(roster::PUBLIC_NAME) => {
                    tx.rollback().await?;
                    return Ok(RoomCreated::NameTaken);
                }
                Err(error) => return Err(error),
                // Repeated: it stays as it is.
                Ok(false) => {}
                Ok(true) => {
                    roster::apply(&mut tx, std::slice::from_ref(&event)).await?;
                    roster::announce(&mut tx, &event, room.owner, room.created_at).await?;
                }
            }
            let room = roster::room(&mut tx, room.id).await?.ok_or(sqlx::Error::RowNotFound)?;
            tx.done().await?;
            Ok(RoomCreated::Created(room))
        })
        .await
    }

    async fn room(&self, id: RoomId) -> Result<Option<Room>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let room = roster::room(&mut connection, id).await?;
            connection.done().await?;
            Ok(room)
        })
        .await
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
                     where m.user_id = $1 and m.role is not null) mine
                 where (-last_activity_at, id) > ($2, $3)
                 order by -last_activity_at, id
                 limit $4"
            }
            Direction::Backward => {
                "select * from (
                     select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                            coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
                     from members m join rooms r on r.id = m.room left join room_positions p on p.room = r.id
                     where m.user_id = $1 and m.role is not null) mine
                 where (-last_activity_at, id) < ($2, $3)
                 order by -last_activity_at desc, id desc
                 limit $4"
            }
        };
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<StoredRoom> =
                sqlx::query_as(sql).bind(user.0).bind(number).bind(id).bind(fetch_limit(page.limit)).fetch_all(&mut *connection).await?;
            connection.done().await?;
            cut(page, rows, |row: StoredRoom| Ok(row.room()))
        })
        .await
    }

    async fn public_rooms(&self, query: Option<&str>, page: &PageRequest<DirectoryKey>) -> Result<Page<Room>, StoreUnavailable> {
        let query = sql::fold_case(query.unwrap_or_default());
        if !sql::can_be_stored(&query) {
            return self.call(async { cut(page, Vec::new(), |row: StoredRoom| Ok(row.room())) }).await;
        }
        let pattern = sql::contains(&query);
        let start = page.start.map(|key| (-sql::int(key.members), key.room));
        let (number, id) = edge(start, page.direction);
        let sql = match page.direction {
            Direction::Forward => {
                "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                        coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
                 from rooms r left join room_positions p on p.room = r.id
                 where r.visibility = 'public' and not r.archived
                   and (r.name_folded like $1 or r.topic_folded like $1)
                   and (-r.member_count, r.id) > ($2, $3)
                 order by -r.member_count, r.id
                 limit $4"
            }
            Direction::Backward => {
                "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.version, r.member_count, r.created_at,
                        coalesce(p.last_seq, 0) as last_seq, coalesce(p.last_sent_at, r.created_at) as last_activity_at
                 from rooms r left join room_positions p on p.room = r.id
                 where r.visibility = 'public' and not r.archived
                   and (r.name_folded like $1 or r.topic_folded like $1)
                   and (-r.member_count, r.id) < ($2, $3)
                 order by -r.member_count desc, r.id desc
                 limit $4"
            }
        };
        self.call(async {
            let mut connection = self.statement().await?;
            // Planned anew each time: a rare text is found by its trigrams, a frequent one, or none, along the list.
            let rows: Vec<StoredRoom> =
                sqlx::query_as(sql).persistent(false).bind(pattern).bind(number).bind(id).bind(fetch_limit(page.limit)).fetch_all(&mut *connection).await?;
            connection.done().await?;
            cut(page, rows, |row: StoredRoom| Ok(row.room()))
        })
        .await
    }
}

fn created(room: &NewRoom) -> SystemEvent {
    SystemEvent {
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
    }
}
