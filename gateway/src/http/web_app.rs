//! The built web app: hashed files are kept for ever, `index.html` never, and every other address of the app is its.

use axum::{
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use parley_proto::ErrorCode;
use tower::ServiceExt;
use tower_http::services::{ServeDir, ServeFile};

use super::{problem, state::AppState};
use crate::refusal::Refusal;

/// Vite puts files with a hash in their names here.
const HASHED: &str = "/assets/";

/// Whatever has no route: an API address that does not exist, or a page of the web app.
pub(super) async fn serve(State(state): State<AppState>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return Refusal::not_found().into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return problem::method_not_allowed().await;
    }
    let Some(dir) = &state.config.web_dir else {
        return (StatusCode::NOT_FOUND, "parley: the API is at /api/v1; no web app is built into this gateway\n").into_response();
    };
    let hashed = path.starts_with(HASHED);
    let files = ServeDir::new(dir).precompressed_gzip().append_index_html_on_directories(true);
    // A missing hashed file is missing: index.html in its place would be run as a script.
    let served = if hashed {
        files.oneshot(request).await.map(IntoResponse::into_response)
    } else {
        files.fallback(ServeFile::new(dir.join("index.html"))).oneshot(request).await.map(IntoResponse::into_response)
    };
    let mut response = match served {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let status = response.status();
    if status.is_server_error() || status == StatusCode::NOT_FOUND {
        return Refusal::new(if status.is_server_error() { ErrorCode::Unavailable } else { ErrorCode::NotFound }).into_response();
    }
    let kept = if hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    response
}
