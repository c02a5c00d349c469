//! Sessions and their refresh tokens in SQLite.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};
use sqlx::SqliteConnection;

use super::{SqliteStore, call, sql};
use crate::store::{
    StoreUnavailable,
    accounts::{RefreshHash, Rotation, Session, Sessions},
};

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Vec<u8>,
    user: Vec<u8>,
    created_at: i64,
    expires_at: i64,
    ended: bool,
}

impl SessionRow {
    fn session(self) -> Result<Session, sqlx::Error> {
        Ok(Session {
            id: SessionId(sql::uuid(&self.id)?),
            user: UserId(sql::uuid(&self.user)?),
            created_at: UnixMillis(self.created_at),
            expires_at: UnixMillis(self.expires_at),
            ended: self.ended,
        })
    }
}

#[async_trait]
impl Sessions for SqliteStore {
    async fn create_session(&self, session: &Session, refresh: RefreshHash) -> Result<(), StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            // A person's expired sessions leave with their tokens when that person comes back.
            sqlx::query("delete from sessions where user = ? and expires_at <= ?")
                .bind(sql::blob(session.user.0))
                .bind(session.created_at.0)
                .execute(&mut *tx)
                .await?;
            sqlx::query("insert into sessions (id, user, created_at, expires_at, ended) values (?, ?, ?, ?, ?)")
                .bind(sql::blob(session.id.0))
                .bind(sql::blob(session.user.0))
                .bind(session.created_at.0)
                .bind(session.expires_at.0)
                .bind(session.ended)
                .execute(&mut *tx)
                .await?;
            insert_current(&mut tx, session.id, refresh).await?;
            tx.commit().await
        })
        .await
    }

    async fn rotate(&self, presented: RefreshHash, new: RefreshHash, now: UnixMillis) -> Result<Rotation, StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            let Some((mut session, state)) = live_session_of(&mut tx, presented, now).await? else {
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

    async fn end_session(&self, id: SessionId) -> Result<(), StoreUnavailable> {
        call(async {
            let mut tx = self.write().await?;
            end(&mut tx, id).await?;
            tx.commit().await
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

async fn end(tx: &mut SqliteConnection, session: SessionId) -> Result<(), sqlx::Error> {
    sqlx::query("update sessions set ended = 1 where id = ?").bind(sql::blob(session.0)).execute(tx).await?;
    Ok(())
}
