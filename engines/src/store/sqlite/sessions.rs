//! Sessions and their refresh tokens in SQLite.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};
use sqlx::SqliteConnection;

use super::{SqliteStore, call, sql};
use crate::store::{
    StoreUnavailable,
    accounts::{RefreshHash, Rotation, SESSIONS_LISTED, Session, SessionCreated, Sessions},
};

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Vec<u8>,
    user: Vec<u8>,
    created_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    ended: bool,
    agent: String,
}

impl SessionRow {
    fn session(self) -> Result<Session, sqlx::Error> {
        Ok(Session {
            id: SessionId(sql::uuid(&self.id)?),
            user: UserId(sql::uuid(&self.user)?),
            created_at: UnixMillis(self.created_at),
            last_seen_at: UnixMillis(self.last_seen_at),
            expires_at: UnixMillis(self.expires_at),
            ended: self.ended,
            agent: self.agent,
        })
    }
}

#[async_trait]
impl Sessions for SqliteStore {
    async fn create_session(&self, session: &Session, refresh: RefreshHash, password_hash: Option<&str>) -> Result<SessionCreated, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            let known: Option<i64> = sqlx::query_scalar("select 1 from accounts where id = ? and password_hash is ?")
                .bind(sql::blob(session.user.0))
                .bind(password_hash.map(str::to_owned))
                .fetch_optional(&mut *tx)
                .await?;
            if known.is_none() {
                return Ok(SessionCreated::PasswordChanged);
            }
            // A person's expired sessions leave with their tokens when that person comes back.
            sqlx::query("delete from sessions where user = ? and expires_at <= ?")
                .bind(sql::blob(session.user.0))
                .bind(session.created_at.0)
                .execute(&mut *tx)
                .await?;
            sqlx::query("insert into sessions (id, user, created_at, last_seen_at, expires_at, ended, agent) values (?, ?, ?, ?, ?, ?, ?)")
                .bind(sql::blob(session.id.0))
                .bind(sql::blob(session.user.0))
                .bind(session.created_at.0)
                .bind(session.last_seen_at.0)
                .bind(session.expires_at.0)
                .bind(session.ended)
                .bind(session.agent.clone())
                .execute(&mut *tx)
                .await?;
            insert_current(&mut tx, session.id, refresh).await?;
            tx.commit().await?;
            Ok(SessionCreated::Created)
        })
        .await
    }

    async fn rotate(&self, presented: RefreshHash, new: RefreshHash, now: UnixMillis) -> Result<Rotation, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            let Some((mut session, state)) = live_session_of(&mut tx, presented, now).await? else {
                return Ok(Rotation::Refused);
            };
            let becomes = match state.as_str() {
                "current" => Some("replaced"),
                // Its answer was lost, so nobody has the token that replaced it: that one is spent too.
                "replaced" => Some("spent"),
                _ => None,
            };
            let rotation = if let Some(becomes) = becomes {
                retire(&mut tx, session.id, becomes).await?;
                insert_current(&mut tx, session.id, new).await?;
                seen(&mut tx, session.id, now).await?;
                session.last_seen_at = now;
                Rotation::Rotated(session)
            } else {
                end(&mut tx, session.id).await?;
                session.ended = true;
                Rotation::Reused(session)
            };
            tx.commit().await?;
            Ok(rotation)
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreUnavailable> {
        call(async {
            let row: Option<SessionRow> = sqlx::query_as("select * from sessions where id = ?").bind(sql::blob(id.0)).fetch_optional(&self.readers).await?;
            row.map(SessionRow::session).transpose()
        })
        .await
    }

    async fn sessions_of(&self, user: UserId, now: UnixMillis) -> Result<Vec<Session>, StoreUnavailable> {
        call(async {
            let rows: Vec<SessionRow> =
                sqlx::query_as("select * from sessions where user = ? and ended = 0 and expires_at > ? order by last_seen_at desc, id limit ?")
                    .bind(sql::blob(user.0))
                    .bind(now.0)
                    .bind(i64::try_from(SESSIONS_LISTED).unwrap_or(i64::MAX))
                    .fetch_all(&self.readers)
                    .await?;
            rows.into_iter().map(SessionRow::session).collect()
        })
        .await
    }

    async fn end_session(&self, id: SessionId) -> Result<(), StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            end(&mut tx, id).await?;
            tx.commit().await
        })
        .await
    }

    async fn end_other_sessions(&self, user: UserId, keep: SessionId) -> Result<Vec<SessionId>, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            let ended = end_others(&mut tx, user, keep).await?;
            tx.commit().await?;
            Ok(ended)
        })
        .await
    }

    async fn rights_versions(&self, users: &[UserId]) -> Result<Vec<(UserId, u64)>, StoreUnavailable> {
        call(async {
            let rows: Vec<(Vec<u8>, i64)> = sqlx::query_as("select id, rights_version from accounts where id in (select unhex(value) from json_each(?))")
                .bind(sql::id_list(users.iter().map(|user| user.0)))
                .fetch_all(&self.readers)
                .await?;
            rows.into_iter().map(|(id, version)| Ok((UserId(sql::uuid(&id)?), u64::try_from(version).unwrap_or_default()))).collect()
        })
        .await
    }
}

async fn live_session_of(tx: &mut SqliteConnection, presented: RefreshHash, now: UnixMillis) -> Result<Option<(Session, String)>, sqlx::Error> {
    let token: Option<(Vec<u8>, String)> =
        sqlx::query_as("select session, state from refresh_tokens where hash = ?").bind(presented.0.to_vec()).fetch_optional(&mut *tx).await?;
    let Some((session, state)) = token else {
        return Ok(None);
    };
    let row: Option<SessionRow> =
        sqlx::query_as("select * from sessions where id = ? and ended = 0 and expires_at > ?").bind(session).bind(now.0).fetch_optional(tx).await?;
    row.map(|row| Ok((row.session()?, state))).transpose()
}

/// The current token becomes `state`; the one before it can no longer be used.
async fn retire(tx: &mut SqliteConnection, session: SessionId, state: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query("update refresh_tokens set state = case state when 'current' then ? else 'spent' end where session = ? and state <> 'spent'")
        .bind(state)
        .bind(sql::blob(session.0))
        .execute(tx)
        .await?;
    Ok(())
}

async fn insert_current(tx: &mut SqliteConnection, session: SessionId, hash: RefreshHash) -> Result<(), sqlx::Error> {
    sqlx::query("insert into refresh_tokens (hash, session, state) values (?, ?, 'current')")
        .bind(hash.0.to_vec())
        .bind(sql::blob(session.0))
        .execute(tx)
        .await?;
    Ok(())
}

async fn seen(tx: &mut SqliteConnection, session: SessionId, now: UnixMillis) -> Result<(), sqlx::Error> {
    sqlx::query("update sessions set last_seen_at = ? where id = ?").bind(now.0).bind(sql::blob(session.0)).execute(tx).await?;
    Ok(())
}

async fn end(tx: &mut SqliteConnection, session: SessionId) -> Result<(), sqlx::Error> {
    let user: Option<Vec<u8>> = sqlx::query_scalar("update sessions set ended = 1 where id = ? and ended = 0 returning user")
        .bind(sql::blob(session.0))
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(user) = user {
        right_ended(tx, UserId(sql::uuid(&user)?)).await?;
    }
    Ok(())
}

/// Ends all sessions of a person but one; which ones.
pub(super) async fn end_others(tx: &mut SqliteConnection, user: UserId, keep: SessionId) -> Result<Vec<SessionId>, sqlx::Error> {
    let ended: Vec<Vec<u8>> = sqlx::query_scalar("update sessions set ended = 1 where user = ? and id <> ? and ended = 0 returning id")
        .bind(sql::blob(user.0))
        .bind(sql::blob(keep.0))
        .fetch_all(&mut *tx)
        .await?;
    right_ended(tx, user).await?;
    ended.iter().map(|id| sql::uuid(id).map(SessionId)).collect()
}

/// In the transaction in which it ended.
pub(super) async fn right_ended(tx: &mut SqliteConnection, user: UserId) -> Result<(), sqlx::Error> {
    sqlx::query("update accounts set rights_version = rights_version + 1 where id = ?").bind(sql::blob(user.0)).execute(tx).await?;
    Ok(())
}
