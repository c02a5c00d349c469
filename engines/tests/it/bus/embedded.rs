//! The embedded bus: the contract, and the faults that it can play for the tests of others.

use std::time::Duration;

use bytes::Bytes;
use parley_engines::bus::{
    Beat, BusChannels, BusEvent, BusLeases, BusPublish, BusRead, Channel, Incarnation, Published, RoomFrames, Tail, embedded::EmbeddedBus,
};
use parley_proto::{Cursor, PartitionId, Position, RoomId, segment::Group};

use super::contract::bus_contract;

async fn open_contract() -> Box<EmbeddedBus> {
    Box::new(EmbeddedBus::new())
}

bus_contract!(open_contract);

const P: PartitionId = PartitionId(3);

fn room() -> RoomId {
    RoomId::new(P, [7; 16])
}

async fn seeded(at: u64) -> EmbeddedBus {
    let bus = EmbeddedBus::new();
    assert_eq!(bus.seed(P, Cursor(at), Incarnation(1), None).await, Ok(true));
    bus
}

async fn publish(bus: &EmbeddedBus, at: u64) -> Published {
    let rooms = vec![RoomFrames { room: room(), last: Position(at), frames: Group::empty().to_bytes() }];
    bus.publish(P, Cursor(at), Cursor(at + 1), rooms).await.unwrap()
}

#[tokio::test]
async fn frames_that_are_no_group_are_refused_and_change_nothing() {
    let bus = seeded(0).await;
    let rooms = vec![RoomFrames { room: room(), last: Position(0), frames: Bytes::from_static(b"x") }];
    assert!(bus.publish(P, Cursor(0), Cursor(1), rooms).await.is_err());
    assert_eq!(publish(&bus, 0).await, Published::Ok);
}

#[tokio::test]
async fn an_emptied_bus_is_unseeded_and_keeps_its_connections() {
    let bus = seeded(0).await;
    bus.renew_gateway("gone", Duration::from_secs(60)).await.unwrap();
    let (connection, mut events) = bus.connect(8).await.unwrap();
    connection.subscribe(&[Channel::Room(room())]).await.unwrap();
    bus.empty();
    assert_eq!(publish(&bus, 0).await, Published::Unseeded);
    assert_eq!(bus.renew_gateway("here", Duration::from_secs(60)).await.unwrap(), ["here"]);
    bus.seed(P, Cursor(5), Incarnation(2), None).await.unwrap();
    publish(&bus, 5).await;
    assert!(matches!(events.recv().await, Some(BusEvent::Frames { segment, .. }) if segment.prev == Cursor(5)));
}

#[tokio::test]
async fn a_partition_that_was_evicted_does_not_show_its_old_tails_again() {
    let bus = seeded(0).await;
    publish(&bus, 0).await;
    bus.evict_partition(P);
    assert_eq!(bus.beat(P, Cursor(0)).await, Ok(Beat::Unseeded));
    bus.seed(P, Cursor(1), Incarnation(2), None).await.unwrap();
    assert_eq!(bus.tail(room()).await, Ok(Tail::Frames { next: Cursor(1), floor: Cursor(1), segments: vec![] }));
}

#[tokio::test]
async fn a_bus_that_was_rolled_back_is_where_it_was_then() {
    let bus = seeded(0).await;
    publish(&bus, 0).await;
    let then = bus.snapshot(P);
    publish(&bus, 1).await;
    bus.roll_back(P, then);
    assert_eq!(publish(&bus, 2).await, Published::Moved { next: Cursor(1), incarnation: Incarnation(1) });
}

#[tokio::test]
async fn a_lost_event_is_seen_by_the_gap_that_it_leaves() {
    let bus = seeded(0).await;
    let (connection, mut events) = bus.connect(8).await.unwrap();
    connection.subscribe(&[Channel::Room(room())]).await.unwrap();
    bus.lose_events(Channel::Room(room()), 1);
    publish(&bus, 0).await;
    publish(&bus, 1).await;
    assert!(matches!(events.recv().await, Some(BusEvent::Frames { segment, .. }) if segment.prev == Cursor(1)));
}

#[tokio::test]
async fn a_bus_that_is_away_fails_every_call_and_cuts_its_subscribers() {
    let bus = seeded(0).await;
    let (connection, mut events) = bus.connect(8).await.unwrap();
    connection.subscribe(&[Channel::Control]).await.unwrap();
    bus.set_away(true);
    assert_eq!(events.recv().await, Some(BusEvent::Cut));
    assert!(bus.tail(room()).await.is_err() && bus.beat(P, Cursor(0)).await.is_err() && bus.connect(8).await.is_err());
    assert!(connection.subscribe(&[Channel::Control]).await.is_err());
    bus.set_away(false);
    connection.subscribe(&[Channel::Control]).await.unwrap();
    bus.announce(Channel::Control, Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!(events.recv().await, Some(BusEvent::Payload { channel: Channel::Control, payload: Bytes::from_static(b"{}") }));
}

#[tokio::test]
async fn a_cut_subscriber_must_read_before_it_subscribes_again() {
    let bus = seeded(0).await;
    let (connection, mut events) = bus.connect(1).await.unwrap();
    connection.subscribe(&[Channel::Room(room())]).await.unwrap();
    publish(&bus, 0).await;
    publish(&bus, 1).await;
    assert!(connection.subscribe(&[Channel::Room(room())]).await.is_err(), "its queue is full and the cut is in it");
    assert!(matches!(events.recv().await, Some(BusEvent::Frames { .. })));
    assert_eq!(events.recv().await, Some(BusEvent::Cut));
    connection.subscribe(&[Channel::Room(room())]).await.unwrap();
    publish(&bus, 2).await;
    assert!(matches!(events.recv().await, Some(BusEvent::Frames { .. })));
}
