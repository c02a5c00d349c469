//! The upgrade to a socket.
//!
//! A browser can't see a refused upgrade, so one whose cookie is missing or expired is accepted, told, and closed; a foreign page gets 403.

use axum::{
    extract::{State, ws::WebSocketUpgrade},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use parley_proto::{ErrorCode, wire::CloseCode};

use super::{AppState, origin_allowed, signed_in::token};
use crate::{
    clock,
    refusal::Refusal,
    session::{self, Caller, Sockets},
};

/// The route of the socket.
pub fn route(sockets: Sockets) -> MethodRouter<AppState> {
    get(move |State(state): State<AppState>, headers: HeaderMap, upgrade: WebSocketUpgrade| upgrade_to(sockets, state, headers, upgrade))
}

async fn upgrade_to(sockets: Sockets, state: AppState, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    let bearer = headers.contains_key(header::AUTHORIZATION);
    if (!bearer || headers.contains_key(header::ORIGIN)) && !origin_allowed(&headers, &state.config) {
        return Refusal::new(ErrorCode::Forbidden).detail("this origin may not open a socket here").into_response();
    }
    let access = match token(&headers, &state.config) {
        Some(token) => state.accounts.authenticate(&token, clock::now()).await,
        None => Err(Refusal::new(ErrorCode::Unauthenticated)),
    };
    let upgrade = session::bounded(upgrade);
    match access {
        Ok(access) => {
            let caller = Caller { user: access.user, session: access.session };
            upgrade.on_upgrade(move |socket| sockets.serve(socket, caller))
        }
        Err(refusal) if bearer => refusal.into_response(),
        Err(refusal) => {
            let code = if refusal.code == ErrorCode::Unauthenticated { CloseCode::Token } else { CloseCode::TryAgainLater };
            upgrade.on_upgrade(move |socket| session::refuse(socket, code))
        }
    }
}
