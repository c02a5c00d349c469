//! Whose request it is, as far as limits are concerned.

use std::time::Duration;

use parley_engines::bus::rate::Rate;
use reqwest::Method;
use serde_json::json;

use crate::http_server::{Answer, Server, Setup, Visitor, problem};

/// A server at which two tries to sign in are the most for a long time.
async fn server(trusted_proxies: &str) -> Server {
    let mut setup = Setup::default();
    setup.config.trusted_proxies = trusted_proxies.parse().unwrap();
    setup.config.limits.sign_ins = Rate::new(1, Duration::from_secs(600), 2);
    Server::with(setup).await
}

/// A try that claims to come from this address.
async fn try_from(visitor: &Visitor, claimed: &str) -> Answer {
    let body = json!({"user_name": "ada", "password": "a wild guess at it"});
    Answer::of(visitor.request(Method::POST, "/auth/sign-in").header("x-forwarded-for", claimed).json(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_no_trusted_proxy_can_not_claim_another_address() {
    let server = server("192.0.2.0/24").await;
    let visitor = server.visitor();
    for claimed in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(try_from(&visitor, claimed).await.problem(), problem(401, "credentials_wrong"));
    }
    for claimed in ["198.51.100.3", "192.0.2.7", "127.0.0.1", "nonsense"] {
        let answer = try_from(&visitor, claimed).await;
        assert_eq!(answer.problem(), problem(429, "rate_limited"), "{claimed}");
        let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!(seconds > 500 && seconds <= 600, "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_each_client_has_limits_of_their_own() {
    let server = server("127.0.0.0/8").await;
    let visitor = server.visitor();
    for _ in 0..2 {
        assert_eq!(try_from(&visitor, "198.51.100.1").await.problem(), problem(401, "credentials_wrong"));
    }
    assert_eq!(try_from(&visitor, "198.51.100.1").await.problem(), problem(429, "rate_limited"));
    let behind_itself = "203.0.113.5, 198.51.100.1";
    assert_eq!(try_from(&visitor, behind_itself).await.problem(), problem(429, "rate_limited"), "what the proxy put last counts");
    assert_eq!(try_from(&visitor, "198.51.100.2").await.problem(), problem(401, "credentials_wrong"));
}
