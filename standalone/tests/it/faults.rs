//! People talk while parts fail: nothing acked is lost, nothing is seen twice, all see one order.

use std::time::Duration;

use parley_engines::{
    bus::Channel,
    log::{LogReader, LogWriter},
};
use parley_proto::{Body, Cid, Cursor, Kind, Record, RoomId, UserId, codec};
use uuid::Uuid;

use crate::{
    client::{Answer, Person, Socket},
    node::Node,
    talkers::talkers,
};

async fn say(socket: &mut Socket, room: RoomId, texts: std::ops::Range<usize>) {
    for number in texts {
        assert!(matches!(socket.send(room, &number.to_string()).await, Answer::Ack { .. }));
    }
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn a_subscribe_while_the_persister_is_stopped_misses_nothing() {
    let mut node = Node::start().await;
    let (room, ada, mut a, bo, b) = talkers(&node.url).await;
    say(&mut a, room, 0..10).await;
    a.until(room, 10).await;
    node.stop_persister().await;
    say(&mut a, room, 10..40).await;
    let view = ada.connect().await.subscribe(room).await;
    assert_eq!(view.texts(), numbers(40));
    // The bus forgets everything: now they are in the log alone.
    node.bus.empty();
    tokio::time::sleep(Duration::from_millis(600)).await;
    let view = ada.connect().await.subscribe(room).await;
    assert_eq!(view.texts(), numbers(40));
    let mut b = bo.resume(b).await;
    assert_eq!(b.until(room, 40).await, numbers(40));
    let (_, page) = ada.get(&format!("/rooms/{room}/messages?limit=100")).await;
    assert_eq!(page["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "message").count(), 40);
    node.start_persister().await;
    say(&mut a, room, 40..41).await;
    assert_eq!(a.until(room, 41).await, numbers(41));
}

#[tokio::test]
async fn an_emptied_bus_loses_nobody_a_message() {
    let node = Node::start().await;
    let (room, _, mut a, _, mut b) = talkers(&node.url).await;
    for round in 0..6 {
        say(&mut a, room, round * 10..round * 10 + 5).await;
        node.bus.empty();
        say(&mut a, room, round * 10 + 5..round * 10 + 10).await;
    }
    assert_eq!(a.until(room, 60).await, numbers(60));
    assert_eq!(b.until(room, 60).await, numbers(60));
}

#[tokio::test]
async fn a_lost_live_frame_is_found_by_the_next_one_and_the_last_one_by_the_beat() {
    let node = Node::start().await;
    let (room, _, mut a, _, mut b) = talkers(&node.url).await;
    say(&mut a, room, 0..3).await;
    b.until(room, 3).await;
    node.bus.lose_events(Channel::Room(room), 1);
    say(&mut a, room, 3..5).await;
    assert_eq!(b.until(room, 5).await, numbers(5));
    node.bus.lose_events(Channel::Room(room), 1);
    say(&mut a, room, 5..6).await;
    assert_eq!(b.until(room, 6).await, numbers(6));
    assert_eq!(a.until(room, 6).await, numbers(6));
}

#[tokio::test]
async fn a_cut_subscriber_comes_back_and_a_bus_that_went_back_in_time_is_no_harm() {
    let node = Node::start().await;
    let (room, _, mut a, _, mut b) = talkers(&node.url).await;
    say(&mut a, room, 0..5).await;
    let before = node.bus.snapshot(room.partition());
    say(&mut a, room, 5..10).await;
    node.bus.cut_subscribers();
    say(&mut a, room, 10..15).await;
    assert_eq!(b.until(room, 15).await, numbers(15));
    node.bus.roll_back(room.partition(), before);
    say(&mut a, room, 15..20).await;
    assert_eq!(b.until(room, 20).await, numbers(20));
    assert_eq!(a.until(room, 20).await, numbers(20));
}

#[tokio::test]
async fn live_delivery_outlives_the_bus() {
    let node = Node::start().await;
    let (room, ada, mut a, _, mut b) = talkers(&node.url).await;
    say(&mut a, room, 0..3).await;
    node.bus.set_away(true);
    say(&mut a, room, 3..6).await;
    assert_eq!(b.until(room, 6).await, numbers(6));
    // Subscribing works as well: from store and log.
    let mut late = ada.connect().await;
    assert_eq!(late.subscribe(room).await.texts(), numbers(6));
    node.bus.set_away(false);
    say(&mut a, room, 6..9).await;
    assert_eq!(b.until(room, 9).await, numbers(9));
    assert_eq!(late.until(room, 9).await, numbers(9));
}

#[tokio::test]
async fn when_the_publishing_gateway_goes_the_other_one_takes_over() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let (ada, bo) = (Person::sign_up(&second, "ada").await, Person::sign_up(&second, "bo").await);
    let mut rooms = Vec::new();
    // One room on each partition, so that one of them was published by the gateway that goes.
    while rooms.len() < 2 {
        let room = ada.create_room(&Uuid::new_v4().to_string()).await;
        if rooms.iter().all(|other: &RoomId| other.partition() != room.partition()) {
            rooms.push(room);
        }
    }
    let (mut a, mut b) = (ada.connect().await, bo.connect().await);
    for room in &rooms {
        bo.join(*room).await;
        a.subscribe(*room).await;
        b.subscribe(*room).await;
        say(&mut a, *room, 0..3).await;
    }
    node.drain_gateway(0).await;
    for room in &rooms {
        say(&mut a, *room, 3..6).await;
        assert_eq!(b.until(*room, 6).await, numbers(6));
    }
}

#[tokio::test]
async fn poison_in_the_log_is_passed_over_by_all_alike() {
    let node = Node::start().await;
    let (room, ada, mut a, _, mut b) = talkers(&node.url).await;
    say(&mut a, room, 0..1).await;
    let end = node.log.end(room.partition()).await.unwrap();
    let mut expired = message(room, end);
    expired.floor = Cursor(end.0 + 1_000);
    for poison in [b"".to_vec(), b"PRLY".to_vec(), vec![0; 1_000], codec::encode(&expired).to_vec()] {
        node.log.enqueue(room.partition(), room, poison.into()).unwrap().await;
    }
    say(&mut a, room, 1..3).await;
    assert_eq!(a.until(room, 3).await, numbers(3));
    assert_eq!(b.until(room, 3).await, numbers(3));
    assert_eq!(ada.connect().await.subscribe(room).await.texts(), numbers(3));
}

#[tokio::test]
async fn a_record_of_a_newer_version_stops_its_partition_and_nothing_is_skipped() {
    let node = Node::start().await;
    let (room, ada, mut a, _, mut b) = talkers(&node.url).await;
    say(&mut a, room, 0..1).await;
    b.until(room, 1).await;
    let end = node.log.end(room.partition()).await.unwrap();
    let mut newer = codec::encode(&message(room, end)).to_vec();
    newer[4] = codec::VERSION + 1;
    let crc_at = newer.len() - 4;
    let crc = crc32c::crc32c(&newer[..crc_at]);
    newer[crc_at..].copy_from_slice(&crc.to_be_bytes());
    node.log.enqueue(room.partition(), room, newer.into()).unwrap().await;
    a.send(room, "behind it").await;
    b.settle(Duration::from_secs(3)).await;
    assert_eq!(b.views[&room].texts(), numbers(1));
    // Another partition goes on.
    let other = loop {
        let other = ada.create_room(&Uuid::new_v4().to_string()).await;
        if other.partition() != room.partition() {
            break other;
        }
    };
    a.subscribe(other).await;
    say(&mut a, other, 0..2).await;
    assert_eq!(a.until(other, 2).await, numbers(2));
}

fn message(room: RoomId, floor: Cursor) -> Record {
    let (sender, body) = (UserId(Uuid::from_u128(1)), Body::Plain("from elsewhere".to_owned()));
    Record { base: floor, floor, auth: floor, body, ..Record::bare(Kind::Message, room, sender, Cid(Uuid::new_v4())) }
}
