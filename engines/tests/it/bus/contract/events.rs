//! What subscribers of a bus are told.

use std::time::Duration;

use bytes::Bytes;
use parley_engines::bus::{Bus, BusEvent, Channel};
use parley_proto::{Cursor, PartitionId, RoomId, segment::Segment};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Stage, Subscriber, fresh_partition, group};

pub(crate) async fn events_of_a_subscribed_room_arrive_in_publish_order(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let mut subscriber = Subscriber::connect(bus, 1_000, &[Channel::Room(stage.room(1)), Channel::Room(stage.room(2))]).await;
    for at in (0..200).step_by(2) {
        stage.publish_ok(at, at + 2, &[(1, &[at]), (2, &[at + 1])]).await;
    }
    let mut reached = 0;
    for _ in 0..200 {
        let (_, prev, end) = subscriber.frames().await;
        assert_eq!(end, reached + 1);
        assert!(prev <= reached);
        reached = end;
    }
}

pub(crate) async fn events_of_other_rooms_do_not_arrive(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let mut subscriber = Subscriber::connect(bus, 8, &[Channel::Room(stage.room(1)), Channel::Notices(stage.partition)]).await;
    stage.publish_ok(0, 3, &[(2, &[0]), (1, &[1]), (3, &[2])]).await;
    assert_eq!(subscriber.frames().await, (stage.room(1), 0, 2));
    bus.announce(Channel::Notices(PartitionId(stage.partition.0 ^ 1)), Bytes::from_static(b"{}")).await.unwrap();
    subscriber.hears_nothing().await;
}

pub(crate) async fn nothing_arrives_after_unsubscribing(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let mut subscriber = Subscriber::connect(bus, 8, &[Channel::Room(stage.room(1)), Channel::Room(stage.room(2))]).await;
    subscriber.connection.unsubscribe(&[Channel::Room(stage.room(1)), Channel::Room(stage.room(9))]).await.unwrap();
    stage.publish_ok(0, 2, &[(1, &[0]), (2, &[1])]).await;
    assert_eq!(subscriber.frames().await.0, stage.room(2));
    subscriber.hears_nothing().await;
}

pub(crate) async fn subscribing_twice_delivers_once(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let room = Channel::Room(stage.room(1));
    let mut subscriber = Subscriber::connect(bus, 8, &[room, room]).await;
    subscriber.connection.subscribe(&[room]).await.unwrap();
    stage.publish_ok(0, 1, &[(1, &[0])]).await;
    subscriber.frames().await;
    subscriber.hears_nothing().await;
    subscriber.connection.unsubscribe(&[room]).await.unwrap();
    stage.publish_ok(1, 2, &[(1, &[1])]).await;
    subscriber.hears_nothing().await;
}

pub(crate) async fn every_subscriber_gets_every_event(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let room = Channel::Room(stage.room(1));
    let (mut one, mut two) = (Subscriber::connect(bus, 8, &[room]).await, Subscriber::connect(bus, 8, &[room]).await);
    stage.publish_ok(0, 2, &[(1, &[0, 1])]).await;
    let expected = BusEvent::Frames { room: stage.room(1), segment: Segment { prev: Cursor(0), end: Cursor(2), group: group(&[0, 1]) } };
    assert_eq!((one.next().await, two.next().await), (expected.clone(), expected));
}

pub(crate) async fn notices_and_revocations_arrive_as_they_were_announced(bus: &dyn Bus) {
    let notices = Channel::Notices(fresh_partition());
    let mut subscriber = Subscriber::connect(bus, 64, &[notices, Channel::Control]).await;
    let payload = Bytes::from(format!(r#"{{"only":"{}"}}"#, Uuid::new_v4()));
    for channel in [notices, Channel::Control] {
        bus.announce(channel, payload.clone()).await.unwrap();
        loop {
            // The control channel is everybody's: other tests may speak on it.
            if subscriber.next().await == (BusEvent::Payload { channel, payload: payload.clone() }) {
                break;
            }
        }
    }
    assert!(bus.announce(Channel::Room(RoomId::of_partition(PartitionId(0))), payload).await.is_err(), "frames are published");
}

pub(crate) async fn a_slow_subscriber_is_cut_and_told(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let mut subscriber = Subscriber::connect(bus, 4, &[Channel::Room(stage.room(1))]).await;
    for at in 0..2_000 {
        stage.publish_ok(at, at + 1, &[(1, &[at])]).await;
    }
    let mut reached = 0;
    loop {
        match subscriber.next().await {
            BusEvent::Frames { segment, .. } => {
                assert_eq!(segment.end.0, reached + 1, "what comes before the cut is without a hole");
                reached = segment.end.0;
            }
            BusEvent::Cut => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((4..2_000).contains(&reached), "{reached}");
    stage.publish_ok(2_000, 2_001, &[(1, &[2_000])]).await;
    subscriber.hears_nothing().await;
}

pub(crate) async fn a_subscriber_that_was_cut_can_subscribe_again(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let room = Channel::Room(stage.room(1));
    let mut subscriber = Subscriber::connect(bus, 2, &[room]).await;
    let mut at = 0;
    for round in 0..3 {
        for _ in 0..1_000 {
            stage.publish_ok(at, at + 1, &[(1, &[at])]).await;
            at += 1;
        }
        while subscriber.next().await != BusEvent::Cut {}
        subscriber.connection.subscribe(&[room]).await.unwrap();
        stage.publish_ok(at, at + 1, &[(1, &[at])]).await;
        at += 1;
        assert_eq!(subscriber.frames().await.2, at, "round {round}");
    }
}

pub(crate) async fn a_slow_subscriber_does_not_disturb_the_others(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let room = Channel::Room(stage.room(1));
    let _slow = Subscriber::connect(bus, 1, &[room]).await;
    let mut other = Subscriber::connect(bus, 10_000, &[room]).await;
    for at in 0..1_000 {
        stage.publish_ok(at, at + 1, &[(1, &[at])]).await;
    }
    for at in 0..1_000 {
        assert_eq!(other.frames().await.2, at + 1);
    }
}

pub(crate) async fn a_connection_that_is_dropped_hears_nothing_more(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    let Subscriber { connection, mut events } = Subscriber::connect(bus, 8, &[Channel::Room(stage.room(1))]).await;
    drop(connection);
    stage.publish_ok(0, 1, &[(1, &[0])]).await;
    let event = timeout(Duration::from_millis(200), events.recv()).await;
    assert!(matches!(event, Err(_) | Ok(None | Some(BusEvent::Cut))), "{event:?}");
}
