//! The second listener, for whoever runs the process: `/livez`, `/readyz`, `/metrics`, `POST /drain`. It listens on loopback by default and is never put
//! behind the public proxy; it asks nobody who they are.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
    routing::{get, post},
};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::readiness::{Check, Part, Readiness};
use crate::{metrics::Metrics, shutdown::Shutdown};

mod readiness;

/// What the listener shows and can begin.
#[derive(Debug, Clone)]
pub struct Admin {
    pub readiness: Readiness,
    pub metrics: Metrics,
    pub shutdown: Shutdown,
}

/// Serves until `until` is cancelled, which should be after the drain: probes and scrapes go on while it lasts.
pub async fn serve(listener: TcpListener, admin: Admin, until: CancellationToken) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/drain", post(drain))
        .with_state(admin);
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served,
        () = until.cancelled() => Ok(()),
    }
}

#[derive(Debug, Serialize)]
struct Ready {
    ready: bool,
    draining: bool,
    checks: Vec<Check>,
}

async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    let checks = admin.readiness.checks();
    let draining = admin.shutdown.is_draining();
    let ready = !draining && checks.iter().all(|check| check.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, draining, checks }))
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.metrics.render())
}

/// A page in a browser on the same machine could send this request too; a browser always says so.
async fn drain(State(admin): State<Admin>, headers: HeaderMap) -> StatusCode {
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return StatusCode::FORBIDDEN;
    }
    tracing::info!("draining, as the admin listener was asked to");
    admin.shutdown.drain();
    StatusCode::ACCEPTED
}
