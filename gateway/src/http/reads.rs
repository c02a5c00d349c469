//! `/rooms/{id}/read`: how far one has read, without a socket.

use axum::{extract::State, http::StatusCode};
use parley_proto::RoomId;
use serde::Deserialize;

use super::{
    input::{Body, Id},
    signed_in::SignedIn,
    state::AppState,
};
use crate::{reads::ReadMark, refusal::Refusal};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadBody {
    seq: u64,
    #[serde(default)]
    back: bool,
}

/// Membership is judged where the mark is taken.
pub(super) async fn put(State(state): State<AppState>, who: SignedIn, Id(room): Id<RoomId>, Body(body): Body<ReadBody>) -> Result<StatusCode, Refusal> {
    let ReadBody { seq, back } = body;
    state.chat.reads().mark(who.user, room, ReadMark { seq, back }).await?;
    Ok(StatusCode::NO_CONTENT)
}
