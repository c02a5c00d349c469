//! What operators' commands ask, in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use parley_proto::{
    Body, Kind, PartitionId, Position, Record, RoomId, UnixMillis, UserId,
    event::{MemberRow, RoomRow},
};
use sqlx::SqliteConnection;

use super::{BATCH_DEADLINE, SqliteStore, accounts::AccountRow, call, next_of, roster, sql, within};
use crate::store::{
    Snapshot, StoreUnavailable,
    accounts::Account,
    upkeep::{Rebuild, Redrive, RosterRow},
};

/// One statement over whole tables, while nobody is served.
const WHOLE_TABLES_DEADLINE: Duration = Duration::from_secs(3_600);

#[async_trait]
impl Redrive for SqliteStore {
    async fn decided(&self, record: &Record, dead: Position) -> Result<Snapshot<Option<Position>>, StoreUnavailable> {
        call(async {
            let mut tx = self.read().await?;
            let next = next_of(&mut tx, record.room.partition()).await?;
            Ok(Snapshot { next, value: decided(&mut tx, record, dead).await? })
        })
        .await
    }

    async fn mark_redriven(&self, partition: PartitionId, position: Position, to: Position) -> Result<(), StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            sqlx::query("update dead_letters set redriven = ? where partition = ? and position = ?")
                .bind(sql::int(to.0))
                .bind(i64::from(partition.0))
                .bind(sql::int(position.0))
                .execute(&mut *tx)
                .await?;
            tx.commit().await
        })
        .await
    }
}

async fn decided(tx: &mut SqliteConnection, record: &Record, dead: Position) -> Result<Option<Position>, sqlx::Error> {
    let dead = sql::int(dead.0);
    let (id, user) = (sql::blob(record.target.unwrap_or(record.id()).0), sql::blob(record.sender.0));
    let position: Option<i64> = match (record.kind, &record.body) {
        (Kind::Message | Kind::System | Kind::Removed | Kind::Archived, _) => {
            sqlx::query_scalar("select position from messages where id = ?").bind(id).fetch_optional(tx).await?
        }
        (Kind::Edit, _) => sqlx::query_scalar("select rev from messages where id = ? and rev > ?").bind(id).bind(dead).fetch_optional(tx).await?,
        (Kind::Vote, _) => {
            let vote = sqlx::query_scalar("select position from votes where message = ? and user = ? and position > ?");
            vote.bind(id).bind(user).bind(dead).fetch_optional(tx).await?
        }
        (Kind::Reaction, Body::Plain(emoji)) => {
            let reaction = sqlx::query_scalar("select position from reactions where message = ? and user = ? and emoji = ? and position > ?");
            reaction.bind(id).bind(user).bind(emoji.clone()).bind(dead).fetch_optional(tx).await?
        }
        // Once more is the same as once.
        _ => None,
    };
    Ok(position.map(sql::position))
}

#[derive(sqlx::FromRow)]
struct StoredRosterRow {
    id: Vec<u8>,
    kind: String,
    name: String,
    topic: String,
    visibility: String,
    archived: bool,
    created_at: i64,
    room_version: i64,
    user: Vec<u8>,
    role: Option<String>,
    joined_at: i64,
    version: i64,
}

impl StoredRosterRow {
    fn row(self) -> Result<RosterRow, sqlx::Error> {
        let room = RoomRow {
            id: RoomId(sql::uuid(&self.id)?),
            kind: self.kind,
            name: self.name,
            topic: self.topic,
            visibility: roster::visibility(&self.visibility),
            archived: self.archived,
            created_at: UnixMillis(self.created_at),
        };
        let role = self.role.as_deref().map(roster::role);
        let member = MemberRow { user: UserId(sql::uuid(&self.user)?), role, joined_at: UnixMillis(self.joined_at) };
        Ok(RosterRow { room, room_version: self.room_version, member, member_version: self.version })
    }
}

#[async_trait]
impl Rebuild for SqliteStore {
    async fn accounts_after(&self, after: Option<UserId>, limit: usize) -> Result<Vec<Account>, StoreUnavailable> {
        call(async {
            let rows: Vec<AccountRow> = sqlx::query_as("select * from accounts where id > ? order by id limit ?")
                .bind(after.map_or_else(|| sql::BELOW_ALL_IDS.to_vec(), |id| sql::blob(id.0)))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(&self.readers)
                .await?;
            rows.into_iter().map(AccountRow::account).collect()
        })
        .await
    }

    async fn roster_after(&self, after: Option<(RoomId, UserId)>, limit: usize) -> Result<Vec<RosterRow>, StoreUnavailable> {
        let (room, user) =
            after.map_or_else(|| (sql::BELOW_ALL_IDS.to_vec(), sql::BELOW_ALL_IDS.to_vec()), |(room, user)| (sql::blob(room.0), sql::blob(user.0)));
        call(async {
            let rows: Vec<StoredRosterRow> = sqlx::query_as(
                "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.created_at, r.version as room_version,
                        m.user, m.role, m.joined_at, m.version
                 from members m join rooms r on r.id = m.room
                 where (m.room, m.user) > (?, ?)
                 order by m.room, m.user
                 limit ?",
            )
            .bind(room)
            .bind(user)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await?;
            rows.into_iter().map(StoredRosterRow::row).collect()
        })
        .await
    }

    async fn import_roster(&self, rows: &[RosterRow]) -> Result<(), StoreUnavailable> {
        within(BATCH_DEADLINE, async {
            let mut tx = self.write().await?;
            for event in rows.iter().flat_map(RosterRow::events) {
                roster::apply(&mut tx, &event).await?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    async fn import_strangers(&self) -> Result<usize, StoreUnavailable> {
        within(WHOLE_TABLES_DEADLINE, async {
            let mut tx = self.write().await?;
            let made = sqlx::query(
                "insert into accounts (id, user_name, display_name, color, status_text, password_hash, disabled, created_at)
                 select id, 'lost-' || substr(lower(hex(id)), 9), 'lost-' || substr(lower(hex(id)), 9), '#808080', '', null, 0, min(since)
                 from (select sender as id, min(sent_at) as since from messages group by sender
                       union all select user, min(joined_at) from members group by user
                       union all select v.user, min(m.sent_at) from votes v join messages m on m.id = v.message group by v.user)
                 where id <> zeroblob(16)
                 group by id
                 on conflict do nothing",
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.commit().await?;
            Ok(usize::try_from(made).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn import_rights(&self, versions: &[(UserId, u64)]) -> Result<(), StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            for (user, version) in versions {
                sqlx::query("update accounts set rights_version = max(rights_version, ?) where id = ?")
                    .bind(i64::try_from(*version).unwrap_or(i64::MAX))
                    .bind(sql::blob(user.0))
                    .execute(&mut *tx)
                    .await?;
            }
            tx.commit().await
        })
        .await
    }

    async fn claim_names(&self) -> Result<(), StoreUnavailable> {
        within(WHOLE_TABLES_DEADLINE, async {
            let mut tx = self.write().await?;
            sqlx::query(
                "update rooms set public_name = name_folded
                 where id in (select min(id) from rooms where visibility = 'public' and public_name is null group by name_folded)
                   and not exists (select 1 from rooms other where other.public_name = rooms.name_folded)",
            )
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}
