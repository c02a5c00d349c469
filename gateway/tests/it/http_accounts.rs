//! Accounts and sessions over REST.

use std::time::Duration;

use parley_engines::bus::{BusChannels, BusEvent, Channel};
use parley_gateway::revocation::Revocation;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::http_server::{Answer, PASSWORD, Server, Setup, problem};

fn refresh_token(session: &Value) -> String {
    session["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_gets_cookies_and_no_tokens() {
    let server = Server::start().await;
    let browser = server.visitor();
    let answer = browser.post("/auth/sign-up", json!({"user_name": "Ada", "password": PASSWORD})).await;
    let session = answer.expect(StatusCode::CREATED);
    assert_eq!((session["user"]["user_name"].as_str(), session["user"]["display_name"].as_str()), (Some("ada"), Some("Ada")));
    assert!(session.get("access_token").is_none() && session.get("refresh_token").is_none());
    let cookies = answer.set_cookies();
    assert_eq!(cookies.len(), 2);
    assert!(cookies.iter().all(|cookie| cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax")), "{cookies:?}");
    assert!(cookies[0].starts_with("parley_access=") && cookies[0].contains("Path=/;"), "{cookies:?}");
    assert!(cookies[1].starts_with("parley_refresh=") && cookies[1].contains("Path=/api/v1/auth"), "{cookies:?}");
    let me = browser.get("/me").await.expect(StatusCode::OK);
    assert_eq!((&me["user"], &me["session_id"]), (&session["user"], &session["session_id"]));
    browser.act("/auth/refresh").await.expect(StatusCode::OK);
    browser.get("/me").await.expect(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_https_cookies_are_bound_to_the_host() {
    let mut setup = Setup::default();
    setup.config.public_origins = vec!["https://chat.example".to_owned()];
    let server = Server::with(setup).await;
    let cookies = server.visitor().sign_up("ada", "cookie").await.set_cookies();
    assert!(cookies[0].starts_with("__Host-parley_access=") && cookies[0].contains("Secure") && !cookies[0].contains("Domain"), "{cookies:?}");
    assert!(cookies[1].starts_with("__Secure-parley_refresh=") && cookies[1].contains("Secure"), "{cookies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_answer_for_taken_and_reserved_names() {
    let server = Server::start().await;
    server.person("ada").await;
    let visitor = server.visitor();
    let taken = visitor.sign_up("ADA", "token").await;
    let reserved = visitor.sign_up("admin", "token").await;
    assert_eq!(taken.problem(), problem(409, "username_unavailable"));
    assert_eq!((taken.status, taken.text), (reserved.status, reserved.text));
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_wrong_password_give_the_same_answer() {
    let server = Server::start().await;
    server.person("ada").await;
    let visitor = server.visitor();
    let wrong = visitor.sign_in("ada", "seven purple umbrella").await;
    assert_eq!(wrong.problem(), problem(401, "credentials_wrong"));
    for unknown in ["nobody-here", "not a name", ""] {
        let answer = visitor.sign_in(unknown, "seven purple umbrella").await;
        assert_eq!((answer.status, &answer.text), (wrong.status, &wrong.text), "{unknown}");
    }
    visitor.sign_in("Ada", PASSWORD).await.expect(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_that_breaks_a_rule_is_told_which() {
    let server = Server::start().await;
    let visitor = server.visitor();
    let cases = [
        (json!({"user_name": "a", "password": PASSWORD}), "username_invalid", "user_name"),
        (json!({"user_name": "ada lovelace", "password": PASSWORD}), "username_invalid", "user_name"),
        (json!({"user_name": "ada", "password": "short"}), "password_too_short", "password"),
        (json!({"user_name": "ada", "password": "é".repeat(129)}), "password_too_long", "password"),
        (json!({"user_name": "ada", "password": "password123"}), "password_common", "password"),
        (json!({"user_name": "marigold", "password": "Marigold99"}), "password_common", "password"),
        (json!({"user_name": "ada", "password": PASSWORD, "display_name": "a\u{202E}b"}), "display_name_invalid", "display_name"),
        (json!({"user_name": "ada", "password": PASSWORD, "role": "admin"}), "bad_request", "role"),
        (json!({"user_name": "ada", "password": PASSWORD, "session": "url"}), "bad_request", "session"),
    ];
    for (body, code, path) in cases {
        let answer = visitor.post("/auth/sign-up", body.clone()).await;
        assert_eq!(answer.problem(), problem(400, code), "{body}");
        assert_eq!(answer.json()["path"], path, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_refresh_token_ends_the_session() {
    let server = Server::start().await;
    let visitor = server.visitor();
    let first = visitor.sign_up("ada", "token").await.expect(StatusCode::CREATED);
    let second = visitor.refresh(&refresh_token(&first)).await.expect(StatusCode::OK);
    let third = visitor.refresh(&refresh_token(&second)).await.expect(StatusCode::OK);
    let (_connection, mut events) = control(&server).await;
    assert_eq!(visitor.refresh(&refresh_token(&first)).await.problem(), problem(401, "unauthenticated"));
    let session = first["session_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(next_revocation(&mut events).await, Revocation::of_session(session));
    assert_eq!(visitor.refresh(&refresh_token(&third)).await.problem(), problem(401, "unauthenticated"));
    let access = third["access_token"].as_str().unwrap();
    assert_eq!(Answer::of(visitor.request(Method::GET, "/me").bearer_auth(access)).await.problem(), problem(401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_token_works_once_more_when_its_answer_was_lost() {
    let server = Server::start().await;
    let visitor = server.visitor();
    let first = visitor.sign_up("ada", "token").await.expect(StatusCode::CREATED);
    let _lost = visitor.refresh(&refresh_token(&first)).await.expect(StatusCode::OK);
    let again = visitor.refresh(&refresh_token(&first)).await.expect(StatusCode::OK);
    visitor.refresh(&refresh_token(&again)).await.expect(StatusCode::OK);
    assert_eq!(visitor.refresh(&refresh_token(&first)).await.problem(), problem(401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_refreshes_at_once_give_one_success_one_grace_and_no_session() {
    let server = Server::start().await;
    let visitor = server.visitor();
    let first = visitor.sign_up("ada", "token").await.expect(StatusCode::CREATED);
    let token = refresh_token(&first);
    let answers = futures::future::join_all((0..10).map(|_| visitor.refresh(&token))).await;
    let granted: Vec<&Answer> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect();
    assert!((1..=2).contains(&granted.len()), "{}", granted.len());
    for answer in &granted {
        assert_eq!(visitor.refresh(&refresh_token(&answer.json())).await.problem(), problem(401, "unauthenticated"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_everywhere() {
    let server = Server::start().await;
    let browser = server.visitor();
    let session = browser.sign_up("ada", "cookie").await.expect(StatusCode::CREATED);
    let other = server.visitor();
    let elsewhere = other.sign_in("ada", PASSWORD).await.expect(StatusCode::OK);
    browser.get("/me").await.expect(StatusCode::OK);
    let (_connection, mut events) = control(&server).await;
    let answer = browser.act("/auth/sign-out").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.set_cookies().iter().all(|cookie| cookie.contains("Max-Age=0")), "{:?}", answer.set_cookies());
    assert_eq!(next_revocation(&mut events).await, Revocation::of_session(session["session_id"].as_str().unwrap().parse().unwrap()));
    assert_eq!(browser.get("/me").await.problem(), problem(401, "unauthenticated"));
    assert_eq!(browser.act("/auth/refresh").await.problem(), problem(401, "unauthenticated"));
    let bearer = elsewhere["access_token"].as_str().unwrap();
    Answer::of(other.request(Method::GET, "/me").bearer_auth(bearer)).await.expect(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_of_an_ended_session_is_refused() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    assert_eq!(ada.act("/auth/sign-out").await.status, StatusCode::NO_CONTENT);
    assert_eq!(ada.get("/me").await.problem(), problem(401, "unauthenticated"));
    assert_eq!(ada.get("/rooms").await.problem(), problem(401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_whose_access_token_is_gone_is_signed_out_by_its_refresh_token() {
    let server = Server::start().await;
    let visitor = server.visitor();
    let session = visitor.sign_up("ada", "token").await.expect(StatusCode::CREATED);
    let browser = server.visitor();
    let cookie = format!("parley_refresh={}", refresh_token(&session));
    let answer = Answer::of(browser.request(Method::POST, "/auth/sign-out").header("cookie", &cookie)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(visitor.refresh(&refresh_token(&session)).await.problem(), problem(401, "unauthenticated"));
    assert_eq!(server.visitor().act("/auth/sign-out").await.problem(), problem(401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_503_on_refresh_signs_nobody_out() {
    let server = Server::start().await;
    let browser = server.visitor();
    browser.sign_up("ada", "cookie").await.expect(StatusCode::CREATED);
    server.store.close().await;
    let answer = browser.act("/auth/refresh").await;
    assert_eq!(answer.problem(), problem(503, "unavailable"));
    assert!(answer.headers.contains_key("retry-after"));
    assert!(answer.set_cookies().is_empty());
    assert_eq!(browser.act("/auth/sign-out").await.problem(), problem(503, "unavailable"));
    assert_eq!(server.visitor().sign_in("ada", PASSWORD).await.problem(), problem(503, "unavailable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_sign_in_queue_is_refused_with_a_time_to_come_back() {
    for queue in [0, 32] {
        let mut setup = Setup::default();
        setup.config.passwords.in_flight = 0;
        setup.config.passwords.queue = queue;
        setup.config.passwords.queue_age = Duration::from_millis(10);
        let server = Server::with(setup).await;
        for answer in [server.visitor().sign_in("ada", PASSWORD).await, server.visitor().sign_up("ada", "token").await] {
            assert_eq!(answer.problem(), problem(503, "overloaded"));
            assert_eq!(answer.headers["retry-after"], "1");
            assert_eq!(answer.json()["retry_after_ms"], 1_000);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_changed_and_seen_by_others() {
    let server = Server::start().await;
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let id = ada.get("/me").await.json()["user"]["id"].as_str().unwrap().to_owned();
    bob.get(&format!("/users?ids={id}")).await.expect(StatusCode::OK);
    let change = json!({"display_name": "  Ada L. ", "color": "#AABBCC", "status_text": "<script>alert(1)</script>"});
    let changed = ada.patch("/me", change).await.expect(StatusCode::OK);
    assert_eq!((changed["user"]["display_name"].as_str(), changed["user"]["color"].as_str()), (Some("Ada L."), Some("#aabbcc")));
    let unknown = uuid::Uuid::from_u128(5);
    let seen = bob.get(&format!("/users?ids={unknown},{id},{id}")).await.expect(StatusCode::OK);
    assert_eq!(seen["items"], json!([changed["user"]]));
    for (body, code) in [
        (json!({"display_name": " "}), "display_name_invalid"),
        (json!({"color": "red"}), "color_invalid"),
        (json!({"status_text": "x".repeat(101)}), "status_text_too_long"),
        (json!({"user_name": "eve"}), "bad_request"),
    ] {
        assert_eq!(ada.patch("/me", body).await.problem(), problem(400, code));
    }
}

type Events = tokio::sync::mpsc::Receiver<BusEvent>;

/// Listens to what gateways tell each other.
async fn control(server: &Server) -> (Box<dyn parley_engines::bus::BusConnection>, Events) {
    let (connection, events) = server.bus.connect(16).await.unwrap();
    connection.subscribe(&[Channel::Control]).await.unwrap();
    (connection, events)
}

async fn next_revocation(events: &mut Events) -> Revocation {
    match tokio::time::timeout(Duration::from_secs(5), events.recv()).await.unwrap() {
        Some(BusEvent::Payload { channel: Channel::Control, payload }) => Revocation::parse(&payload).unwrap(),
        other => panic!("{other:?}"),
    }
}
