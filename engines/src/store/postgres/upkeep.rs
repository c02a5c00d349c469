//! What operators' commands ask, in Postgres.

use async_trait::async_trait;
use parley_proto::{
    Body, Kind, PartitionId, Position, Record, RoomId, UnixMillis, UserId,
    event::{MemberRow, RoomRow},
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{PostgresStore, accounts::AccountRow, next_of, roster, sql};
use crate::store::{
    Snapshot, StoreUnavailable,
    accounts::Account,
    upkeep::{Rebuild, Redrive, RosterRow},
};

#[async_trait]
impl Redrive for PostgresStore {
    async fn decided(&self, record: &Record, dead: Position) -> Result<Snapshot<Option<Position>>, StoreUnavailable> {
        self.call(async {
            let mut tx = self.snapshot().await?;
            let next = next_of(&mut tx, record.room.partition()).await?;
            let value = decided(&mut tx, record, dead).await?;
            tx.done().await?;
            Ok(Snapshot { next, value })
        })
        .await
    }

    async fn mark_redriven(&self, partition: PartitionId, position: Position, to: Position) -> Result<(), StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            sqlx::query("update dead_letters set redriven = $1 where partition = $2 and position = $3")
                .bind(sql::int(to.0))
                .bind(i32::from(partition.0))
                .bind(sql::int(position.0))
                .execute(&mut *connection)
                .await?;
            connection.done().await
        })
        .await
    }
}

async fn decided(tx: &mut PgConnection, record: &Record, dead: Position) -> Result<Option<Position>, sqlx::Error> {
    let dead = sql::int(dead.0);
    let (id, user) = (record.target.unwrap_or(record.id()).0, record.sender.0);
    let position: Option<i64> = match (record.kind, &record.body) {
        (Kind::Message | Kind::System | Kind::Removed | Kind::Archived, _) => {
            sqlx::query_scalar("select position from messages where id = $1").bind(id).fetch_optional(tx).await?
        }
        (Kind::Edit, _) => sqlx::query_scalar("select rev from messages where id = $1 and rev > $2").bind(id).bind(dead).fetch_optional(tx).await?,
        (Kind::Vote, _) => {
            let vote = sqlx::query_scalar("select position from votes where message = $1 and user_id = $2 and position > $3");
            vote.bind(id).bind(user).bind(dead).fetch_optional(tx).await?
        }
        (Kind::Reaction, Body::Plain(emoji)) if sql::can_be_stored(emoji) => {
            let reaction = sqlx::query_scalar("select position from reactions where message = $1 and user_id = $2 and emoji = $3 and position > $4");
            reaction.bind(id).bind(user).bind(emoji).bind(dead).fetch_optional(tx).await?
        }
        // Once more is the same as once.
        _ => None,
    };
    Ok(position.map(sql::position))
}

#[derive(sqlx::FromRow)]
struct StoredRosterRow {
    id: Uuid,
    kind: String,
    name: String,
    topic: String,
    visibility: String,
    archived: bool,
    created_at: i64,
    room_version: i64,
    user_id: Uuid,
    role: Option<String>,
    joined_at: i64,
    version: i64,
}

impl StoredRosterRow {
    fn row(self) -> RosterRow {
        let room = RoomRow {
            id: RoomId(self.id),
            kind: self.kind,
            name: self.name,
            topic: self.topic,
            visibility: roster::visibility(&self.visibility),
            archived: self.archived,
            created_at: UnixMillis(self.created_at),
        };
        let role = self.role.as_deref().map(roster::role);
        let member = MemberRow { user: UserId(self.user_id), role, joined_at: UnixMillis(self.joined_at) };
        RosterRow { room, room_version: self.room_version, member, member_version: self.version }
    }
}

#[async_trait]
impl Rebuild for PostgresStore {
    async fn accounts_after(&self, after: Option<UserId>, limit: usize) -> Result<Vec<Account>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<AccountRow> = sqlx::query_as("select * from accounts where $1::uuid is null or id > $1 order by id limit $2")
                .bind(after.map(|id| id.0))
                .bind(sql::limit(limit))
                .fetch_all(&mut *connection)
                .await?;
            connection.done().await?;
            Ok(rows.into_iter().map(AccountRow::account).collect())
        })
        .await
    }

    async fn roster_after(&self, after: Option<(RoomId, UserId)>, limit: usize) -> Result<Vec<RosterRow>, StoreUnavailable> {
        let (room, user) = after.unzip();
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<StoredRosterRow> = sqlx::query_as(
                "select r.id, r.kind, r.name, r.topic, r.visibility, r.archived, r.created_at, r.version as room_version,
                        m.user_id, m.role, m.joined_at, m.version
                 from members m join rooms r on r.id = m.room
                 where $1::uuid is null or (m.room, m.user_id) > ($1, $2::uuid)
                 order by m.room, m.user_id
                 limit $3",
            )
            .bind(room.map(|room| room.0))
            .bind(user.map(|user| user.0))
            .bind(sql::limit(limit))
            .fetch_all(&mut *connection)
            .await?;
            connection.done().await?;
            Ok(rows.into_iter().map(StoredRosterRow::row).collect())
        })
        .await
    }

    async fn import_roster(&self, rows: &[RosterRow]) -> Result<(), StoreUnavailable> {
        let events: Vec<_> = rows.iter().flat_map(RosterRow::events).collect();
        self.batch(async {
            let mut tx = self.write_batch().await?;
            roster::apply(&mut tx, &events).await?;
            tx.done().await
        })
        .await
    }

    async fn import_strangers(&self) -> Result<usize, StoreUnavailable> {
        self.batch(async {
            let mut tx = self.write_batch().await?;
            let made = sqlx::query(
                "insert into accounts (id, user_name, display_name, color, status_text, password_hash, disabled, created_at)
                 select id, 'lost-' || substr(replace(id::text, '-', ''), 9), 'lost-' || substr(replace(id::text, '-', ''), 9), '#808080', '', null, false, min(since)
                 from (select sender as id, min(sent_at) as since from messages group by sender
                       union all select user_id, min(joined_at) from members group by user_id
                       union all select v.user_id, min(m.sent_at) from votes v join messages m on m.id = v.message group by v.user_id) as named
                 where id <> '00000000-0000-0000-0000-000000000000'
                 group by id
                 on conflict do nothing",
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
            tx.done().await?;
            Ok(usize::try_from(made).unwrap_or(usize::MAX))
        })
        .await
    }

    async fn import_rights(&self, versions: &[(UserId, u64)]) -> Result<(), StoreUnavailable> {
        let (ids, versions): (Vec<_>, Vec<_>) = versions.iter().map(|(user, version)| (user.0, i64::try_from(*version).unwrap_or(i64::MAX))).unzip();
        self.batch(async {
            let mut tx = self.write_batch().await?;
            sqlx::query(
                "update accounts a set rights_version = greatest(a.rights_version, v.version)
                 from unnest($1::uuid[], $2::bigint[]) as v(id, version) where a.id = v.id",
            )
            .bind(&ids)
            .bind(&versions)
            .execute(&mut *tx)
            .await?;
            tx.done().await
        })
        .await
    }

    async fn claim_names(&self) -> Result<(), StoreUnavailable> {
        self.batch(async {
            let mut tx = self.write_batch().await?;
            sqlx::query(
                "update rooms r set public_name = r.name_folded
                 where r.id in (select distinct on (name_folded) id from rooms where visibility = 'public' and public_name is null order by name_folded, id)
                   and not exists (select 1 from rooms other where other.public_name = r.name_folded)",
            )
            .execute(&mut *tx)
            .await?;
            tx.done().await
        })
        .await
    }
}
