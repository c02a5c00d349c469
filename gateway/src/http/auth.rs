//! `/auth`: sign up, sign in, refresh, sign out.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use parley_proto::{ErrorCode, SessionId, UnixMillis, item::rfc3339_millis, wire::User};
use serde::{Deserialize, Serialize};

use super::{
    agent,
    client_address::ClientAddress,
    cookies,
    input::{Body, OptionalBody},
    signed_in,
    state::AppState,
};
use crate::{
    accounts::{Client, Granted, SignUp},
    clock,
    refusal::Refusal,
    tokens::RefreshToken,
};

/// How a client wants its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Carrier {
    /// Browsers.
    #[default]
    Cookie,
    /// Everybody else: in the answer.
    Token,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignUpBody {
    user_name: String,
    password: String,
    display_name: Option<String>,
    #[serde(default)]
    session: Carrier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInBody {
    user_name: String,
    password: String,
    #[serde(default)]
    session: Carrier,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshBody {
    refresh_token: Option<String>,
}

#[derive(Serialize)]
struct Session {
    user: User,
    session_id: SessionId,
    #[serde(with = "rfc3339_millis")]
    access_expires_at: UnixMillis,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

pub(super) async fn sign_up(State(state): State<AppState>, headers: HeaderMap, Body(body): Body<SignUpBody>) -> Result<Response, Refusal> {
    let now = clock::now();
    let request = SignUp { user_name: body.user_name, password: body.password, display_name: body.display_name };
    let granted = state.accounts.sign_up(request, agent::summary(&headers), now).await?;
    Ok(answer(&state, StatusCode::CREATED, granted, body.session, now))
}

pub(super) async fn sign_in(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    Body(body): Body<SignInBody>,
) -> Result<Response, Refusal> {
    let now = clock::now();
    let client = Client { address, agent: agent::summary(&headers) };
    let granted = state.accounts.sign_in(&body.user_name, &body.password, client, now).await?;
    Ok(answer(&state, StatusCode::OK, granted, body.session, now))
}

/// The token in the body counts before the cookie, and the answer comes the way the token came. Only a real refusal takes the cookies away: a 503 signs nobody out.
pub(super) async fn refresh(State(state): State<AppState>, headers: HeaderMap, OptionalBody(body): OptionalBody<RefreshBody>) -> Response {
    let (presented, carrier) = match body.and_then(|body| body.refresh_token) {
        Some(token) => (Some(token), Carrier::Token),
        None => (cookies::refresh(&headers, &state.config), Carrier::Cookie),
    };
    let now = clock::now();
    let granted = match presented.as_deref().and_then(RefreshToken::parse) {
        Some(token) => state.accounts.refresh(&token, now).await,
        None => Err(Refusal::new(ErrorCode::Unauthenticated)),
    };
    match granted {
        Ok(granted) => answer(&state, StatusCode::OK, granted, carrier, now),
        Err(refusal) => {
            let forget = refusal.code.status() < 500 && carrier == Carrier::Cookie;
            let mut response = refusal.into_response();
            if forget {
                cookies::clear(response.headers_mut(), &state.config);
            }
            response
        }
    }
}

/// Ends the session of the bearer token, or of the cookies: a browser whose access token has expired is signed out by its refresh token.
pub(super) async fn sign_out(State(state): State<AppState>, headers: HeaderMap) -> Result<Response, Refusal> {
    let now = clock::now();
    let access = signed_in::token(&headers, &state.config).and_then(|token| state.tokens.verify(&token, now));
    let refresh = cookies::refresh(&headers, &state.config);
    match (access, refresh) {
        (Some(access), _) => state.accounts.sign_out(access).await?,
        (None, Some(token)) if signed_in::bearer(&headers).is_none() => {
            if let Some(token) = RefreshToken::parse(&token) {
                state.accounts.sign_out_by_refresh(&token, now).await?;
            }
        }
        (None, _) => return Err(Refusal::new(ErrorCode::Unauthenticated)),
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    cookies::clear(response.headers_mut(), &state.config);
    Ok(response)
}

fn answer(state: &AppState, status: StatusCode, granted: Granted, carrier: Carrier, now: UnixMillis) -> Response {
    let mut cookies = HeaderMap::new();
    let tokens = match carrier {
        Carrier::Cookie => {
            cookies::set(&mut cookies, &state.config, &granted, now);
            None
        }
        Carrier::Token => Some((granted.access_token, granted.refresh_token.reveal())),
    };
    let (access_token, refresh_token) = tokens.unzip();
    let session = Session { user: granted.user, session_id: granted.session, access_expires_at: granted.access_expires_at, access_token, refresh_token };
    (status, cookies, Json(session)).into_response()
}
