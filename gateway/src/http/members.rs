//! `/rooms/{id}/join`, `/leave`, `/members`.

use axum::{Json, extract::State, http::StatusCode};
use parley_proto::{RoomId, UnixMillis, event::Role, item::rfc3339_millis, wire::User};
use serde::Serialize;

use super::{
    input::{Id, Query},
    lists::{self, ListPage, PageQuery},
    rooms::Room,
    signed_in::{RoomMember, SignedIn},
    state::AppState,
};
use crate::{clock, refusal::Refusal, tokens::List};

#[derive(Serialize)]
pub(super) struct Member {
    user: User,
    #[serde(with = "rfc3339_millis")]
    joined_at: UnixMillis,
    role: Role,
}

pub(super) async fn join(State(state): State<AppState>, who: SignedIn, Id(room): Id<RoomId>) -> Result<Json<Room>, Refusal> {
    Ok(Json(state.rooms.join(who.user, room, clock::now()).await?.into()))
}

pub(super) async fn leave(State(state): State<AppState>, who: SignedIn, Id(room): Id<RoomId>) -> Result<StatusCode, Refusal> {
    state.rooms.leave(who.user, room, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn list(State(state): State<AppState>, member: RoomMember, Query(query): Query<PageQuery>) -> Result<Json<ListPage<Member>>, Refusal> {
    let list = List::Members(member.room);
    let request = lists::request(&state.cursors, &list, &query)?;
    let page = state.rooms.members(member.room, &request).await?;
    let show = |member: crate::rooms::SeenMember| Member { user: member.user, joined_at: member.joined_at, role: member.role };
    Ok(Json(lists::answer(&state.cursors, &list, page, |member| member.user.id, show)?))
}
