//! `/me/sessions`: where the asker is signed in.

use axum::{Json, extract::State, http::StatusCode};
use parley_engines::store::accounts::Session;
use parley_proto::{SessionId, UnixMillis, item::rfc3339_millis};
use serde::Serialize;

use super::{input::Id, signed_in::SignedIn, state::AppState};
use crate::{clock, refusal::Refusal};

#[derive(Serialize)]
struct Shown {
    id: SessionId,
    /// The session that asks.
    current: bool,
    agent: String,
    #[serde(with = "rfc3339_millis")]
    created_at: UnixMillis,
    #[serde(with = "rfc3339_millis")]
    last_seen_at: UnixMillis,
    #[serde(with = "rfc3339_millis")]
    expires_at: UnixMillis,
}

#[derive(Serialize)]
pub(super) struct List {
    items: Vec<Shown>,
}

#[derive(Serialize)]
pub(super) struct Ended {
    /// How many sessions ended.
    ended: usize,
}

pub(super) async fn list(State(state): State<AppState>, who: SignedIn) -> Result<Json<List>, Refusal> {
    let sessions = state.accounts.list_sessions(who.user, clock::now()).await?;
    Ok(Json(List { items: sessions.into_iter().map(|session| Shown::of(session, who.session)).collect() }))
}

pub(super) async fn revoke(State(state): State<AppState>, who: SignedIn, Id(session): Id<SessionId>) -> Result<StatusCode, Refusal> {
    state.accounts.revoke_session(who.user, session).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn revoke_others(State(state): State<AppState>, who: SignedIn) -> Result<Json<Ended>, Refusal> {
    Ok(Json(Ended { ended: state.accounts.revoke_others(who.into()).await? }))
}

impl Shown {
    fn of(session: Session, current: SessionId) -> Self {
        let Session { id, created_at, last_seen_at, expires_at, agent, .. } = session;
        Self { id, current: id == current, agent, created_at, last_seen_at, expires_at }
    }
}
