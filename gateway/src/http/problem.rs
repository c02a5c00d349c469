//! `application/problem+json`: the one place where a refusal becomes a status.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use parley_proto::ErrorCode;
use serde::Serialize;

use crate::refusal::{AWAY_RETRY_AFTER, Refusal};

/// RFC 9457, with our code, the field and the retry hint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: ErrorCode,
    detail: String,
    path: Option<String>,
    retry_after_ms: Option<u64>,
}

/// A refusal with another status than its code's: HTTP's own (405, 415).
pub(super) fn with_status(status: StatusCode, refusal: Refusal) -> Response {
    // A 503 always says when to come back.
    let retry_after = refusal.retry_after.or_else(|| (status == StatusCode::SERVICE_UNAVAILABLE).then_some(AWAY_RETRY_AFTER));
    let problem = Problem {
        kind: "about:blank",
        title: refusal.code.title(),
        status: status.as_u16(),
        code: refusal.code,
        detail: refusal.detail,
        path: refusal.path,
        retry_after_ms: retry_after.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
    };
    let mut response = (status, Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(delay) = retry_after {
        // Whole seconds, rounded up: never earlier than meant.
        headers.insert(header::RETRY_AFTER, HeaderValue::from(delay.as_millis().div_ceil(1_000).min(86_400) as u32));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        with_status(status, self)
    }
}

/// The path is right, the method is not.
pub(super) async fn method_not_allowed() -> Response {
    with_status(StatusCode::METHOD_NOT_ALLOWED, Refusal::new(ErrorCode::BadRequest).detail("this address does not take that method"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_503_says_when_to_come_back() {
        for code in ErrorCode::ALL {
            let response = Refusal::new(*code).into_response();
            assert_eq!(response.status().as_u16(), code.status());
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), code.status() == 503, "{code:?}");
        }
        let response = Refusal::new(ErrorCode::RateLimited).retry_after(Duration::from_millis(1_001)).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }
}
