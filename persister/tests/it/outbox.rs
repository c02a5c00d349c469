//! Changes of rooms and members reach the log in the order of their commits, once.

use std::time::Duration;

use parley_engines::store::{
    projection::Projection,
    rooms::{Members, MembershipChange, NewRoom, Rooms},
};
use parley_persister::Config;
use parley_proto::{
    Body, Kind, UnixMillis,
    codec::decode,
    event::{SystemEvent, Visibility},
    item::ItemKind,
};

use crate::world::{P, World, eventually, room, user};

async fn make_room(world: &World, number: u8) {
    let name = format!("room {number}");
    let new = NewRoom { id: room(number), name, topic: String::new(), visibility: Visibility::Public, owner: user(1), created_at: UnixMillis(1) };
    world.store.create_room(&new).await.unwrap();
}

async fn emptied(world: &World) {
    eventually("the outbox is empty", async || world.store.outbox(P, 1).await.unwrap().value.is_empty().then_some(())).await;
}

/// Versions of the events of a room in the log, copies too.
async fn versions_in_log(world: &World, number: u8) -> Vec<i64> {
    let records = world.log_records().await;
    let events = records.iter().filter_map(|record| decode(&record.bytes).ok()).filter(|record| record.kind == Kind::System && record.room == room(number));
    events
        .map(|record| match record.body {
            Body::Plain(json) => serde_json::from_str::<SystemEvent>(&json).unwrap().version,
            Body::A256Gcm { .. } => panic!("events are not sealed"),
        })
        .collect()
}

#[tokio::test]
async fn events_arrive_in_the_log_in_commit_order_exactly_once() {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    make_room(&world, 1).await;
    make_room(&world, 2).await;
    let joins = (2..42).map(|number| world.store.join(room(1 + (number % 2) as u8), user(number), u64::MAX, UnixMillis(2)));
    for joined in futures::future::join_all(joins).await {
        assert!(matches!(joined.unwrap(), MembershipChange::Changed(_)));
    }
    for number in 2..12 {
        world.store.leave(room(1 + (number % 2) as u8), user(number), UnixMillis(3)).await.unwrap();
    }
    emptied(&world).await;
    let state = world.caught_up().await;
    for number in [1, 2] {
        assert_eq!(versions_in_log(&world, number).await, (1..=26).collect::<Vec<_>>());
        let rows = world.rows(room(number)).await;
        assert_eq!(rows.items.iter().filter(|item| item.kind == ItemKind::System).count(), 26);
        assert_eq!(rows.last_seq, 0, "events are not numbered");
        assert_eq!(world.store.room(room(number)).await.unwrap().unwrap().members, 16);
    }
    assert_eq!((state.outcomes.applied, state.outcomes.duplicate), (52, 0));
    running.stop().await;
}

#[tokio::test]
async fn two_persisters_give_each_event_one_line_in_order() {
    let world = World::new().await;
    let config = Config { outbox_interval: Duration::from_millis(1), ..Config::default() };
    let (first, second) = (world.start_with(config.clone()), world.start_with(config));
    first.persister.status().ready().await;
    second.persister.status().ready().await;
    make_room(&world, 1).await;
    for number in 2..52 {
        world.store.join(room(1), user(number), u64::MAX, UnixMillis(2)).await.unwrap();
    }
    emptied(&world).await;
    let state = world.caught_up().await;
    let rows = world.rows(room(1)).await;
    let versions: Vec<_> = rows.items.iter().map(|item| item.body["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, (1..=51).collect::<Vec<_>>());
    assert_eq!(state.outcomes.applied, 51);
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn what_was_changed_while_nobody_persisted_arrives_later() {
    let world = World::new().await;
    make_room(&world, 1).await;
    world.store.join(room(1), user(2), u64::MAX, UnixMillis(2)).await.unwrap();
    let running = world.start();
    emptied(&world).await;
    assert_eq!(versions_in_log(&world, 1).await, [1, 2]);
    running.stop().await;
}
