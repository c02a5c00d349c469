//! Members in SQLite.

use async_trait::async_trait;
use parley_proto::{RoomId, UnixMillis, UserId};

use super::{
    BATCH_DEADLINE, SqliteStore, call,
    roster::{self, StoredMember},
    sessions, sql, within,
};
use crate::store::{
    Direction, Page, PageRequest, StoreUnavailable,
    page::{cut, fetch_limit},
    rooms::{Change, Members, Membership, MembershipChange, Wish},
};

#[async_trait]
impl Members for SqliteStore {
    async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Membership>, StoreUnavailable> {
        call(async { roster::member(&mut *self.readers.acquire().await?, room, user).await }).await
    }

    async fn memberships(&self, user: UserId) -> Result<Vec<Membership>, StoreUnavailable> {
        call(async {
            let rows: Vec<StoredMember> =
                sqlx::query_as("select room, user, role, joined_at, version from members where user = ? and role is not null order by room")
                    .bind(sql::blob(user.0))
                    .fetch_all(&self.readers)
                    .await?;
            rows.into_iter().map(StoredMember::membership).collect()
        })
        .await
    }

    async fn join(&self, room: RoomId, user: UserId, members_max: u64, now: UnixMillis) -> Result<MembershipChange, StoreUnavailable> {
        call(self.change_membership(room, user, Wish::Join { members_max }, now)).await
    }

    async fn leave(&self, room: RoomId, user: UserId, now: UnixMillis) -> Result<MembershipChange, StoreUnavailable> {
        call(self.change_membership(room, user, Wish::Leave, now)).await
    }

    async fn import_members(&self, room: RoomId, users: &[UserId], now: UnixMillis) -> Result<(), StoreUnavailable> {
        within(BATCH_DEADLINE, async {
            let mut tx = self.write().await?;
            let Some(version) = roster::bump_version(&mut tx, room).await? else {
                return Ok(());
            };
            sqlx::query(
                "insert into members (room, user, role, joined_at, version)
                 select ?1, unhex(value), 'member', ?2, ?3 from json_each(?4)
                 where true
                 on conflict (room, user) do update
                 set role = excluded.role, joined_at = excluded.joined_at, version = excluded.version
                 where members.role is null",
            )
            .bind(sql::blob(room.0))
            .bind(now.0)
            .bind(version)
            .bind(sql::id_list(users.iter().map(|user| user.0)))
            .execute(&mut *tx)
            .await?;
            sqlx::query("update rooms set member_count = (select count(*) from members where room = ?1 and role is not null) where id = ?1")
                .bind(sql::blob(room.0))
                .execute(&mut *tx)
                .await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    async fn members(&self, room: RoomId, page: &PageRequest<UserId>) -> Result<Page<Membership>, StoreUnavailable> {
        let (sql, edge) = match page.direction {
            Direction::Forward => (
                "select room, user, role, joined_at, version from members where room = ? and role is not null and user > ? order by user limit ?",
                sql::BELOW_ALL_IDS,
            ),
            Direction::Backward => (
                "select room, user, role, joined_at, version from members where room = ? and role is not null and user < ? order by user desc limit ?",
                sql::ABOVE_ALL_IDS,
            ),
        };
        let start = page.start.map_or_else(|| edge.to_vec(), |user| sql::blob(user.0));
        call(async {
            let rows: Vec<StoredMember> =
                sqlx::query_as(sql).bind(sql::blob(room.0)).bind(start).bind(fetch_limit(page.limit)).fetch_all(&self.readers).await?;
            cut(page, rows, StoredMember::membership)
        })
        .await
    }
}

impl SqliteStore {
    async fn change_membership(&self, id: RoomId, user: UserId, wish: Wish, now: UnixMillis) -> Result<MembershipChange, sqlx::Error> {
        let mut tx = self.write().await?;
        let Some(room) = roster::room(&mut tx, id).await? else {
            return Ok(MembershipChange::NoRoom);
        };
        let before = roster::member(&mut tx, id, user).await?;
        let Change { event, membership } = match wish.judge(&room, user, before, now) {
            Ok(change) => change,
            Err(answer) => {
                return Ok(answer);
            }
        };
        roster::apply(&mut tx, &event).await?;
        roster::announce(&mut tx, &event, user, now).await?;
        if matches!(wish, Wish::Leave) {
            sessions::right_ended(&mut tx, user).await?;
        }
        tx.commit().await?;
        self.announced.notify_one();
        Ok(MembershipChange::Changed(membership))
    }
}
