//! One line and one count for each request: method, route template, status, time. No path, query, body, token or address.

use axum::{
    extract::{MatchedPath, Request},
    http::Method,
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;

use crate::metrics;

/// Writes them once the answer is there.
pub(super) async fn line(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = name(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("web", MatchedPath::as_str);
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    metrics::request_answered(method, route, status, elapsed.as_secs_f64());
    tracing::info!(http.method = method, http.route = route, http.status = status, http.ms = elapsed.as_secs_f64() * 1_000.0, "http.request");
    response
}

/// A client may send any word as a method: labels stay few.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
