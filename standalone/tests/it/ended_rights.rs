//! Rights that end at one gateway end at the sockets of another, within a second (G10).

use std::time::Duration;

use parley_proto::{
    ErrorCode, RoomId,
    wire::{CloseCode, ServerFrame},
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    client::{Answer, PASSWORD, Person, Socket},
    setup::Setup,
};

/// One second, of which a test machine may take three times as much.
const SOON: Duration = Duration::from_secs(3);

/// Another session of the same person, with a socket at another gateway.
async fn elsewhere(person: &Person, url: &str) -> (Person, Socket) {
    let other = person.at(url).sign_in_again().await;
    let socket = other.connect().await;
    (other, socket)
}

/// The socket is closed because its session ended; soon.
async fn assert_ended(socket: &mut Socket, began: Instant, how: &str) {
    assert_eq!(socket.until_closed().await, CloseCode::SessionEnded as u16, "{how}");
    println!("{how}: the socket at the other gateway is closed after {} ms", began.elapsed().as_millis());
    assert!(began.elapsed() <= SOON, "{how}: {:?}", began.elapsed());
}

pub(crate) async fn a_session_that_is_ended_anywhere_ends_its_sockets_at_another_gateway(mut setup: impl Setup) {
    let ada = Person::sign_up(&setup.url(), "ada").await;
    let second = setup.second_url().await;
    let mut mine = ada.connect().await;

    let (other, mut socket) = elsewhere(&ada, &second).await;
    let (status, list) = ada.get("/me/sessions").await;
    assert_eq!(status, 200, "{list}");
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| item["current"].as_bool().unwrap()).filter(|current| *current).count(), 1, "{list}");
    let id = items.iter().find(|item| item["current"] == false).unwrap()["id"].as_str().unwrap();
    let began = Instant::now();
    assert_eq!(ada.delete(&format!("/me/sessions/{id}")).await.0, 204);
    assert_ended(&mut socket, began, "revoke one").await;
    assert_eq!(other.get("/me").await.0, 401);

    let (_, mut first) = elsewhere(&ada, &second).await;
    let (_, mut another) = elsewhere(&ada, &second).await;
    let began = Instant::now();
    assert_eq!(ada.post("/me/sessions/revoke-others", &json!({})).await, (200, json!({"ended": 2})));
    assert_ended(&mut first, began, "revoke all others").await;
    assert_ended(&mut another, began, "revoke all others").await;

    let (other, mut socket) = elsewhere(&ada, &second).await;
    let wrong = json!({"current_password": "not this one", "new_password": "a longer walk by the sea"});
    let (status, problem) = ada.put("/me/password", &wrong).await;
    assert_eq!((status, problem["code"].as_str(), problem["path"].as_str()), (403, Some("current_password_wrong"), Some("current_password")));
    assert_eq!(other.get("/me").await.0, 200, "a wrong password ends nothing");
    let right = json!({"current_password": PASSWORD, "new_password": "a longer walk by the sea"});
    let began = Instant::now();
    assert_eq!(ada.put("/me/password", &right).await, (200, json!({"ended": 1})));
    assert_ended(&mut socket, began, "password changed").await;
    assert_eq!(ada.try_sign_in_again(PASSWORD).await.err(), Some(401), "the old password is worth nothing");

    let other = ada.at(&second).try_sign_in_again("a longer walk by the sea").await.unwrap();
    let mut socket = other.connect().await;
    let stolen = other.refresh_token.clone();
    let began = Instant::now();
    let mut tokens = vec![stolen.clone()];
    for _ in 0..2 {
        let (status, session) = ada.refresh(tokens.last().unwrap()).await;
        assert_eq!(status, 200, "{session}");
        tokens.push(session["refresh_token"].as_str().unwrap().to_owned());
    }
    assert_eq!(ada.refresh(&stolen).await.0, 401, "it was used twice before");
    assert_ended(&mut socket, began, "a refresh token is used again").await;
    assert_eq!(ada.refresh(tokens.last().unwrap()).await.0, 401, "its whole family ended");

    let room = ada.create_room("mine").await;
    mine.subscribe(room).await;
    assert!(matches!(mine.send(room, "still here").await, Answer::Ack { .. }), "the session that did all this goes on");
}

/// Reads until the socket is told that a room is gone.
async fn until_expelled(socket: &mut Socket, room: RoomId) {
    let told = socket.wait_for(|frame| matches!(frame, ServerFrame::Unsubscribed { reference: None, .. })).await;
    assert!(matches!(told, Some(ServerFrame::Unsubscribed { room: told, code: Some(ErrorCode::NotFound), .. }) if told == room), "{told:?}");
}

pub(crate) async fn who_leaves_a_room_hears_nothing_more_of_it_at_any_gateway(mut setup: impl Setup) {
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let second = setup.second_url().await;
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let (mut a, mut b) = (ada.connect().await, bo.at(&second).connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    a.send(room, "before").await;
    b.until(room, 1).await;
    let began = Instant::now();
    assert_eq!(bo.post(&format!("/rooms/{room}/leave"), &json!({})).await.0, 204);
    until_expelled(&mut b, room).await;
    println!("left: the other gateway's socket knows after {} ms", began.elapsed().as_millis());
    assert!(began.elapsed() <= SOON, "{:?}", began.elapsed());
    for _ in 0..20 {
        a.send(room, "after").await;
    }
    b.settle(Duration::from_millis(1_500)).await;
    assert_eq!(b.views[&room].texts(), ["before"]);
    assert!(!b.came(|frame| matches!(frame, ServerFrame::RoomActivity { .. })), "not even that something happens there");
    assert_eq!(b.send(room, "still here?").await, Answer::Rejected { code: ErrorCode::NotFound, is_final: false });
    assert_eq!(bo.at(&second).get(&format!("/rooms/{room}/messages")).await.0, 404);
}

pub(crate) async fn whoever_leaves_while_subscribing_ends_up_outside(setup: impl Setup) {
    let (ada, bo) = (Person::sign_up(&setup.url(), "ada").await, Person::sign_up(&setup.url(), "bo").await);
    let room = ada.create_room("general").await;
    let mut a = ada.connect().await;
    a.subscribe(room).await;
    for round in 0..10 {
        bo.join(room).await;
        let mut b = bo.connect().await;
        let reference = b.reference();
        b.write(&parley_proto::wire::ClientFrame::Subscribe { reference, room, limit: None }).await;
        tokio::time::sleep(Duration::from_millis(round)).await;
        assert_eq!(bo.post(&format!("/rooms/{room}/leave"), &json!({})).await.0, 204);
        let answered = |frame: &ServerFrame| matches!(frame, ServerFrame::Subscribed { .. } | ServerFrame::Error { reference: Some(_), .. });
        let answer = b.wait_for(answered).await;
        assert!(answer.is_some(), "a subscribe is answered in any case");
        b.settle(Duration::from_millis(100)).await;
        let before = b.views.get(&room).map(|view| view.rows.len());
        a.send(room, "after").await;
        b.settle(Duration::from_millis(200)).await;
        assert_eq!(b.views.get(&room).map(|view| view.rows.len()), before, "round {round}: {answer:?}");
    }
}
