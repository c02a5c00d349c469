//! Rooms, members and messages over REST.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http_server::{Answer, Server, Setup, Visitor, problem};

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_created_found_joined_and_left() {
    let server = Server::start().await;
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let room = ada.post("/rooms", json!({"name": " Gophers ", "topic": "digging", "visibility": "public"})).await.expect(StatusCode::CREATED);
    assert_eq!((room["name"].as_str(), room["member"].as_bool(), room["members"].as_u64()), (Some("Gophers"), Some(true), Some(1)));
    let id = room["id"].as_str().unwrap();
    let seen = bob.get(&format!("/rooms/{id}")).await.expect(StatusCode::OK);
    assert_eq!((seen["member"].as_bool(), seen["kind"].as_str(), seen["archived"].as_bool()), (Some(false), Some("room"), Some(false)));
    for _ in 0..2 {
        let joined = bob.act(&format!("/rooms/{id}/join")).await.expect(StatusCode::OK);
        assert_eq!((joined["member"].as_bool(), joined["members"].as_u64()), (Some(true), Some(2)));
    }
    let members = bob.get(&format!("/rooms/{id}/members")).await.expect(StatusCode::OK);
    let roles: Vec<(&str, &str)> =
        members["items"].as_array().unwrap().iter().map(|member| (member["user"]["user_name"].as_str().unwrap(), member["role"].as_str().unwrap())).collect();
    assert_eq!(roles, [("ada", "owner"), ("bob", "member")]);
    for _ in 0..2 {
        assert_eq!(bob.act(&format!("/rooms/{id}/leave")).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(bob.get(&format!("/rooms/{id}/members")).await.problem(), problem(404, "not_found"));
    assert_eq!(names(&bob.get("/rooms").await.json()), Vec::<&str>::new());
    assert_eq!(names(&ada.get("/rooms").await.json()), ["Gophers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_room_looks_like_a_missing_one() {
    let server = Server::start().await;
    let (ada, eve) = (server.person("ada").await, server.person("eve").await);
    let private = ada.room("Secret", "private").await;
    // Of the same partition, so that nothing but its existence differs.
    let missing = format!("{}{}", &private[..private.len() - 12], "0123456789ab");
    let cid = Uuid::from_u128(9);
    let requests: [(Method, &str, Option<Value>); 8] = [
        (Method::GET, "", None),
        (Method::POST, "/join", None),
        (Method::POST, "/leave", None),
        (Method::GET, "/members", None),
        (Method::GET, "/members?cursor=forged", None),
        (Method::GET, "/messages", None),
        (Method::GET, "/messages?around=00000000-0000-8000-8000-000000000001", None),
        (Method::POST, "/messages", Some(json!({"cid": cid, "body": "let me in"}))),
    ];
    for (method, path, body) in requests {
        let answers = [&private, &missing].map(|room| {
            let request = eve.request(method.clone(), &format!("/rooms/{room}{path}"));
            Answer::of(match &body {
                Some(body) => request.json(body),
                None => request,
            })
        });
        let [private, missing] = answers;
        let (private, missing) = (private.await, missing.await);
        assert_eq!(private.problem(), problem(404, "not_found"), "{method} {path}");
        assert_eq!(private.text, missing.text, "{method} {path}");
    }
    // A retry is never refused without its cancel, wherever it is.
    for room in [&private, &missing] {
        let retry = eve.post(&format!("/rooms/{room}/messages"), json!({"cid": cid, "body": "let me in", "retry": true})).await;
        assert_eq!(retry.problem(), problem(409, "cancelled"));
    }
    let found = eve.get("/rooms/directory?q=secret").await.expect(StatusCode::OK);
    assert_eq!(names(&found), Vec::<&str>::new());
    assert_eq!(eve.get("/rooms/not-an-id").await.problem(), problem(404, "not_found"));
    ada.get(&format!("/rooms/{private}")).await.expect(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_leaving_a_private_room_it_is_missing() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    let room = ada.room("Secret", "private").await;
    ada.get(&format!("/rooms/{room}/members")).await.expect(StatusCode::OK);
    assert_eq!(ada.act(&format!("/rooms/{room}/leave")).await.status, StatusCode::NO_CONTENT);
    for path in ["", "/members", "/messages"] {
        assert_eq!(ada.get(&format!("/rooms/{room}{path}")).await.problem(), problem(404, "not_found"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_name_is_taken_once_and_a_private_one_reveals_nothing() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    ada.room("Straße", "public").await;
    let taken = ada.post("/rooms", json!({"name": "STRASSE", "visibility": "public"})).await;
    let also = ada.post("/rooms", json!({"name": "straße", "visibility": "public"})).await;
    assert_eq!(also.problem(), problem(409, "room_name_taken"));
    assert!(taken.status == StatusCode::CONFLICT || taken.status == StatusCode::CREATED, "{}", taken.text);
    ada.room("Straße", "private").await;
    ada.room("Straße", "private").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_breaks_a_rule_is_refused() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    for (body, code) in [
        (json!({"name": "", "visibility": "public"}), "room_name_invalid"),
        (json!({"name": "x".repeat(81), "visibility": "public"}), "room_name_invalid"),
        (json!({"name": "x", "topic": "y".repeat(251), "visibility": "public"}), "topic_too_long"),
        (json!({"name": "x", "visibility": "secret"}), "bad_request"),
        (json!({"name": "x"}), "bad_request"),
        (json!({"name": "x", "visibility": "public", "owner": "eve"}), "bad_request"),
        (json!({"name": ["x"], "visibility": "public"}), "bad_request"),
    ] {
        assert_eq!(ada.post("/rooms", body.clone()).await.problem(), problem(400, code), "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_open_partition_a_room_has_to_wait() {
    let server = Server::with(Setup { open_partitions: 0, ..Setup::default() }).await;
    let ada = server.person("ada").await;
    let answer = ada.post("/rooms", json!({"name": "x", "visibility": "public"})).await;
    assert_eq!(answer.problem(), problem(503, "unavailable"));
    assert!(answer.headers.contains_key("retry-after"));
}

/// Follows `link` from the list's beginning to its end and returns the names page by page.
async fn walk(person: &Visitor, path: &str, link: &str, start: Option<String>) -> (Vec<Vec<String>>, Value) {
    let (mut pages, mut cursor) = (Vec::new(), start);
    loop {
        let page = match &cursor {
            Some(cursor) => person.get(&format!("{path}&cursor={cursor}")).await,
            None => person.get(path).await,
        };
        let page = page.expect(StatusCode::OK);
        pages.push(names(&page).into_iter().map(str::to_owned).collect());
        match page[link].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (pages, page),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_walked_both_ways_without_hole_or_double() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    for number in 0..5 {
        ada.room(&format!("Room {number}"), "public").await;
    }
    for path in ["/rooms?limit=2", "/rooms/directory?limit=2", "/rooms/directory?limit=2&q=room"] {
        let (forward, last) = walk(&ada, path, "next", None).await;
        assert_eq!(forward.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1], "{path}");
        let mut all: Vec<String> = forward.concat();
        let (mut backward, first) = walk(&ada, path, "previous", last["previous"].as_str().map(str::to_owned)).await;
        backward.reverse();
        assert_eq!(backward.concat(), all[..4], "{path}");
        assert!(first["previous"].is_null());
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_takes_every_character_literally() {
    let server = Server::start().await;
    let ada = server.person("ada").await;
    ada.room("100% wool", "public").await;
    ada.room("under_score", "public").await;
    ada.room("Plain", "public").await;
    for (query, expected) in
        [("%25", vec!["100% wool"]), ("_", vec!["under_score"]), ("%27%20OR%201=1--", vec![]), ("*", vec![]), ("PLAIN", vec!["Plain"]), ("%5C", vec![])]
    {
        let found = ada.get(&format!("/rooms/directory?q={query}")).await.expect(StatusCode::OK);
        assert_eq!(names(&found), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_cursor_is_refused() {
    let server = Server::start().await;
    let (ada, bob) = (server.person("ada").await, server.person("bob").await);
    let (one, other) = (ada.room("One", "public").await, ada.room("Other", "public").await);
    for room in [&one, &other] {
        bob.act(&format!("/rooms/{room}/join")).await.expect(StatusCode::OK);
    }
    let page = ada.get(&format!("/rooms/{one}/members?limit=1")).await.expect(StatusCode::OK);
    let cursor = page["next"].as_str().unwrap();
    ada.get(&format!("/rooms/{one}/members?cursor={cursor}")).await.expect(StatusCode::OK);
    let mine = ada.get("/rooms?limit=1").await.expect(StatusCode::OK);
    let ada_s = mine["next"].as_str().unwrap();
    // Its last character in another way, which stays well-formed base64: what is refused is the signature.
    let (kept, last) = ada_s.split_at(ada_s.len() - 1);
    let forged = format!("{kept}{}", if last == "A" { "Q" } else { "A" });
    let refused = [
        ada.get(&format!("/rooms/{other}/members?cursor={cursor}")).await,
        ada.get(&format!("/rooms/{one}/messages?cursor={cursor}")).await,
        ada.get(&format!("/rooms/directory?cursor={cursor}")).await,
        bob.get(&format!("/rooms?cursor={ada_s}")).await,
        ada.get(&format!("/rooms?cursor={forged}")).await,
        ada.get("/rooms?cursor=-1").await,
        ada.get(&format!("/rooms?cursor={}", "9".repeat(4_000))).await,
    ];
    for answer in refused {
        assert_eq!(answer.problem(), problem(400, "bad_request"));
        assert_eq!(answer.json()["path"], "cursor");
    }
    for limit in ["0", "-1", "101", "99999999999999999999"] {
        assert_eq!(ada.get(&format!("/rooms?limit={limit}")).await.json()["path"], "limit");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_without_a_socket() {
    let server = Server::start().await;
    let (ada, eve) = (server.person("ada").await, server.person("eve").await);
    let room = ada.room("Open", "public").await;
    let path = format!("/rooms/{room}/messages");
    let cid = Uuid::from_u128(1);
    let sent = ada.post(&path, json!({"cid": cid, "body": "hello"})).await.expect(StatusCode::CREATED);
    assert!(sent["id"].is_string() && sent["at_most"].is_u64(), "{sent}");
    for (body, code) in [
        (json!({"cid": cid, "body": " "}), "body_empty"),
        (json!({"cid": cid, "body": "x".repeat(4_001)}), "body_too_long"),
        (json!({"cid": cid, "body": "a\u{0}b"}), "body_invalid"),
        (json!({"cid": "x", "body": "hello"}), "bad_request"),
        (json!({"cid": cid, "body": "hello", "sender": cid}), "bad_request"),
        (json!({"cid": cid, "body": "hello", "sent_at": "2020-01-01T00:00:00Z"}), "bad_request"),
        (json!({"cid": cid, "body": "hello", "base": -1}), "bad_request"),
    ] {
        assert_eq!(ada.post(&path, body.clone()).await.problem(), problem(400, code), "{body:.80}");
    }
    assert_eq!(eve.post(&path, json!({"cid": cid, "body": "hello"})).await.problem(), problem(404, "not_found"));
    assert_eq!(ada.get(&format!("{path}?around=nonsense")).await.problem(), problem(400, "bad_request"));
}
