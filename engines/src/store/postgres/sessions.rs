//! Sessions and their refresh tokens in Postgres.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::PostgresStore;
use crate::store::{
    StoreUnavailable,
    accounts::{RefreshHash, Rotation, SESSIONS_LISTED, Session, SessionCreated, Sessions},
};

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    created_at: i64,
    last_seen_at: i64,
    expires_at: i64,
    ended: bool,
    agent: String,
}

impl SessionRow {
    fn session(self) -> Session {
        Session {
            id: SessionId(self.id),
            user: UserId(self.user_id),
            created_at: UnixMillis(self.created_at),
            last_seen_at: UnixMillis(self.last_seen_at),
            expires_at: UnixMillis(self.expires_at),
            ended: self.ended,
            agent: self.agent,
        }
    }
}

#[async_trait]
impl Sessions for PostgresStore {
    async fn create_session(&self, session: &Session, refresh: RefreshHash, password_hash: Option<&str>) -> Result<SessionCreated, StoreUnavailable> {
        self.call(async {
            let mut tx = self.write().await?;
            // Shared until this commits: a change of the password waits, and then sees the session.
            let known: Option<i32> = sqlx::query_scalar("select 1 from accounts where id = $1 and password_hash is not distinct from $2 for share")
                .bind(session.user.0)
                .bind(password_hash)
                .fetch_optional(&mut *tx)
                .await?;
            if known.is_none() {
                tx.rollback().await?;
                return Ok(SessionCreated::PasswordChanged);
            }
            // A person's expired sessions leave with their tokens when that person comes back.
            sqlx::query("delete from sessions where user_id = $1 and expires_at <= $2")
                .bind(session.user.0)
                .bind(session.created_at.0)
                .execute(&mut *tx)
                .await?;
            sqlx::query("insert into sessions (id, user_id, created_at, last_seen_at, expires_at, ended, agent) values ($1, $2, $3, $4, $5, $6, $7)")
                .bind(session.id.0)
                .bind(session.user.0)
                .bind(session.created_at.0)
                .bind(session.last_seen_at.0)
                .bind(session.expires_at.0)
                .bind(session.ended)
                .bind(&session.agent)
                .execute(&mut *tx)
                .await?;
            insert_current(&mut tx, session.id, refresh).await?;
            tx.done().await?;
            Ok(SessionCreated::Created)
        })
        .await
    }

    async fn rotate(&self, presented: RefreshHash, new: RefreshHash, now: UnixMillis) -> Result<Rotation, StoreUnavailable> {
        self.call(async {
            let mut tx = self.write().await?;
            let Some((mut session, state)) = lock_live_session_of(&mut tx, presented, now).await? else {
                tx.rollback().await?;
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
            tx.done().await?;
            Ok(rotation)
        })
        .await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let row: Option<SessionRow> = sqlx::query_as("select * from sessions where id = $1").bind(id.0).fetch_optional(&mut *connection).await?;
            connection.done().await?;
            Ok(row.map(SessionRow::session))
        })
        .await
    }

    async fn sessions_of(&self, user: UserId, now: UnixMillis) -> Result<Vec<Session>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            let rows: Vec<SessionRow> =
                sqlx::query_as("select * from sessions where user_id = $1 and not ended and expires_at > $2 order by last_seen_at desc, id limit $3")
                    .bind(user.0)
                    .bind(now.0)
                    .bind(i64::try_from(SESSIONS_LISTED).unwrap_or(i64::MAX))
                    .fetch_all(&mut *connection)
                    .await?;
            connection.done().await?;
            Ok(rows.into_iter().map(SessionRow::session).collect())
        })
        .await
    }

    async fn end_session(&self, id: SessionId) -> Result<(), StoreUnavailable> {
        self.call(async {
            let mut tx = self.write().await?;
            end(&mut tx, id).await?;
            tx.done().await
        })
        .await
    }

    async fn end_other_sessions(&self, user: UserId, keep: SessionId) -> Result<Vec<SessionId>, StoreUnavailable> {
        self.call(async {
            let mut tx = self.write().await?;
            let ended = end_others(&mut tx, user, keep).await?;
            tx.done().await?;
            Ok(ended)
        })
        .await
    }

    async fn rights_versions(&self, users: &[UserId]) -> Result<Vec<(UserId, u64)>, StoreUnavailable> {
        self.call(async {
            let mut connection = self.rights_statement().await?;
            let rows: Vec<(Uuid, i64)> = sqlx::query_as("select id, rights_version from accounts where id = any($1)")
                .bind(users.iter().map(|user| user.0).collect::<Vec<_>>())
                .fetch_all(&mut *connection)
                .await?;
            connection.done().await?;
            Ok(rows.into_iter().map(|(id, version)| (UserId(id), u64::try_from(version).unwrap_or_default())).collect())
        })
        .await
    }
}

/// Locks the session first, so that its tokens stand still, and then asks what the presented one is.
async fn lock_live_session_of(tx: &mut PgConnection, presented: RefreshHash, now: UnixMillis) -> Result<Option<(Session, String)>, sqlx::Error> {
    let row: Option<SessionRow> = sqlx::query_as(
        "select * from sessions
         where id = (select session from refresh_tokens where hash = $1) and not ended and expires_at > $2
         for update",
    )
    .bind(&presented.0[..])
    .bind(now.0)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let state: Option<String> = sqlx::query_scalar("select state from refresh_tokens where hash = $1").bind(&presented.0[..]).fetch_optional(tx).await?;
    Ok(state.map(|state| (row.session(), state)))
}

/// The current token becomes `state`; the one before it can no longer be used.
async fn retire(tx: &mut PgConnection, session: SessionId, state: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query("update refresh_tokens set state = case state when 'current' then $1 else 'spent' end where session = $2 and state <> 'spent'")
        .bind(state)
        .bind(session.0)
        .execute(tx)
        .await?;
    Ok(())
}

async fn insert_current(tx: &mut PgConnection, session: SessionId, hash: RefreshHash) -> Result<(), sqlx::Error> {
    sqlx::query("insert into refresh_tokens (hash, session, state) values ($1, $2, 'current')").bind(&hash.0[..]).bind(session.0).execute(tx).await?;
    Ok(())
}

async fn seen(tx: &mut PgConnection, session: SessionId, now: UnixMillis) -> Result<(), sqlx::Error> {
    sqlx::query("update sessions set last_seen_at = $1 where id = $2").bind(now.0).bind(session.0).execute(tx).await?;
    Ok(())
}

async fn end(tx: &mut PgConnection, session: SessionId) -> Result<(), sqlx::Error> {
    let user: Option<Uuid> =
        sqlx::query_scalar("update sessions set ended = true where id = $1 and not ended returning user_id").bind(session.0).fetch_optional(&mut *tx).await?;
    match user {
        Some(user) => right_ended(tx, UserId(user)).await,
        None => Ok(()),
    }
}

/// Ends all sessions of a person but one; which ones.
pub(super) async fn end_others(tx: &mut PgConnection, user: UserId, keep: SessionId) -> Result<Vec<SessionId>, sqlx::Error> {
    let ended: Vec<Uuid> = sqlx::query_scalar("update sessions set ended = true where user_id = $1 and id <> $2 and not ended returning id")
        .bind(user.0)
        .bind(keep.0)
        .fetch_all(&mut *tx)
        .await?;
    right_ended(tx, user).await?;
    Ok(ended.into_iter().map(SessionId).collect())
}

/// In the transaction in which it ended.
pub(super) async fn right_ended(tx: &mut PgConnection, user: UserId) -> Result<(), sqlx::Error> {
    sqlx::query("update accounts set rights_version = rights_version + 1 where id = $1").bind(user.0).execute(tx).await?;
    Ok(())
}
