//! The secret is changed while people are signed in: what the old one signed is good as long as the old one is told beside the new one, and not longer.

use std::time::Duration;

use parley_proto::{
    Cursor, RoomId,
    wire::{ResumeOutcome, ServerFrame},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::{
    client::{Answer, Person, Socket},
    support::Parley,
};

const OLD: &str = "the key of last year, 0123456789 abcdefgh";
const NEW: &str = "the key of this year, 9876543210 hgfedcba";

fn outcome(socket: &Socket) -> ResumeOutcome {
    match &socket.welcome {
        Some(ServerFrame::Welcome { resume, .. }) => *resume,
        other => panic!("{other:?}"),
    }
}

/// Nothing of any room comes, for a while.
async fn is_told_nothing(socket: &mut Socket) {
    socket.settle(Duration::from_millis(500)).await;
    let of_a_room = |frame: &ServerFrame| {
        matches!(
            frame,
            ServerFrame::Replay { .. } | ServerFrame::Resync { .. } | ServerFrame::Frames { .. } | ServerFrame::Subscribed { .. } | ServerFrame::Tallies { .. }
        )
    };
    assert!(!socket.came(of_a_room));
}

/// Four messages, the first three of which were seen by a socket that is gone now; and a cursor of the room's history.
async fn talk(ada: &Person) -> (RoomId, Socket, String) {
    let room = ada.create_room("general").await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    for text in ["one", "two", "three"] {
        assert!(matches!(socket.send(room, text).await, Answer::Ack { .. }));
    }
    socket.until(room, 3).await;
    let missed = json!({"cid": uuid::Uuid::new_v4(), "body": "missed"});
    assert_eq!(ada.post(&format!("/rooms/{room}/messages"), &missed).await.0, 201);
    let (status, page) = ada.get(&format!("/rooms/{room}/messages?limit=1")).await;
    assert_eq!(status, 200, "{page}");
    (room, socket, page["previous"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_key_before_this_one_signed_is_good_beside_the_new_one_and_not_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start_with(folder.path(), &[("PARLEY_TOKEN_KEY", OLD)]);
    let ada = Person::sign_up(&parley.url, "ada").await;
    let (room, before, cursor) = talk(&ada).await;
    let history = format!("/rooms/{room}/messages?limit=100&cursor={cursor}");
    parley.end();

    let mut parley = Parley::start_with(folder.path(), &[("PARLEY_TOKEN_KEY", NEW), ("PARLEY_TOKEN_KEY_PREVIOUS", OLD)]);
    let ada = ada.at(&parley.url);
    assert_eq!(ada.get("/me").await.0, 200, "the access token");
    let (status, page) = ada.get(&history).await;
    assert_eq!(status, 200, "the cursor: {page}");
    let texts: Vec<_> = page["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "message").map(|item| item["body"].clone()).collect();
    assert_eq!(texts, ["one", "two", "three"], "{page}");
    let mut socket = ada.resume(before).await;
    assert_eq!(outcome(&socket), ResumeOutcome::Accepted, "the resume token");
    assert_eq!(socket.until(room, 4).await, ["one", "two", "three", "missed"]);
    // What is given out from now on is signed with the new one.
    socket.send(room, "four").await;
    socket.until(room, 5).await;
    let mut renewed = ada.connect().await;
    renewed.subscribe(room).await;
    let (_, session) = ada.refresh(&ada.refresh_token).await;
    let ada = Person {
        access_token: session["access_token"].as_str().unwrap().to_owned(),
        refresh_token: session["refresh_token"].as_str().unwrap().to_owned(),
        ..ada
    };
    parley.end();

    let mut parley = Parley::start_with(folder.path(), &[("PARLEY_TOKEN_KEY", NEW)]);
    let now = ada.at(&parley.url);
    assert_eq!(now.get("/me").await.0, 200, "who was there meanwhile notices nothing");
    let resumed = now.resume(renewed).await;
    assert_eq!(outcome(&resumed), ResumeOutcome::Accepted);
    drop(resumed);
    parley.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_old_key_nothing_that_it_signed_counts_and_nobody_is_signed_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start_with(folder.path(), &[("PARLEY_TOKEN_KEY", OLD)]);
    let ada = Person::sign_up(&parley.url, "ada").await;
    let (room, before, cursor) = talk(&ada).await;
    parley.end();

    let parley = Parley::start_with(folder.path(), &[("PARLEY_TOKEN_KEY", NEW)]);
    let stale = ada.at(&parley.url);
    let (status, problem) = stale.get("/me").await;
    assert_eq!((status, &problem["code"]), (401, &json!("unauthenticated")), "the access token");
    assert!(Socket::upgrade(&stale).await.is_err());
    let (status, session) = stale.refresh(&stale.refresh_token).await;
    assert_eq!(status, 200, "a refresh token is no signature: {session}");
    let ada = Person { access_token: session["access_token"].as_str().unwrap().to_owned(), ..stale };
    let (status, problem) = ada.get(&format!("/rooms/{room}/messages?cursor={cursor}")).await;
    assert_eq!((status, &problem["code"], &problem["path"]), (400, &json!("bad_request"), &json!("cursor")), "the cursor");
    let mut socket = ada.resume(before).await;
    assert_eq!(outcome(&socket), ResumeOutcome::ResyncRequired, "the resume token");
    is_told_nothing(&mut socket).await;
    // Subscribing anew shows everything, to the same socket.
    assert_eq!(socket.subscribe(room).await.texts(), ["one", "two", "three", "missed"]);
}

/// The token is ours and theirs, and of another log: positions in it mean something else here.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_another_log_resumes_nothing_though_the_same_key_signed_it() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut parley = Parley::start_with(here.path(), &[("PARLEY_TOKEN_KEY", OLD)]);
    let ada = Person::sign_up(&parley.url, "ada").await;
    let (room, before, _) = talk(&ada).await;
    parley.end();
    let mut parley = Parley::start_with(there.path(), &[("PARLEY_TOKEN_KEY", OLD)]);
    parley.end();
    // Somebody brought people and rooms over, and not the log.
    let mut store = SqliteConnection::connect(&format!("sqlite:{}", there.path().join("store.db").display())).await.unwrap();
    let attach = format!("attach database '{}' as old", here.path().join("store.db").display());
    sqlx::query(AssertSqlSafe(attach)).execute(&mut store).await.unwrap();
    for table in ["accounts", "sessions", "rooms", "members"] {
        sqlx::query(AssertSqlSafe(format!("insert into {table} select * from old.{table}"))).execute(&mut store).await.unwrap();
    }
    store.close().await.unwrap();

    let parley = Parley::start_with(there.path(), &[("PARLEY_TOKEN_KEY", OLD)]);
    let ada = ada.at(&parley.url);
    assert_eq!(ada.get("/me").await.0, 200, "the person and the session are the same");
    let mut socket = ada.resume(before).await;
    assert_eq!(outcome(&socket), ResumeOutcome::ResyncRequired);
    is_told_nothing(&mut socket).await;
    // Subscribing anew is what is left, and works.
    assert_eq!(socket.subscribe(room).await.texts(), Vec::<String>::new());
    assert!(matches!(socket.send(room, "anew").await, Answer::Ack { .. }));
    assert_eq!(socket.until(room, 1).await, ["anew"]);
}

/// A position that the log has not reached is another log's, or made up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_claims_to_be_ahead_of_the_log_gets_the_newest_page_in_place_of_what_is_missed() {
    let folder = tempfile::tempdir().unwrap();
    let parley = Parley::start(folder.path());
    let ada = Person::sign_up(&parley.url, "ada").await;
    let (room, mut before, _) = talk(&ada).await;
    let bo = Person::sign_up(&parley.url, "bo").await;
    bo.join(room).await;
    let mut bystander = bo.connect().await;
    bystander.subscribe(room).await;
    for ahead in [Cursor(before.views[&room].cursor.0 + 1_000), Cursor(Cursor::LIMIT.0 - 1)] {
        before.views.get_mut(&room).unwrap().cursor = ahead;
        let mut socket = ada.resume(before).await;
        let resync = socket.wait_for(|frame| matches!(frame, ServerFrame::Resync { .. } | ServerFrame::Replay { .. } | ServerFrame::Frames { .. })).await;
        let Some(ServerFrame::Resync { room: told, page, code, .. }) = resync else { panic!("{resync:?}") };
        assert_eq!((told, code), (room, parley_proto::ErrorCode::ResyncRequired));
        assert!(page.cursor < ahead);
        assert_eq!(socket.views[&room].texts(), ["one", "two", "three", "missed"], "once, in place of what was there");
        before = socket;
    }
    // From there on it is a socket like any other.
    assert!(matches!(bystander.send(room, "live").await, Answer::Ack { .. }));
    assert_eq!(before.until(room, 5).await.last().map(String::as_str), Some("live"));
    assert_eq!(bystander.until(room, 5).await.len(), 5);
}
