//! `/me`: the asker's own profile and password.

use axum::{Json, extract::State};
use parley_engines::store::accounts::ProfileChange;
use parley_proto::{SessionId, wire::User};
use serde::{Deserialize, Serialize};

use super::{input::Body, signed_in::SignedIn, state::AppState};
use crate::{accounts, refusal::Refusal};

#[derive(Serialize)]
pub(super) struct Me {
    user: User,
    session_id: SessionId,
    is_admin: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileBody {
    display_name: Option<String>,
    color: Option<String>,
    status_text: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordBody {
    current_password: String,
    new_password: String,
}

#[derive(Serialize)]
pub(super) struct Ended {
    /// How many other sessions ended.
    ended: usize,
}

impl Me {
    fn of(me: accounts::Me, session_id: SessionId) -> Json<Self> {
        Json(Self { user: me.user, session_id, is_admin: me.is_admin })
    }
}

pub(super) async fn show(State(state): State<AppState>, who: SignedIn) -> Result<Json<Me>, Refusal> {
    Ok(Me::of(state.accounts.me(who.user).await?, who.session))
}

pub(super) async fn update(State(state): State<AppState>, who: SignedIn, Body(body): Body<ProfileBody>) -> Result<Json<Me>, Refusal> {
    let change = ProfileChange { display_name: body.display_name, color: body.color, status_text: body.status_text };
    Ok(Me::of(state.accounts.update_profile(who.user, change).await?, who.session))
}

pub(super) async fn change_password(State(state): State<AppState>, who: SignedIn, Body(body): Body<PasswordBody>) -> Result<Json<Ended>, Refusal> {
    let ended = state.accounts.change_password(who.into(), &body.current_password, &body.new_password).await?;
    Ok(Json(Ended { ended }))
}
