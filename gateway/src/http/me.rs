//! `/me`: the asker's own profile.

use axum::{Json, extract::State};
use parley_engines::store::accounts::ProfileChange;
use parley_proto::{SessionId, wire::User};
use serde::{Deserialize, Serialize};

use super::{input::Body, signed_in::SignedIn, state::AppState};
use crate::refusal::Refusal;

#[derive(Serialize)]
pub(super) struct Me {
    user: User,
    session_id: SessionId,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileBody {
    display_name: Option<String>,
    color: Option<String>,
    status_text: Option<String>,
}

pub(super) async fn show(State(state): State<AppState>, who: SignedIn) -> Result<Json<Me>, Refusal> {
    let user = state.accounts.me(who.user).await?;
    Ok(Json(Me { user, session_id: who.session }))
}

pub(super) async fn update(State(state): State<AppState>, who: SignedIn, Body(body): Body<ProfileBody>) -> Result<Json<Me>, Refusal> {
    let change = ProfileChange { display_name: body.display_name, color: body.color, status_text: body.status_text };
    let user = state.accounts.update_profile(who.user, change).await?;
    Ok(Json(Me { user, session_id: who.session }))
}
