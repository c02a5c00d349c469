//! People read: counts of what is unread, over sockets and REST, on every device of the person.

use std::time::Duration;

use parley_engines::log::LogReader;
use parley_proto::{
    RoomId,
    wire::{ClientFrame, ServerFrame},
};
use serde_json::{Value, json};

use crate::{
    client::{Answer, PATIENCE, Person, Socket},
    node::Node,
};

/// My list says this of the room: messages, how far I have read, what is unread.
async fn listed(person: &Person, room: RoomId) -> (u64, u64, u64) {
    let (status, list) = person.get("/rooms").await;
    assert_eq!(status, 200, "{list}");
    let entry = list["items"].as_array().unwrap().iter().find(|entry| entry["id"] == room.to_string()).expect("a member's list has the room");
    let number = |name: &str| entry[name].as_u64().unwrap_or_else(|| panic!("no {name} in {entry}"));
    (number("last_seq"), number("read_seq"), number("unread"))
}

async fn until_listed(person: &Person, room: RoomId, wanted: (u64, u64, u64)) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let seen = listed(person, room).await;
        if seen == wanted {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "the list says {seen:?} and not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn say(socket: &mut Socket, room: RoomId, count: usize) {
    for number in 0..count {
        let answer = socket.send(room, &format!("message {number}")).await;
        assert!(matches!(answer, Answer::Ack { .. }), "{answer:?}");
    }
}

async fn read(socket: &mut Socket, room: RoomId, seq: u64, back: bool) {
    let reference = socket.reference();
    socket.write(&ClientFrame::Read { reference, room, seq, back }).await;
}

/// Waits until the device is told that its person has read so far.
async fn told(socket: &mut Socket, room: RoomId, wanted: u64) {
    let frame = socket.wait_for(|frame| matches!(frame, ServerFrame::Read { room: of, seq } if *of == room && *seq == wanted)).await;
    assert!(frame.is_some(), "closed with {:?}", socket.closed);
}

/// Joins, and waits until the log has it: what is said from then on is unread.
async fn join(person: &Person, room: RoomId) -> Value {
    let (_, me) = person.get("/me").await;
    let (status, joined) = person.post(&format!("/rooms/{room}/join"), &json!({})).await;
    assert_eq!(status, 200, "{joined}");
    let lines = async || {
        let (_, page) = person.get(&format!("/rooms/{room}/messages?limit=100")).await;
        let came = |item: &&Value| item["body"]["event"] == "joined" && item["body"]["member"]["user"] == me["user"]["id"];
        page["items"].as_array().unwrap().iter().filter(came).count()
    };
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while lines().await == 0 {
        assert!(tokio::time::Instant::now() < deadline, "no line says that they joined");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    joined
}

/// A talker and a reader with two devices, in a room.
async fn people(node: &Node) -> (Person, Socket, Person, RoomId) {
    let (ada, bo) = (Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await);
    let room = ada.create_room("general").await;
    join(&bo, room).await;
    let talker = ada.connect().await;
    (ada, talker, bo, room)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_device_read_is_read_on_the_others_and_in_the_list() {
    let mut node = Node::start().await;
    let (_ada, mut talker, bo, room) = people(&node).await;
    let elsewhere = bo.at(&node.add_gateway("gateway-2").await);
    let (mut phone, mut desk) = (bo.connect().await, elsewhere.connect().await);
    say(&mut talker, room, 5).await;
    until_listed(&bo, room, (5, 0, 5)).await;
    read(&mut phone, room, 3, false).await;
    told(&mut desk, room, 3).await;
    told(&mut phone, room, 3).await;
    assert_eq!(listed(&bo, room).await, (5, 3, 2));
    let (status, seen) = bo.get(&format!("/rooms/{room}")).await;
    assert_eq!((status, seen["unread"].as_u64(), seen["read_seq"].as_u64()), (200, Some(2), Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn marked_unread_from_a_message_on_it_stays_so_until_it_is_read_again() {
    let node = Node::start().await;
    let (_ada, mut talker, bo, room) = people(&node).await;
    let mut desk = bo.connect().await;
    say(&mut talker, room, 6).await;
    until_listed(&bo, room, (6, 0, 6)).await;
    read(&mut desk, room, 6, false).await;
    told(&mut desk, room, 6).await;
    let (status, answer) = bo.put(&format!("/rooms/{room}/read"), &json!({"seq": 2, "back": true})).await;
    assert_eq!((status, &answer), (204, &Value::Null));
    told(&mut desk, room, 2).await;
    assert_eq!(listed(&bo, room).await, (6, 2, 4));
    // What another device still believes does not undo it unless it is further on.
    read(&mut desk, room, 1, false).await;
    read(&mut desk, room, 4, false).await;
    told(&mut desk, room, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_late_or_comes_back_has_nothing_unread() {
    let node = Node::start().await;
    let (_ada, mut talker, bo, room) = people(&node).await;
    say(&mut talker, room, 4).await;
    let cy = Person::sign_up(&node.url, "cy").await;
    let joined = join(&cy, room).await;
    assert_eq!((joined["read_seq"].as_u64(), joined["unread"].as_u64()), (joined["last_seq"].as_u64(), Some(0)), "{joined}");
    until_listed(&cy, room, (4, 4, 0)).await;
    say(&mut talker, room, 1).await;
    until_listed(&cy, room, (5, 4, 1)).await;
    until_listed(&bo, room, (5, 0, 5)).await;
    bo.post(&format!("/rooms/{room}/leave"), &json!({})).await;
    bo.join(room).await;
    until_listed(&bo, room, (5, 5, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_two_hundred_messages_makes_few_records_and_no_line_of_the_timeline() {
    let node = Node::start().await;
    let (_ada, mut talker, bo, room) = people(&node).await;
    say(&mut talker, room, 5).await;
    until_listed(&bo, room, (5, 0, 5)).await;
    let mut desk = bo.connect().await;
    desk.subscribe(room).await;
    let before = node.log.end(room.partition()).await.unwrap();
    let begun = tokio::time::Instant::now();
    for turn in 0..200 {
        read(&mut desk, room, 1 + turn % 4, false).await;
    }
    read(&mut desk, room, 5, false).await;
    told(&mut desk, room, 5).await;
    let records = node.log.end(room.partition()).await.unwrap().since(before);
    let most = begun.elapsed().as_secs() + 2;
    assert!((1..=most).contains(&records), "{records} records in {:?}", begun.elapsed());
    assert!(!desk.came(|frame| matches!(frame, ServerFrame::Frames { .. })), "a read mark is no frame");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_mark_that_can_not_be_is_refused() {
    let node = Node::start().await;
    let (ada, _talker, bo, _) = people(&node).await;
    let (status, secret) = ada.post("/rooms", &json!({"name": "secret", "visibility": "private"})).await;
    assert_eq!(status, 201, "{secret}");
    let path = format!("/rooms/{}/read", secret["id"].as_str().unwrap());
    let (status, answer) = bo.put(&path, &json!({"seq": 1})).await;
    assert_eq!((status, answer["code"].as_str()), (404, Some("not_found")));
    for (body, wrong) in
        [(json!({"seq": 1_u64 << 53}), "seq"), (json!({"seq": -1}), "seq"), (json!({"seq": "1"}), "seq"), (json!({"seq": 1, "user": "x"}), "user")]
    {
        let (status, answer) = ada.put(&path, &body).await;
        assert_eq!((status, answer["path"].as_str()), (400, Some(wrong)), "{body}: {answer}");
    }
    let room: RoomId = secret["id"].as_str().unwrap().parse().unwrap();
    let mut socket = bo.connect().await;
    read(&mut socket, room, 1, false).await;
    let refused = socket.wait_for(|frame| matches!(frame, ServerFrame::Error { .. })).await;
    assert!(matches!(refused, Some(ServerFrame::Error { reference: Some(_), code: parley_proto::ErrorCode::NotFound, .. })), "{refused:?}");
}
