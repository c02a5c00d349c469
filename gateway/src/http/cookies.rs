//! The session's cookies: `HttpOnly`, `SameSite=Lax`, and on https bound to the host by their names.

use axum::http::{HeaderMap, HeaderValue, header};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use parley_proto::UnixMillis;
use time::Duration;

use crate::{accounts::Granted, config::GatewayConfig};

/// Only these addresses get the refresh token.
const REFRESH_PATH: &str = "/api/v1/auth";

fn access_name(config: &GatewayConfig) -> &'static str {
    if config.secure_cookies() { "__Host-parley_access" } else { "parley_access" }
}

fn refresh_name(config: &GatewayConfig) -> &'static str {
    if config.secure_cookies() { "__Secure-parley_refresh" } else { "parley_refresh" }
}

/// The access token in the cookies.
pub(super) fn access(headers: &HeaderMap, config: &GatewayConfig) -> Option<String> {
    CookieJar::from_headers(headers).get(access_name(config)).map(|cookie| cookie.value().to_owned())
}

/// The refresh token in the cookies.
pub(super) fn refresh(headers: &HeaderMap, config: &GatewayConfig) -> Option<String> {
    CookieJar::from_headers(headers).get(refresh_name(config)).map(|cookie| cookie.value().to_owned())
}

/// Puts a session's tokens into the answer.
pub(super) fn set(headers: &mut HeaderMap, config: &GatewayConfig, granted: &Granted, now: UnixMillis) {
    let left = |until: UnixMillis| Duration::milliseconds(until.0.saturating_sub(now.0));
    add(headers, config, (access_name(config), "/"), granted.access_token.clone(), left(granted.access_expires_at));
    add(headers, config, (refresh_name(config), REFRESH_PATH), granted.refresh_token.reveal(), left(granted.refresh_expires_at));
}

/// Takes the tokens away.
pub(super) fn clear(headers: &mut HeaderMap, config: &GatewayConfig) {
    add(headers, config, (access_name(config), "/"), String::new(), Duration::ZERO);
    add(headers, config, (refresh_name(config), REFRESH_PATH), String::new(), Duration::ZERO);
}

fn add(headers: &mut HeaderMap, config: &GatewayConfig, (name, path): (&'static str, &'static str), value: String, max_age: Duration) {
    let cookie = Cookie::build((name, value)).path(path).http_only(true).same_site(SameSite::Lax).secure(config.secure_cookies()).max_age(max_age).build();
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        headers.append(header::SET_COOKIE, value);
    }
}
