//! Every record is stored once, whoever and however often somebody tries.

use std::time::Duration;

use parley_engines::store::projection::{Batch, CommitError, Entry, Partitions, Phase, Projection, RecordHash};
use parley_persister::{Config, PartitionStatus};
use parley_proto::{Cursor, PartitionId, Position};

use crate::world::{P, World, message, room};

fn numbered(count: usize) -> Vec<parley_proto::Record> {
    (0..count).map(|number| message(room((number % 3) as u8), &format!("message {number}"))).collect()
}

fn bodies_of(place: u8, count: usize) -> Vec<String> {
    (0..count).filter(|number| number % 3 == usize::from(place)).map(|number| format!("message {number}")).collect()
}

#[tokio::test]
async fn every_record_is_stored_once_whatever_the_batch_boundaries() {
    for (records_max, bytes_max) in [(1, 1 << 20), (7, 1 << 20), (2_000, 1_000), (2_000, 1 << 20)] {
        let world = World::new().await;
        let config = Config { batch_records_max: records_max, batch_bytes_max: bytes_max, ..Config::default() };
        let running = world.start_with(config);
        running.persister.status().ready().await;
        let mut records = numbered(300);
        records.extend(records[..50].to_vec());
        world.append_all(&records).await;
        let state = world.caught_up().await;
        assert_eq!((state.outcomes.applied, state.outcomes.duplicate, state.outcomes.control), (300, 50, 1));
        for place in 0..3 {
            assert_eq!(world.bodies(room(place)).await, bodies_of(place, 300));
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_loses_and_doubles_nothing() {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    running.stop().await;
    let records = numbered(3_000);
    world.append_all(&records).await;
    for _ in 0..5 {
        let running = world.start_with(Config { batch_records_max: 100, ..Config::default() });
        tokio::time::sleep(Duration::from_millis(30)).await;
        running.stop().await;
    }
    world.append_all(&records[..500]).await;
    let running = world.start();
    let state = world.caught_up().await;
    assert_eq!((state.outcomes.applied, state.outcomes.duplicate, state.outcomes.control), (3_000, 500, 1));
    for place in 0..3 {
        assert_eq!(world.bodies(room(place)).await, bodies_of(place, 3_000));
        assert_eq!(world.rows(room(place)).await.last_seq, 1_000);
    }
    running.stop().await;
}

#[tokio::test]
async fn two_persisters_at_once_store_everything_once() {
    let world = World::new().await;
    let config = Config { batch_records_max: 50, batch_age_max: Duration::from_millis(1), ..Config::default() };
    let (first, second) = (world.start_with(config.clone()), world.start_with(config));
    first.persister.status().ready().await;
    second.persister.status().ready().await;
    let records = numbered(3_000);
    for piece in records.chunks(300) {
        world.append_all(piece).await;
    }
    let state = world.caught_up().await;
    assert_eq!(state.outcomes.applied, 3_000);
    for place in 0..3 {
        assert_eq!(world.bodies(room(place)).await, bodies_of(place, 3_000));
    }
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn a_zombies_late_batch_writes_nothing() {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    world.append(&message(room(1), "first")).await;
    let state = world.caught_up().await;
    let entry = Entry::First(Box::new(message(room(1), "zombie")));
    let stale = Batch { partition: P, from: Cursor(1), to: Cursor(2), entries: vec![(Position(1), entry)], last_hash: RecordHash([9; 16]) };
    assert_eq!(world.store.commit(&stale).await, Err(CommitError::Moved { next: state.next }));
    assert_eq!(world.state().await.unwrap(), state);
    assert_eq!(world.bodies(room(1)).await, ["first"]);
    running.stop().await;
}

#[tokio::test]
async fn what_is_at_hand_is_written_before_the_end() {
    let world = World::new().await;
    let running = world.start_with(Config { batch_age_max: Duration::from_secs(600), ..Config::default() });
    running.persister.status().ready().await;
    world.append_all(&numbered(30)).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(world.next().await, Cursor::ZERO, "it waits for more");
    running.stop().await;
    assert_eq!(world.next().await, Cursor(31));
}

#[tokio::test]
async fn a_store_that_is_away_is_waited_for_and_caught_up_with() {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    let mut database = world.database().await;
    sqlx::query("begin immediate").execute(&mut database).await.unwrap();
    world.append_all(&numbered(300)).await;
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(world.next().await < Cursor(301));
    sqlx::query("rollback").execute(&mut database).await.unwrap();
    assert_eq!(world.caught_up().await.outcomes.applied, 300);
    running.stop().await;
}

#[tokio::test]
async fn notices_form_an_unbroken_chain_and_an_idle_store_ticks() {
    let world = World::new().await;
    let mut notices = world.notices().await;
    let running = world.start_with(Config { tick_interval: Duration::from_millis(100), batch_records_max: 10, ..Config::default() });
    running.persister.status().ready().await;
    world.append_all(&numbered(100)).await;
    world.caught_up().await;
    let (mut at, mut ticks, mut seqs) = (Cursor::ZERO, 0, 0);
    while at < Cursor(101) || ticks < 2 {
        let notice = notices.next().await;
        assert_eq!(notice.partition, P);
        if notice.from == notice.to {
            ticks += u32::from(notice.to == Cursor(101));
            continue;
        }
        assert_eq!(notice.from, at);
        at = notice.to;
        seqs = notice.rooms.iter().find(|(place, _)| *place == room(0)).map_or(seqs, |(_, seq)| *seq);
    }
    assert_eq!(seqs, 34);
    running.stop().await;
}

#[tokio::test]
async fn all_partitions_open_with_one_log_id() {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    let states = world.store.partitions().await.unwrap();
    assert_eq!(states.iter().map(|state| state.partition).collect::<Vec<_>>(), [PartitionId(0), PartitionId(1)]);
    assert!(states.iter().all(|state| state.phase == Phase::Open && state.log_id == states[0].log_id));
    assert!(running.persister.status().is_ready());
    assert!(running.persister.status().partitions().values().all(|status| matches!(status, PartitionStatus::Running { .. })));
    running.stop().await;
}
