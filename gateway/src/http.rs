//! REST under `/api/v1` and the web app: one resource a file, over the use cases of [`crate::accounts`], [`crate::rooms`] and [`crate::chat`].
//!
//! A request passes, from outside: the log line and the security headers, the refusal of tokens in the URL, the catch of panics, the bounds (number, time, size),
//! the check against requests from other sites. Whatever goes wrong becomes a problem in [`problem`]; there is no 500.

use std::time::Duration;

use axum::{
    BoxError, Router,
    error_handling::HandleErrorLayer,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, delete, get, post, put},
};
use parley_proto::ErrorCode;
use tower::{ServiceBuilder, limit::GlobalConcurrencyLimitLayer};
use tower_http::catch_panic::CatchPanicLayer;

use crate::refusal::Refusal;

mod access_log;
mod agent;
mod auth;
mod client_address;
mod cookies;
mod cross_site;
mod headers;
mod input;
mod lists;
mod me;
mod members;
mod messages;
mod origin;
mod presence;
pub mod problem;
mod reads;
mod rooms;
mod sessions;
mod signed_in;
pub mod socket;
mod state;
mod url_tokens;
mod users;
mod votes;
mod web_app;

pub(crate) use origin::is_loopback;
pub use origin::origin_allowed;
pub use signed_in::{RoomMember, SignedIn};
pub use state::{AppParts, AppState};

/// Where the socket is.
pub const SOCKET_PATH: &str = "/api/v1/socket";

/// Everything that a gateway serves. `socket` is mounted at [`SOCKET_PATH`], inside all layers.
pub fn router(state: AppState, socket: MethodRouter<AppState>) -> Router {
    let limits = state.config.http;
    let bounds = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(out_of_bounds))
        .load_shed()
        .layer(GlobalConcurrencyLimitLayer::new(limits.in_flight))
        .timeout(limits.timeout);
    Router::new()
        .nest("/api/v1", api())
        .route(SOCKET_PATH, socket)
        .fallback(web_app::serve)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(from_fn_with_state(cross_site::layer(&state.config), cross_site::refuse))
        .layer(bounds)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(url_tokens::refuse))
        .layer(from_fn_with_state(headers::of(&state.config), headers::add))
        .layer(from_fn(access_log::line))
        .with_state(state)
}

fn api() -> Router<AppState> {
    Router::new()
        .route("/auth/sign-up", post(auth::sign_up))
        .route("/auth/sign-in", post(auth::sign_in))
        .route("/auth/refresh", post(auth::refresh))
        .route("/auth/sign-out", post(auth::sign_out))
        .route("/me", get(me::show).patch(me::update))
        .route("/me/password", put(me::change_password))
        .route("/me/sessions", get(sessions::list))
        .route("/me/sessions/revoke-others", post(sessions::revoke_others))
        .route("/me/sessions/{id}", delete(sessions::revoke))
        .route("/users", get(users::list))
        .route("/rooms", get(rooms::mine).post(rooms::create))
        .route("/rooms/directory", get(rooms::directory))
        .route("/rooms/{id}", get(rooms::show))
        .route("/rooms/{id}/join", post(members::join))
        .route("/rooms/{id}/leave", post(members::leave))
        .route("/rooms/{id}/members", get(members::list))
        .route("/rooms/{id}/presence", get(presence::show))
        .route("/rooms/{id}/messages", get(messages::list).post(messages::send))
        .route("/rooms/{id}/messages/{message}/vote", put(votes::cast))
        .route("/rooms/{id}/messages/{message}/votes", get(votes::list))
        .route("/rooms/{id}/read", put(reads::put))
        .route("/rooms/{id}/top", get(votes::top))
}

async fn out_of_bounds(error: BoxError) -> Refusal {
    if error.is::<tower::timeout::error::Elapsed>() {
        return Refusal::unavailable().detail("this took too long");
    }
    Refusal::new(ErrorCode::Overloaded).retry_after(Duration::from_secs(1))
}

/// The panic itself was written by the process's panic hook.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("http.panicked");
    Refusal::unavailable().into_response()
}
