//! Sessions and their refresh tokens in Postgres.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::PostgresStore;
use crate::store::{
    StoreUnavailable,
    accounts::{RefreshHash, Rotation, Session, Sessions},
};

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Uuid,
    user_id: Uuid,
    created_at: i64,
    expires_at: i64,
    ended: bool,
}

impl SessionRow {
    fn session(self) -> Session {
        Session {
            id: SessionId(self.id),
            user: UserId(self.user_id),
            created_at: UnixMillis(self.created_at),
            expires_at: UnixMillis(self.expires_at),
            ended: self.ended,
        }
    }
}

#[async_trait]
impl Sessions for PostgresStore {
    async fn create_session(&self, session: &Session, refresh: RefreshHash) -> Result<(), StoreUnavailable> {
        self.call(async {
            let mut tx = self.write().await?;
            // A person's expired sessions leave with their tokens when that person comes back.
            sqlx::query("delete from sessions where user_id = $1 and expires_at <= $2")
                .bind(session.user.0)
                .bind(session.created_at.0)
                .execute(&mut *tx)
                .await?;
            sqlx::query("insert into sessions (id, user_id, created_at, expires_at, ended) values ($1, $2, $3, $4, $5)")
                .bind(session.id.0)
                .bind(session.user.0)
                .bind(session.created_at.0)
                .bind(session.expires_at.0)
                .bind(session.ended)
                .execute(&mut *tx)
                .await?;
            insert_current(&mut tx, session.id, refresh).await?;
            tx.done().await
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
            let rotation = match state.as_str() {
                "current" => {
                    retire(&mut tx, session.id, "replaced").await?;
                    insert_current(&mut tx, session.id, new).await?;
                    Rotation::Rotated(session)
                }
                // Its answer was lost, so nobody has the token that replaced it: that one is spent too.
                "replaced" => {
                    retire(&mut tx, session.id, "spent").await?;
                    insert_current(&mut tx, session.id, new).await?;
                    Rotation::Rotated(session)
                }
                _ => {
                    end(&mut tx, session.id).await?;
                    session.ended = true;
                    Rotation::Reused(session)
                }
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

    async fn end_session(&self, id: SessionId) -> Result<(), StoreUnavailable> {
        self.call(async {
            let mut connection = self.statement().await?;
            end(&mut connection, id).await?;
            connection.done().await
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

async fn end(tx: &mut PgConnection, session: SessionId) -> Result<(), sqlx::Error> {
    sqlx::query("update sessions set ended = true where id = $1").bind(session.0).execute(tx).await?;
    Ok(())
}
