//! Voting without a socket, who voted, and a room's top messages.

use axum::{Json, extract::State, http::StatusCode, response::Response};
use parley_proto::{
    Cid, Cursor, ErrorCode, MessageId, RoomId, UserId,
    item::Item,
    wire::{Tallies, User, VoteValue},
};
use serde::{Deserialize, Serialize};

use super::{
    input::{Body, Id, Query},
    lists::{self, ListPage, PageQuery},
    messages,
    signed_in::{RoomMember, SignedIn},
    state::AppState,
};
use crate::{
    chat::{Period, Sent, TopMessages, VoteRequest},
    clock,
    limits::What,
    refusal::Refusal,
    tokens::List,
};

/// The message in the path, and its room.
#[derive(Debug, Deserialize)]
pub(super) struct InMessage {
    id: RoomId,
    message: MessageId,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VoteBody {
    cid: Cid,
    value: VoteValue,
    #[serde(default)]
    base: Cursor,
    #[serde(default)]
    retry: bool,
}

#[derive(Serialize)]
pub(super) struct Vote {
    user: UserId,
    value: VoteValue,
}

#[derive(Serialize)]
pub(super) struct Votes {
    #[serde(flatten)]
    page: ListPage<Vote>,
    users: Vec<User>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopQuery {
    period: Option<String>,
    limit: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Top {
    items: Vec<Item>,
    users: Vec<User>,
    tallies: Tallies,
}

/// Membership is judged where the vote is accepted.
pub(super) async fn cast(
    State(state): State<AppState>,
    who: SignedIn,
    Id(InMessage { id: room, message: target }): Id<InMessage>,
    Body(body): Body<VoteBody>,
) -> Response {
    let VoteBody { cid, value, base, retry } = body;
    let outcome = state.chat.vote(who.user, VoteRequest { sent: Sent { room, cid, base }, target, value, retry }).await;
    messages::answer(outcome, cid, StatusCode::OK)
}

pub(super) async fn list(
    State(state): State<AppState>,
    member: RoomMember,
    Id(InMessage { message, .. }): Id<InMessage>,
    Query(query): Query<PageQuery>,
) -> Result<Json<Votes>, Refusal> {
    state.limits.spend(What::Reads, member.user)?;
    let list = List::Votes(message);
    let request = lists::request(&state.cursors, &list, &query)?;
    let page = state.chat.voters(member.room, message, &request).await?;
    let users = state.profiles.of(&page.items.iter().map(|vote| vote.user).collect::<Vec<_>>()).await;
    let page = lists::answer(&state.cursors, &list, page, |vote| vote.user, |vote| Vote { user: vote.user, value: vote.value })?;
    Ok(Json(Votes { page, users }))
}

pub(super) async fn top(State(state): State<AppState>, member: RoomMember, Query(query): Query<TopQuery>) -> Result<Json<Top>, Refusal> {
    state.limits.spend(What::Reads, member.user)?;
    let limit = lists::limit(query.limit.as_deref())?;
    let period = match query.period.as_deref() {
        None | Some("") => Period::default(),
        Some(text) => serde_json::from_value(text.into()).map_err(|_| Refusal::new(ErrorCode::BadRequest).detail("day, week, month or all").at("period"))?,
    };
    let TopMessages { items, tallies } = state.chat.top(member.room, member.user, period, clock::now(), limit).await?;
    let users = state.profiles.of_items(&items).await;
    Ok(Json(Top { items, users, tallies }))
}
