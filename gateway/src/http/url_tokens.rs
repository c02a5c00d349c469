//! A token in a URL ends up in histories and logs: such a request is refused, and its address is written nowhere.

use axum::{
    extract::{Query, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};
use parley_proto::ErrorCode;

use crate::refusal::Refusal;

/// Names under which clients would send one.
const NAMES: &[&str] = &["token", "access_token", "refresh_token", "id_token", "jwt", "bearer", "authorization", "auth", "password"];

/// Answers requests that bear a token in the query string with 400.
pub(super) async fn refuse(request: Request, next: Next) -> Response {
    if has_token(request.uri()) {
        return Refusal::new(ErrorCode::BadRequest).detail("never put a token into a URL: use the cookie or the Authorization header").into_response();
    }
    next.run(request).await
}

fn has_token(uri: &axum::http::Uri) -> bool {
    if uri.query().is_none_or(str::is_empty) {
        return false;
    }
    // Decoded as the handlers would decode it.
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
    pairs.is_ok_and(|Query(pairs)| pairs.iter().any(|(name, _)| NAMES.iter().any(|token| name.eq_ignore_ascii_case(token))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_knows_the_same_names() {
        let names = format!("({})", NAMES.join("|"));
        assert!(include_str!("../../../nginx/snippets/log.conf").contains(&names), "{names}");
    }

    #[test]
    fn a_token_is_found_however_it_is_written() {
        for query in ["token=x", "a=b&access_token=x", "%74oken=x", "TOKEN=x", "token"] {
            assert!(has_token(&format!("/api/v1/me?{query}").parse().unwrap()), "{query}");
        }
        for query in ["", "cursor=token", "q=token%3Dx"] {
            assert!(!has_token(&format!("/api/v1/rooms?{query}").parse().unwrap()), "{query}");
        }
    }
}
