//! `/rooms/{id}/presence`: who is online.

use axum::{Json, extract::State};
use parley_proto::UserId;
use serde::Serialize;

use super::{signed_in::RoomMember, state::AppState};
use crate::refusal::Refusal;

#[derive(Serialize)]
pub(super) struct Presence {
    online: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    users: Option<Vec<UserId>>,
}

pub(super) async fn show(State(state): State<AppState>, member: RoomMember) -> Result<Json<Presence>, Refusal> {
    let seen = state.presence.of(member.room).await?;
    Ok(Json(Presence { online: seen.online, users: seen.users }))
}
