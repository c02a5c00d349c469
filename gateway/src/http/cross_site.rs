//! No other site may act with a visitor's cookies: tower-http's check of `Sec-Fetch-Site` and `Origin` on every method that changes something.
//!
//! A request with a bearer header is not judged: no other site can make a browser send one.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use parley_proto::ErrorCode;
use tower::{Layer, ServiceExt};
use tower_http::csrf::{CsrfLayer, ProtectionError};

use super::signed_in;
use crate::{config::GatewayConfig, refusal::Refusal};

/// The check, trusting our public origins besides the host's own.
pub(super) fn layer(config: &GatewayConfig) -> CsrfLayer {
    config.public_origins.iter().fold(CsrfLayer::new(), |layer, origin| {
        layer.clone().add_trusted_origin(origin).unwrap_or_else(|error| {
            tracing::error!(error = %error, "cross_site.origin_ignored");
            layer
        })
    })
}

/// Answers requests from other sites with 403.
pub(super) async fn refuse(State(layer): State<CsrfLayer>, request: Request, next: Next) -> Response {
    if signed_in::bearer(request.headers()).is_some() {
        return next.run(request).await;
    }
    let layer =
        layer.with_rejection_response(|_: ProtectionError| Refusal::new(ErrorCode::Forbidden).detail("this request comes from another site").into_response());
    match layer.layer(next).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
