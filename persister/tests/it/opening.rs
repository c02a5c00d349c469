//! A log and a store that don't belong together are never written.

use parley_engines::{log::LogReader, store::projection::Outcomes};
use parley_persister::Stopped;
use parley_proto::{Cursor, LogId, Position, Record, record::Genesis};
use uuid::Uuid;

use crate::world::{P, World, log_in, message, room};

/// A world whose store has seen genesis and ten messages.
async fn lived_in() -> World {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    let records: Vec<_> = (0..10).map(|number| message(room(1), &format!("{number}"))).collect();
    world.append_all(&records).await;
    world.caught_up().await;
    running.stop().await;
    world
}

/// The same store beside another, empty log.
async fn with_other_log(mut world: World) -> World {
    world.log = log_in(&world.store_path.with_extension("other-log")).await;
    world
}

async fn genesis_of(world: &World) -> Record {
    Record::genesis(P, &Genesis { log_id: world.state().await.unwrap().log_id, epoch: 0 })
}

async fn refuses(world: &World) -> Stopped {
    let before = world.state().await;
    let end = world.log.end(P).await.unwrap();
    let running = world.start();
    let reason = running.stopped().await;
    running.stop().await;
    assert_eq!(world.state().await, before, "nothing was reset");
    assert_eq!(world.log.end(P).await.unwrap(), end, "nothing was appended");
    reason
}

#[tokio::test]
async fn an_emptied_log_is_refused() {
    let world = with_other_log(lived_in().await).await;
    assert_eq!(refuses(&world).await, Stopped::LogEmptied);
}

#[tokio::test]
async fn another_logs_genesis_is_refused() {
    let world = with_other_log(lived_in().await).await;
    world.append(&Record::genesis(P, &Genesis { log_id: LogId(Uuid::from_u128(1)), epoch: 0 })).await;
    assert_eq!(refuses(&world).await, Stopped::ForeignLog);
}

#[tokio::test]
async fn a_first_record_that_is_no_genesis_is_refused() {
    let world = World::new().await;
    world.append(&message(room(1), "too early")).await;
    let running = world.start();
    assert_eq!(running.stopped().await, Stopped::ForeignLog);
    assert_eq!(world.next().await, Cursor::ZERO);
    running.stop().await;
}

#[tokio::test]
async fn a_log_shorter_than_the_store_is_refused() {
    let world = with_other_log(lived_in().await).await;
    world.append(&genesis_of(&world).await).await;
    assert!(matches!(refuses(&world).await, Stopped::OutOfRange(_)));
    for _ in 0..9 {
        world.append(&message(room(1), "other")).await;
    }
    assert!(matches!(refuses(&world).await, Stopped::OutOfRange(_)), "one record short");
}

#[tokio::test]
async fn a_log_with_another_record_at_the_stores_last_position_is_refused() {
    let world = with_other_log(lived_in().await).await;
    world.append(&genesis_of(&world).await).await;
    for _ in 0..10 {
        world.append(&message(room(1), "other")).await;
    }
    assert_eq!(refuses(&world).await, Stopped::HashMismatch { position: Position(10) });
}

#[tokio::test]
async fn a_later_genesis_of_the_same_log_changes_nothing() {
    let world = lived_in().await;
    world.append(&genesis_of(&world).await).await;
    let running = world.start();
    assert_eq!(world.caught_up().await.outcomes, Outcomes { applied: 10, duplicate: 1, control: 1, ..Outcomes::default() });
    running.stop().await;
}

#[tokio::test]
async fn an_empty_store_is_rebuilt_from_the_log() {
    let mut world = lived_in().await;
    let (log_id, rows) = (world.state().await.unwrap().log_id, world.rows(room(1)).await);
    world.store_path = world.store_path.with_extension("rebuilt");
    world.store = std::sync::Arc::new(parley_engines::store::sqlite::SqliteStore::open(&world.store_path).await.unwrap());
    let running = world.start();
    let state = world.caught_up().await;
    assert_eq!(state.log_id, log_id);
    assert_eq!(world.rows(room(1)).await, rows);
    running.stop().await;
}
