//! `/rooms/{id}/messages`: pages of history, and sending without a socket.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use parley_engines::store::Direction;
use parley_proto::{
    Cid, Cursor, ErrorCode, MessageId, Position, RoomId,
    item::Item,
    wire::{Tallies, User},
};
use serde::{Deserialize, Serialize};

use super::{
    input::{Body, Id, Query},
    lists,
    signed_in::{RoomMember, SignedIn},
    state::AppState,
};
use crate::{
    chat::{HistoryPage, PageAt, SendOutcome, SendRequest, Sent},
    limits::What,
    refusal::Refusal,
    tokens::List,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MessagesQuery {
    cursor: Option<String>,
    around: Option<String>,
    limit: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Messages {
    items: Vec<Item>,
    users: Vec<User>,
    tallies: Tallies,
    next: Option<String>,
    previous: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendBody {
    cid: Cid,
    body: String,
    #[serde(default)]
    base: Cursor,
    #[serde(default)]
    retry: bool,
}

#[derive(Serialize)]
struct Acked {
    id: MessageId,
    at_most: Position,
}

#[derive(Serialize)]
struct Unknown {
    outcome: &'static str,
    cid: Cid,
    retry_after_ms: u64,
    #[serde(rename = "final", skip_serializing_if = "std::ops::Not::not")]
    is_final: bool,
}

pub(super) async fn list(State(state): State<AppState>, member: RoomMember, Query(query): Query<MessagesQuery>) -> Result<Json<Messages>, Refusal> {
    state.limits.spend(What::Reads, member.user)?;
    let list = List::Messages(member.room);
    let limit = lists::limit(query.limit.as_deref())?;
    let at = page_at(&state, &list, &query)?;
    let page = state.chat.page(member.room, at, limit).await?;
    let ids: Vec<MessageId> = page.items.iter().map(|item| item.id).collect();
    let tallies = state.chat.tallies(member.room, &ids, member.user).await?;
    let users = state.profiles.of_items(&page.items).await;
    let HistoryPage { items, start, end, has_older, has_newer } = page;
    let cursor = |there: bool, direction, at: Cursor| there.then(|| state.cursors.write(&list, direction, &at)).transpose();
    let next = cursor(has_newer, Direction::Forward, end)?;
    let previous = cursor(has_older, Direction::Backward, start)?;
    Ok(Json(Messages { items, users, tallies, next, previous }))
}

fn page_at(state: &AppState, list: &List<'_>, query: &MessagesQuery) -> Result<PageAt, Refusal> {
    let wrong = |path: &str, detail: &str| Refusal::new(ErrorCode::BadRequest).detail(detail).at(path);
    match (query.cursor.as_deref().filter(|cursor| !cursor.is_empty()), query.around.as_deref()) {
        (None, None) => Ok(PageAt::Newest),
        (Some(cursor), None) => Ok(match state.cursors.read(list, cursor)? {
            (Direction::Backward, at) => PageAt::Before(at),
            (Direction::Forward, at) => PageAt::From(at),
        }),
        (None, Some(id)) => id.parse().map(PageAt::Around).map_err(|_| wrong("around", "a message id is a UUID")),
        (Some(_), Some(_)) => Err(wrong("around", "either cursor or around")),
    }
}

/// Membership is judged where the message is accepted.
pub(super) async fn send(State(state): State<AppState>, who: SignedIn, Id(room): Id<RoomId>, Body(body): Body<SendBody>) -> Response {
    let SendBody { cid, body, base, retry } = body;
    let outcome = state.chat.send(who.user, SendRequest { sent: Sent { room, cid, base }, body, retry }).await;
    answer(outcome, cid, StatusCode::CREATED)
}

/// The three answers; `done` is what an ack is called.
pub(super) fn answer(outcome: SendOutcome, cid: Cid, done: StatusCode) -> Response {
    match outcome {
        SendOutcome::Ack { id, at_most } => (done, Json(Acked { id, at_most })).into_response(),
        SendOutcome::Unknown { retry_after_ms, is_final } => {
            (StatusCode::ACCEPTED, Json(Unknown { outcome: "unknown", cid, retry_after_ms, is_final })).into_response()
        }
        SendOutcome::Rejected { code, retry_after_ms, .. } => {
            let refusal = Refusal::new(code);
            let delay = retry_after_ms.map(std::time::Duration::from_millis);
            delay.into_iter().fold(refusal, Refusal::retry_after).into_response()
        }
    }
}
