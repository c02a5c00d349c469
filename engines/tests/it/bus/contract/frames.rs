//! Publishing, tails and beats.

use parley_engines::bus::{Beat, Bus, Channel, Incarnation, Published, Tail};
use parley_proto::{Cursor, segment::Segment};

use super::{Stage, Subscriber, group};

pub(crate) async fn an_empty_bus_takes_no_publish_and_answers_unseeded(bus: &dyn Bus) {
    let stage = Stage::unseeded(bus);
    assert_eq!(stage.publish(0, 5, &[(1, &[3])]).await, Published::Unseeded);
    assert_eq!(bus.tail(stage.room(1)).await, Ok(Tail::Unseeded));
    assert_eq!(bus.beat(stage.partition, Cursor::ZERO).await, Ok(Beat::Unseeded));
}

pub(crate) async fn a_publish_from_where_the_last_one_ended_is_ok(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    stage.publish_ok(10, 15, &[(1, &[10, 12]), (2, &[14])]).await;
    stage.publish_ok(15, 16, &[(2, &[15])]).await;
    assert_eq!(stage.beat(0).await, (16, 10, 1, vec![(1, 12), (2, 15)]));
}

pub(crate) async fn a_publish_from_elsewhere_is_told_where_the_bus_is_and_changes_nothing(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    stage.publish_ok(10, 15, &[(1, &[12])]).await;
    let mut subscriber = Subscriber::connect(bus, 8, &[Channel::Room(stage.room(1))]).await;
    for from in [0, 10, 14, 16, 99] {
        let moved = Published::Moved { next: Cursor(15), incarnation: Incarnation(1) };
        assert_eq!(stage.publish(from, 100, &[(1, &[99])]).await, moved, "from {from}");
    }
    subscriber.hears_nothing().await;
    assert_eq!(stage.tail(1).await, (15, 10, vec![(10, 13)]));
}

pub(crate) async fn of_two_relays_at_the_same_place_one_publishes(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    for at in 0..50 {
        let positions = [at];
        let rooms: [(u8, &[u64]); 1] = [(1, &positions)];
        let (one, two) = tokio::join!(stage.publish(at, at + 1, &rooms), stage.publish(at, at + 1, &rooms));
        assert!((one == Published::Ok) != (two == Published::Ok), "{one:?} {two:?}");
    }
    let entries = stage.tail(1).await.2;
    assert_eq!(entries, (0..50).map(|at| (at, at + 1)).collect::<Vec<_>>());
}

pub(crate) async fn an_empty_range_is_a_look_that_changes_nothing_but_next(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    stage.publish_ok(10, 10, &[]).await;
    assert_eq!(stage.beat(0).await, (10, 10, 1, vec![]));
    stage.publish_ok(10, 14, &[]).await;
    assert_eq!(stage.beat(0).await, (14, 10, 1, vec![]), "records that make no frame are passed over");
    assert_eq!(stage.publish(10, 10, &[]).await, Published::Moved { next: Cursor(14), incarnation: Incarnation(1) });
}

pub(crate) async fn prev_is_where_the_room_stood_whoever_publishes(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    stage.publish_ok(10, 14, &[(1, &[10, 11]), (2, &[13])]).await;
    stage.publish_ok(14, 20, &[(2, &[19])]).await;
    stage.publish_ok(20, 30, &[(1, &[20, 25]), (2, &[29])]).await;
    assert_eq!(stage.tail(1).await.2, [(10, 12), (12, 26)]);
    assert_eq!(stage.tail(2).await.2, [(10, 14), (14, 20), (20, 30)]);
}

pub(crate) async fn prev_of_a_room_s_first_frame_is_the_seed(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    stage.publish_ok(10, 50, &[]).await;
    let mut subscriber = Subscriber::connect(bus, 8, &[Channel::Room(stage.room(1))]).await;
    stage.publish_ok(50, 60, &[(1, &[55])]).await;
    assert_eq!(subscriber.frames().await, (stage.room(1), 10, 56));
}

pub(crate) async fn a_partition_is_seeded_once(bus: &dyn Bus) {
    let stage = Stage::unseeded(bus);
    assert!(!stage.seed(10, 2, Some(1)).await, "nothing is there that could be of incarnation 1");
    assert_eq!(bus.beat(stage.partition, Cursor::ZERO).await, Ok(Beat::Unseeded));
    assert!(stage.seed(10, 1, None).await);
    assert!(!stage.seed(99, 2, None).await);
    assert_eq!(stage.beat(0).await, (10, 10, 1, vec![]));
}

pub(crate) async fn a_new_epoch_is_seeded_only_over_the_incarnation_that_the_caller_knows(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    stage.publish_ok(10, 12, &[(1, &[11])]).await;
    let epoch = 1 << 40;
    assert!(!stage.seed(epoch, 3, Some(2)).await);
    assert!(stage.seed(epoch, 3, Some(1)).await);
    assert!(!stage.seed(epoch, 4, Some(1)).await);
    assert_eq!(stage.beat(0).await, (epoch, epoch, 3, vec![]));
    stage.publish_ok(epoch, epoch + 5, &[(1, &[epoch + 4])]).await;
    assert_eq!(stage.tail(1).await, (epoch + 5, epoch, vec![(epoch, epoch + 5)]));
}

pub(crate) async fn an_empty_tail_is_never_nothing_happened(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    assert_eq!(stage.tail(1).await, (10, 10, vec![]));
    stage.publish_ok(10, 30, &[(2, &[20])]).await;
    assert_eq!(stage.tail(1).await, (30, 10, vec![]), "the tail vouches for [seed, next), not for what was before");
}

pub(crate) async fn a_tail_holds_all_of_the_room_from_its_floor_on(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    stage.publish_ok(10, 14, &[(1, &[11, 13]), (2, &[12])]).await;
    stage.publish_ok(14, 20, &[(1, &[14])]).await;
    let Tail::Frames { next, floor, segments } = bus.tail(stage.room(1)).await.unwrap() else { panic!("unseeded") };
    assert_eq!((next, floor), (Cursor(20), Cursor(10)));
    let expected = [Segment { prev: Cursor(10), end: Cursor(14), group: group(&[11, 13]) }, Segment { prev: Cursor(14), end: Cursor(15), group: group(&[14]) }];
    assert_eq!(segments, expected);
    assert_eq!(segments[0].group.items()[1].1.body, "at 13");
}

pub(crate) async fn a_tail_keeps_the_newest_entries_and_its_floor_rises(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    for at in 0..128 {
        stage.publish_ok(at, at + 1, &[(1, &[at])]).await;
    }
    let (_, floor, entries) = stage.tail(1).await;
    assert_eq!((floor, entries.len()), (0, 128));
    for at in 128..140 {
        stage.publish_ok(at, at + 1, &[(1, &[at])]).await;
    }
    let (next, floor, entries) = stage.tail(1).await;
    assert_eq!((next, floor, entries.len()), (140, 12, 128));
    assert_eq!((entries[0], entries[127]), ((12, 13), (139, 140)));
}

pub(crate) async fn an_old_tail_is_not_visible_after_a_new_seed(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    stage.publish_ok(0, 5, &[(1, &[4])]).await;
    assert!(stage.seed(8, 2, Some(1)).await);
    assert_eq!(stage.tail(1).await, (8, 8, vec![]));
    stage.publish_ok(8, 9, &[(1, &[8])]).await;
    assert_eq!(stage.tail(1).await, (9, 8, vec![(8, 9)]));
}

pub(crate) async fn a_beat_tells_the_rooms_at_or_above_since(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 10).await;
    stage.publish_ok(10, 21, &[(1, &[10]), (2, &[15]), (3, &[20])]).await;
    assert_eq!(stage.beat(0).await.3, [(1, 10), (2, 15), (3, 20)]);
    assert_eq!(stage.beat(15).await.3, [(2, 15), (3, 20)], "since is inclusive");
    assert_eq!(stage.beat(16).await.3, [(3, 20)]);
    assert_eq!(stage.beat(21).await.3, []);
    stage.publish_ok(21, 22, &[(1, &[21])]).await;
    assert_eq!(stage.beat(21).await, (22, 10, 1, vec![(1, 21)]), "a room is told once, where it stands now");
}

pub(crate) async fn a_beat_after_a_new_seed_knows_no_rooms(bus: &dyn Bus) {
    let stage = Stage::seeded(bus, 0).await;
    stage.publish_ok(0, 5, &[(1, &[4])]).await;
    assert!(stage.seed(5, 2, Some(1)).await);
    assert_eq!(stage.beat(0).await, (5, 5, 2, vec![]));
}

pub(crate) async fn partitions_are_apart(bus: &dyn Bus) {
    let (one, two) = (Stage::seeded(bus, 5).await, Stage::seeded(bus, 50).await);
    one.publish_ok(5, 9, &[(1, &[8])]).await;
    assert_eq!(two.beat(0).await, (50, 50, 1, vec![]));
    assert_eq!(two.tail(1).await, (50, 50, vec![]));
}

pub(crate) async fn positions_are_exact_up_to_the_last_one(bus: &dyn Bus) {
    let last = (1 << 53) - 2;
    let stage = Stage::unseeded(bus);
    assert!(stage.seed(last - 1, (1 << 53) - 1, None).await);
    stage.publish_ok(last - 1, last + 1, &[(1, &[last - 1]), (2, &[last])]).await;
    assert_eq!(stage.beat(last).await, (last + 1, last - 1, (1 << 53) - 1, vec![(2, last)]));
    assert_eq!(stage.tail(1).await, (last + 1, last - 1, vec![(last - 1, last)]));
}
