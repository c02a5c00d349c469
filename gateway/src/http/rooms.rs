//! `/rooms`: create, mine, the directory, one.

use axum::{Json, extract::State, http::StatusCode};
use parley_engines::store::rooms::{ActivityKey, DirectoryKey};
use parley_proto::{ErrorCode, RoomId, UnixMillis, event::Visibility, item::rfc3339_millis};
use serde::{Deserialize, Serialize};

use super::{
    input::{Body, Id, Query},
    lists::{self, ListPage, PageQuery},
    signed_in::SignedIn,
    state::AppState,
};
use crate::{
    clock,
    refusal::Refusal,
    rooms::{CreateRoom, SeenRoom},
    tokens::List,
};

/// What may be looked for, in code points.
const QUERY_MAX: usize = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBody {
    name: String,
    topic: Option<String>,
    visibility: Visibility,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DirectoryQuery {
    q: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// A room as clients get it.
#[derive(Serialize)]
pub(super) struct Room {
    id: RoomId,
    kind: String,
    name: String,
    topic: String,
    visibility: Visibility,
    member: bool,
    members: u64,
    last_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<u64>,
    #[serde(with = "rfc3339_millis")]
    last_activity_at: UnixMillis,
    #[serde(with = "rfc3339_millis")]
    created_at: UnixMillis,
    archived: bool,
}

impl From<SeenRoom> for Room {
    fn from(SeenRoom { room, member, read_seq }: SeenRoom) -> Self {
        Self {
            id: room.id,
            kind: room.kind,
            name: room.name,
            topic: room.topic,
            visibility: room.visibility,
            member,
            members: room.members,
            last_seq: room.last_seq,
            read_seq,
            unread: read_seq.map(|read| room.last_seq.saturating_sub(read)),
            last_activity_at: room.last_activity_at,
            created_at: room.created_at,
            archived: room.archived,
        }
    }
}

pub(super) async fn create(State(state): State<AppState>, who: SignedIn, Body(body): Body<CreateBody>) -> Result<(StatusCode, Json<Room>), Refusal> {
    let request = CreateRoom { name: body.name, topic: body.topic.unwrap_or_default(), visibility: body.visibility };
    let room = state.rooms.create(who.user, request, clock::now()).await?;
    Ok((StatusCode::CREATED, Json(room.into())))
}

pub(super) async fn mine(State(state): State<AppState>, who: SignedIn, Query(query): Query<PageQuery>) -> Result<Json<ListPage<Room>>, Refusal> {
    let list = List::RoomsOf(who.user);
    let request = lists::keyed(lists::request(&state.cursors, &list, &query)?, |(at, room)| ActivityKey { last_activity_at: UnixMillis(at), room });
    let page = state.rooms.mine(who.user, &request).await?;
    Ok(Json(lists::answer(&state.cursors, &list, page, |seen| (seen.room.last_activity_at.0, seen.room.id), Room::from)?))
}

pub(super) async fn directory(State(state): State<AppState>, who: SignedIn, Query(query): Query<DirectoryQuery>) -> Result<Json<ListPage<Room>>, Refusal> {
    let wanted = query.q.as_deref().map(str::trim).filter(|wanted| !wanted.is_empty());
    if wanted.is_some_and(|wanted| wanted.chars().count() > QUERY_MAX) {
        return Err(Refusal::new(ErrorCode::BadRequest).detail(format!("at most {QUERY_MAX} code points")).at("q"));
    }
    let list = List::Directory(wanted);
    let page_query = PageQuery { cursor: query.cursor, limit: query.limit };
    let request = lists::keyed(lists::request(&state.cursors, &list, &page_query)?, |(members, room)| DirectoryKey { members, room });
    let page = state.rooms.directory(who.user, wanted, &request).await?;
    Ok(Json(lists::answer(&state.cursors, &list, page, |seen| (seen.room.members, seen.room.id), Room::from)?))
}

pub(super) async fn show(State(state): State<AppState>, who: SignedIn, Id(room): Id<RoomId>) -> Result<Json<Room>, Refusal> {
    Ok(Json(state.rooms.get(who.user, room).await?.into()))
}
