//! Members in Postgres.

use async_trait::async_trait;
use parley_proto::{RoomId, UnixMillis, UserId};

use super::{
    PostgresStore,
    page::id_edge,
    roster::{self, StoredMember},
    sessions,
};
use crate::store::{
    Direction, Page, PageRequest, StoreUnavailable,
    page::{cut, fetch_limit},
    rooms::{Change, Members, Membership, MembershipChange, Wish},
};

#[async_trait]
impl Members for PostgresStore {
    async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Membership>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let membership = roster::member(&mut connection, room, user).await?;
            connection.done().await?;
            Ok(membership)
        })
        .await
    }

    async fn memberships(&self, user: UserId) -> Result<Vec<Membership>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<StoredMember> =
                sqlx::query_as("select room, user_id, role, joined_at, version from members where user_id = $1 and role is not null order by room")
                    .bind(user.0)
                    .fetch_all(&mut *connection)
                    .await?;
            connection.done().await?;
            Ok(rows.into_iter().map(StoredMember::membership).collect())
        })
        .await
    }

    async fn join(&self, room: RoomId, user: UserId, members_max: u64, now: UnixMillis) -> Result<MembershipChange, StoreUnavailable> {
        self.call(self.change_membership(room, user, Wish::Join { members_max }, now)).await
    }

    async fn leave(&self, room: RoomId, user: UserId, now: UnixMillis) -> Result<MembershipChange, StoreUnavailable> {
        self.call(self.change_membership(room, user, Wish::Leave, now)).await
    }

    async fn import_members(&self, room: RoomId, users: &[UserId], now: UnixMillis) -> Result<(), StoreUnavailable> {
        self.batch(async {
            let mut tx = self.write_batch().await?;
            let Some(version) = roster::bump_version(&mut tx, room).await? else {
                return tx.rollback().await;
            };
            sqlx::query(
                "insert into members (room, user_id, role, joined_at, version)
                 select distinct $1::uuid, imported.user_id, 'member', $2::bigint, $3::bigint from unnest($4::uuid[]) as imported (user_id)
                 on conflict (room, user_id) do update
                 set role = excluded.role, joined_at = excluded.joined_at, version = excluded.version
                 where members.role is null",
            )
            .bind(room.0)
            .bind(now.0)
            .bind(version)
            .bind(users.iter().map(|user| user.0).collect::<Vec<_>>())
            .execute(&mut *tx)
            .await?;
            sqlx::query("update rooms set member_count = (select count(*) from members where room = $1 and role is not null) where id = $1")
                .bind(room.0)
                .execute(&mut *tx)
                .await?;
            tx.done().await
        })
        .await
    }

    async fn members(&self, room: RoomId, page: &PageRequest<UserId>) -> Result<Page<Membership>, StoreUnavailable> {
        let sql = match page.direction {
            Direction::Forward => {
                "select room, user_id, role, joined_at, version from members
                 where room = $1 and role is not null and user_id > $2
                 order by user_id
                 limit $3"
            }
            Direction::Backward => {
                "select room, user_id, role, joined_at, version from members
                 where room = $1 and role is not null and user_id < $2
                 order by user_id desc
                 limit $3"
            }
        };
        let start = id_edge(page.start.map(|user| user.0), page.direction);
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<StoredMember> = sqlx::query_as(sql).bind(room.0).bind(start).bind(fetch_limit(page.limit)).fetch_all(&mut *connection).await?;
            connection.done().await?;
            cut(page, rows, |row: StoredMember| Ok(row.membership()))
        })
        .await
    }
}

impl PostgresStore {
    async fn change_membership(&self, id: RoomId, user: UserId, wish: Wish, now: UnixMillis) -> Result<MembershipChange, sqlx::Error> {
        let mut tx = self.write().await?;
        let Some(room) = roster::lock_room(&mut tx, id).await? else {
            tx.rollback().await?;
            return Ok(MembershipChange::NoRoom);
        };
        let before = roster::member(&mut tx, id, user).await?;
        let Change { event, membership } = match wish.judge(&room, user, before, now) {
            Ok(change) => change,
            Err(answer) => {
                tx.rollback().await?;
                return Ok(answer);
            }
        };
        roster::apply(&mut tx, std::slice::from_ref(&event)).await?;
        roster::announce(&mut tx, &event, user, now).await?;
        if matches!(wish, Wish::Leave) {
            sessions::right_ended(&mut tx, user).await?;
        }
        tx.done().await?;
        Ok(MembershipChange::Changed(membership))
    }
}
