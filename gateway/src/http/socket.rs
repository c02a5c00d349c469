//! The upgrade to a socket.
//!
//! A browser can't see a refused upgrade, so one whose cookie is missing or expired, or that is one too many, is accepted, told, and closed; a foreign page gets 403.

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use hyper_tungstenite::HyperWebsocket;
use parley_proto::{
    ErrorCode,
    wire::{CloseCode, SUBPROTOCOL},
};

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
              request: Request| async move {
            let bearer = headers.contains_key(header::AUTHORIZATION);
            if (!bearer || headers.contains_key(header::ORIGIN)) && !origin_allowed(&headers, &state.config) {
                return Refusal::new(ErrorCode::Forbidden).detail("this origin may not open a socket here").into_response();
            }
            let (response, upgraded) = match switch(request) {
                Ok(switched) => switched,
                Err(refusal) => return refusal.into_response(),
            };
            match permit(&state, address, &headers).await {
                Ok((caller, place)) => {
                    tokio::spawn(sockets.serve(upgraded, caller, peer.wire, place));
                }
                Err(refusal) if bearer => return refusal.into_response(),
                Err(refusal) => {
                    tokio::spawn(async move {
                        if let Ok(socket) = upgraded.await {
                            session::refuse(socket, close_code(refusal.code)).await;
                        }
                    });
                }
            }
            response
        },
    )
}

/// The answer to an upgrade (RFC 6455, section 4.2.2), and the socket that comes of it once that was sent.
fn switch(mut request: Request) -> Result<(Response, HyperWebsocket), Refusal> {
    let none = |why: String| Refusal::new(ErrorCode::BadRequest).detail(why);
    if !hyper_tungstenite::is_upgrade_request(&request) {
        return Err(none("this is the address of the WebSocket: upgrade the connection".to_owned()));
    }
    let (response, upgraded) = hyper_tungstenite::upgrade(&mut request, Some(session::bounds())).map_err(|error| none(error.to_string()))?;
    let mut response = response.map(|_| Body::empty());
    if asks_for_our_protocol(request.headers()) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok((response, upgraded))
}

fn asks_for_our_protocol(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|name| name.trim() == SUBPROTOCOL)
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
