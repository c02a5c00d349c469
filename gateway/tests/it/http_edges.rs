//! What else a request can be: from another site, malformed, too large, too slow, too many.

use std::time::Duration;

use axum::routing::get;
use reqwest::{Client, Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http_server::{Answer, PASSWORD, Server, Setup, problem};

#[tokio::test(flavor = "multi_thread")]
async fn a_request_from_another_site_with_cookies_is_refused() {
    let server = Server::start().await;
    let browser = server.visitor();
    browser.sign_up("ada", "cookie").await.expect(StatusCode::CREATED);
    let room = || json!({"name": "x", "visibility": "private"});
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1.evil.example"),
    ] {
        let answer = Answer::of(browser.request(Method::POST, "/rooms").header(name, value).json(&room())).await;
        assert_eq!(answer.problem(), problem(403, "forbidden"), "{name}: {value}");
        let sign_out = Answer::of(browser.request(Method::POST, "/auth/sign-out").header(name, value)).await;
        assert_eq!(sign_out.problem(), problem(403, "forbidden"), "{name}: {value}");
    }
    for (name, value) in [("sec-fetch-site", "same-origin"), ("origin", server.base.as_str())] {
        Answer::of(browser.request(Method::POST, "/rooms").header(name, value).json(&room())).await.expect(StatusCode::CREATED);
    }
    let other = server.person("bob").await;
    Answer::of(other.request(Method::POST, "/rooms").header("origin", "https://elsewhere.example").json(&room())).await.expect(StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_bearer_header_is_not_healed_by_a_cookie() {
    let server = Server::start().await;
    let browser = server.visitor();
    browser.sign_up("ada", "cookie").await.expect(StatusCode::CREATED);
    for value in ["Bearer nonsense", "Bearer ", "Basic YWRhOng=", "bearer"] {
        let answer = Answer::of(browser.request(Method::GET, "/me").header("authorization", value)).await;
        assert_eq!(answer.problem(), problem(401, "unauthenticated"), "{value}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_url_is_refused() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let token = ada.bearer.clone().unwrap();
    for name in ["token", "access_token", "%61ccess_token"] {
        for path in ["/me", "/socket", "/nowhere"] {
            let answer = ada.get(&format!("{path}?{name}={token}")).await;
            assert_eq!(answer.problem(), problem(400, "bad_request"), "{path} {name}");
            assert!(!answer.text.contains(&token));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_anything_without_signing_in() {
    let server = Server::start().await;
    let visitor = server.visitor();
    let id = uuid::Uuid::from_u128(1);
    for path in ["/me", "/users?ids=", "/rooms", "/rooms/directory", &format!("/rooms/{id}"), &format!("/rooms/{id}/members"), &format!("/rooms/{id}/messages")]
    {
        assert_eq!(visitor.get(path).await.problem(), problem(401, "unauthenticated"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_a_problem_and_never_a_500() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let raw =
        |content_type: &'static str, body: &str| Answer::of(ada.request(Method::POST, "/rooms").header("content-type", content_type).body(body.to_owned()));
    assert_eq!(raw("text/plain", "{}").await.problem(), problem(415, "bad_request"));
    assert_eq!(raw("application/json", "{").await.problem(), problem(400, "bad_request"));
    assert_eq!(raw("application/json", "").await.problem(), problem(400, "bad_request"));
    assert_eq!(raw("application/json; charset=utf-8", "[1]").await.problem(), problem(400, "bad_request"));
    assert_eq!(raw("application/json", &"[".repeat(60_000)).await.problem(), problem(400, "bad_request"));
    assert_eq!(raw("application/json", &format!("{{\"name\":\"{}\"}}", "x".repeat(70_000))).await.problem(), problem(413, "too_large"));
    let named = raw("application/json", r#"{"name":"x","visibility":"public","a":1}"#).await;
    assert_eq!((named.problem(), named.json()["path"].as_str()), (problem(400, "bad_request"), Some("a")));
    assert_eq!(ada.get("/nowhere").await.problem(), problem(404, "not_found"));
    assert_eq!(ada.get("/rooms/%FF").await.problem(), problem(404, "not_found"));
    assert_eq!(ada.get("/rooms?limt=3").await.problem(), problem(400, "bad_request"));
    let wrong = Answer::of(ada.request(Method::DELETE, "/rooms")).await;
    assert_eq!(wrong.problem(), problem(405, "bad_request"));
    assert!(wrong.headers.contains_key("allow"));
    assert_eq!(Answer::of(ada.request(Method::from_bytes(b"BREW").unwrap(), "/me")).await.problem(), problem(405, "bad_request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn security_headers_are_on_every_answer() {
    let server = Server::start().await;
    let visitor = server.visitor();
    for answer in [visitor.get("/me").await, visitor.get("/nowhere").await, visitor.get("/me?token=x").await, visitor.sign_up("ada", "cookie").await] {
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["cross-origin-opener-policy"], "same-origin");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
        assert!(!answer.headers.contains_key("strict-transport-security"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_at_once_are_shed() {
    let mut setup = Setup::default();
    setup.config.http.in_flight = 0;
    let server = Server::with(setup).await;
    let answer = server.visitor().get("/me").await;
    assert_eq!(answer.problem(), problem(503, "overloaded"));
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_never_comes_is_given_up() {
    let mut setup = Setup::default();
    setup.config.http.timeout = Duration::from_millis(100);
    let server = Server::with(setup).await;
    let mut stream = tokio::net::TcpStream::connect(server.base.strip_prefix("http://").unwrap()).await.unwrap();
    let head = "POST /api/v1/auth/sign-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_a_503_and_the_server_goes_on() {
    let socket = get(|| async {
        if true {
            panic!("on purpose");
        }
    });
    let server = Server::with(Setup { socket, ..Setup::default() }).await;
    let visitor = server.visitor();
    for _ in 0..3 {
        assert_eq!(visitor.get("/socket").await.problem(), problem(503, "unavailable"));
    }
    assert_eq!(visitor.get("/me").await.problem(), problem(401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_web_app_is_served_with_the_right_caching() {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("dist");
    std::fs::create_dir_all(web.join("assets")).unwrap();
    std::fs::write(web.join("index.html"), "<!doctype html>the app").unwrap();
    std::fs::write(web.join("assets/app-1a2b3c.js"), "run()").unwrap();
    std::fs::write(folder.path().join("secret.txt"), PASSWORD).unwrap();
    let mut setup = Setup::default();
    setup.config.web_dir = Some(web);
    let server = Server::with(setup).await;
    let client = Client::new();
    let at = |path: &str| Answer::of(client.get(format!("{}{path}", server.base)));
    for page in ["/", "/index.html", "/rooms/some-room", "/sign-in?next=%2F"] {
        let answer = at(page).await;
        assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, "<!doctype html>the app"), "{page}");
        assert_eq!(answer.headers["cache-control"], "no-cache", "{page}");
    }
    let script = at("/assets/app-1a2b3c.js").await;
    assert_eq!((script.text.as_str(), script.headers["cache-control"].to_str().unwrap()), ("run()", "public, max-age=31536000, immutable"));
    assert_eq!(at("/assets/app-old.js").await.problem(), problem(404, "not_found"));
    for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/%2Fetc%2Fpasswd"] {
        assert!(!at(path).await.text.contains(PASSWORD), "{path}");
    }
    assert_eq!(at("/api/v2/me").await.problem(), problem(404, "not_found"));
    assert_eq!(at("/api").await.problem(), problem(404, "not_found"));
    assert_eq!(Answer::of(client.post(format!("{}/sign-in", server.base))).await.problem(), problem(405, "bad_request"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_web_app_a_line_says_where_the_api_is() {
    let server = Server::start().await;
    let answer = Answer::of(Client::new().get(&server.base)).await;
    assert!(answer.text.contains("/api/v1"), "{}", answer.text);
}
