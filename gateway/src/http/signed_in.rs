//! Rights as extractors: a handler that takes a [`RoomMember`] cannot forget the check.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use parley_proto::{ErrorCode, RoomId, SessionId, UserId};

use super::{cookies, input::Id, state::AppState};
use crate::{clock, config::GatewayConfig, refusal::Refusal, tokens::Access};

/// Whoever asks, by a bearer token, else by cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    pub user: UserId,
    pub session: SessionId,
}

impl From<SignedIn> for Access {
    fn from(who: SignedIn) -> Self {
        Self { user: who.user, session: who.session }
    }
}

/// Whoever asks, a member of the room in the path (`{id}`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomMember {
    pub room: RoomId,
    pub user: UserId,
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let token = token(&parts.headers, &state.config).ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
        let access = state.accounts.authenticate(&token, clock::now()).await?;
        Ok(Self { user: access.user, session: access.session })
    }
}

/// The room in the path, whatever else is in it.
#[derive(serde::Deserialize)]
struct InRoom {
    id: RoomId,
}

impl FromRequestParts<AppState> for RoomMember {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refusal> {
        let SignedIn { user, .. } = SignedIn::from_request_parts(parts, state).await?;
        let Id(InRoom { id: room }) = Id::from_request_parts(parts, state).await?;
        let membership = state.rights.member(room, user).await?;
        Ok(Self { room: membership.room, user: membership.user })
    }
}

/// A bearer header counts before any cookie, also where it is wrong.
pub(super) fn token(headers: &HeaderMap, config: &GatewayConfig) -> Option<String> {
    if headers.contains_key(header::AUTHORIZATION) { bearer(headers).map(str::to_owned) } else { cookies::access(headers, config) }
}

/// The token of a bearer header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
