//! The upgrade to a socket.
//!
//! A browser can't see a refused upgrade, so one whose cookie is missing or expired, or that is one too many, is accepted, told, and closed; a foreign page gets 403.

use axum::{
    extract::{ConnectInfo, State, ws::WebSocketUpgrade},
    http::{HeaderMap, header},
    response::IntoResponse,
    routing::{MethodRouter, get},
};
use parley_proto::{ErrorCode, wire::CloseCode};

use super::{AppState, client_address::ClientAddress, origin_allowed, signed_in::token};
use crate::{
    clock,
    limits::{What, address::AddressBlock, places::Place},
    peer::Peer,
    refusal::Refusal,
    session::{self, Caller, Sockets},
};

/// The route of the socket.
pub fn route(sockets: Sockets) -> MethodRouter<AppState> {
    get(
        move |State(state): State<AppState>,
              ConnectInfo(peer): ConnectInfo<Peer>,
              ClientAddress(address): ClientAddress,
              headers: HeaderMap,
              upgrade: WebSocketUpgrade| async move {
            let bearer = headers.contains_key(header::AUTHORIZATION);
            if (!bearer || headers.contains_key(header::ORIGIN)) && !origin_allowed(&headers, &state.config) {
                return Refusal::new(ErrorCode::Forbidden).detail("this origin may not open a socket here").into_response();
            }
            let upgrade = session::bounded(upgrade);
            match permit(&state, address, &headers).await {
                Ok((caller, place)) => upgrade.on_upgrade(move |socket| async move {
                    sockets.serve(socket, caller, peer.received).await;
                    drop(place);
                }),
                Err(refusal) if bearer => refusal.into_response(),
                Err(refusal) => upgrade.on_upgrade(move |socket| session::refuse(socket, close_code(refusal.code))),
            }
        },
    )
}

/// Who opens a socket, if they and their address may have one more.
async fn permit(state: &AppState, address: AddressBlock, headers: &HeaderMap) -> Result<(Caller, Place), Refusal> {
    state.limits.spend(What::Connects, address)?;
    let token = token(headers, &state.config).ok_or_else(|| Refusal::new(ErrorCode::Unauthenticated))?;
    let access = state.accounts.authenticate(&token, clock::now()).await?;
    let place = state.limits.places.socket(&state.limits.config, access.user, address).await?;
    Ok((Caller { user: access.user, session: access.session }, place))
}

fn close_code(code: ErrorCode) -> CloseCode {
    match code {
        ErrorCode::Unauthenticated => CloseCode::Token,
        ErrorCode::RateLimited => CloseCode::Rate,
        _ => CloseCode::TryAgainLater,
    }
}
