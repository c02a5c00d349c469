//! What every bus promises (PROTOCOL section 4). Each function gets a bus on which others may work at the same time, but not on the partition that
//! it draws.

use std::time::Duration;

use bytes::Bytes;
use parley_engines::bus::{
    Beat, Bus, BusConnection, BusEvent, Channel, Incarnation, Online, PRESENCE_EXACT, Published, RoomFrames, Tail,
    limits::Bucket,
    rate::{Rate, Taken},
};
use parley_proto::{
    Cid, Cursor, MessageId, PartitionId, Position, RoomId, UserId,
    item::{Item, ItemKind},
    record::UnixMillis,
    segment::{Group, Segment},
};
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;

use super::fresh_partition;

/// Makes one test of each promise for the engine that `$open` opens: an async function that returns something which derefs to a bus and keeps it alive.
macro_rules! bus_contract {
    ($open:path) => {
        $crate::bus::contract::bus_contract!(@tests $open:
            an_empty_bus_takes_no_publish_and_answers_unseeded,
            a_publish_from_where_the_last_one_ended_is_ok,
            a_publish_from_elsewhere_is_told_where_the_bus_is_and_changes_nothing,
            of_two_relays_at_the_same_place_one_publishes,
            an_empty_range_is_a_look_that_changes_nothing_but_next,
            prev_is_where_the_room_stood_whoever_publishes,
            prev_of_a_room_s_first_frame_is_the_seed,
            a_partition_is_seeded_once,
            a_new_epoch_is_seeded_only_over_the_incarnation_that_the_caller_knows,
            an_empty_tail_is_never_nothing_happened,
            a_tail_holds_all_of_the_room_from_its_floor_on,
            a_tail_keeps_the_newest_entries_and_its_floor_rises,
            an_old_tail_is_not_visible_after_a_new_seed,
            a_beat_tells_the_rooms_at_or_above_since,
            a_beat_after_a_new_seed_knows_no_rooms,
            partitions_are_apart,
            positions_are_exact_up_to_the_last_one,
            events_of_a_subscribed_room_arrive_in_publish_order,
            events_of_other_rooms_do_not_arrive,
            nothing_arrives_after_unsubscribing,
            subscribing_twice_delivers_once,
            every_subscriber_gets_every_event,
            notices_and_revocations_arrive_as_they_were_announced,
            a_slow_subscriber_is_cut_and_told,
            a_subscriber_that_was_cut_can_subscribe_again,
            a_slow_subscriber_does_not_disturb_the_others,
            a_connection_that_is_dropped_hears_nothing_more,
            a_gateway_lives_as_long_as_it_renews,
            a_gateway_that_says_goodbye_is_gone_at_once,
            a_bucket_gives_its_burst_and_says_when_more_is_there,
            a_bucket_is_one_whoever_takes_from_it,
            what_was_given_away_already_is_owed,
            places_are_counted_over_all_holders_and_given_back,
            what_a_dead_holder_held_counts_no_more,
            a_holder_is_told_whether_it_was_known,
            somebody_at_two_gateways_is_online_once_and_until_both_say_goodbye,
            a_dead_gateway_leaves_no_ghosts,
            many_people_are_counted_and_not_named,
            a_version_of_rights_never_goes_back,
        );
    };
    (@tests $open:path: $($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let bus = $open().await;
                $crate::bus::contract::$name(&*bus).await;
            }
        )*
    };
}
pub(crate) use bus_contract;

const SOON: Duration = Duration::from_secs(10);

/// A partition that this test has to itself, seeded or not.
struct Stage<'a> {
    bus: &'a dyn Bus,
    partition: PartitionId,
}

impl<'a> Stage<'a> {
    fn unseeded(bus: &'a dyn Bus) -> Self {
        Self { bus, partition: fresh_partition() }
    }

    async fn seeded(bus: &'a dyn Bus, end: u64) -> Self {
        let stage = Self::unseeded(bus);
        assert!(stage.seed(end, 1, None).await);
        stage
    }

    fn room(&self, n: u8) -> RoomId {
        RoomId::new(self.partition, [n; 16])
    }

    async fn seed(&self, end: u64, incarnation: u64, expected: Option<u64>) -> bool {
        self.bus.seed(self.partition, Cursor(end), Incarnation(incarnation), expected.map(Incarnation)).await.unwrap()
    }

    /// Publishes, per (room, positions), a group of one item per position.
    async fn publish(&self, from: u64, to: u64, rooms: &[(u8, &[u64])]) -> Published {
        let rooms = rooms
            .iter()
            .map(|(n, positions)| RoomFrames {
                room: self.room(*n),
                last: Position(*positions.last().expect("a room has frames")),
                frames: group(positions).to_bytes(),
            })
            .collect();
        self.bus.publish(self.partition, Cursor(from), Cursor(to), rooms).await.unwrap()
    }

    async fn publish_ok(&self, from: u64, to: u64, rooms: &[(u8, &[u64])]) {
        assert_eq!(self.publish(from, to, rooms).await, Published::Ok);
    }

    /// (next, floor, entries as (prev, end))
    async fn tail(&self, n: u8) -> (u64, u64, Vec<(u64, u64)>) {
        match self.bus.tail(self.room(n)).await.unwrap() {
            Tail::Frames { next, floor, segments } => (next.0, floor.0, segments.iter().map(|segment| (segment.prev.0, segment.end.0)).collect()),
            Tail::Unseeded => panic!("unseeded"),
        }
    }

    /// (next, seed, incarnation, rooms as (n, score)), rooms in order
    async fn beat(&self, since: u64) -> (u64, u64, u64, Vec<(u8, u64)>) {
        match self.bus.beat(self.partition, Cursor(since)).await.unwrap() {
            Beat::State { next, seed, incarnation, rooms } => {
                let mut rooms: Vec<_> = rooms.iter().map(|(room, score)| (room.0.as_bytes()[15], score.0)).collect();
                rooms.sort_unstable();
                (next.0, seed.0, incarnation.0, rooms)
            }
            Beat::Unseeded => panic!("unseeded"),
        }
    }
}

struct Subscriber {
    connection: Box<dyn BusConnection>,
    events: mpsc::Receiver<BusEvent>,
}

impl Subscriber {
    async fn connect(bus: &dyn Bus, capacity: usize, channels: &[Channel]) -> Self {
        let (connection, events) = bus.connect(capacity).await.unwrap();
        connection.subscribe(channels).await.unwrap();
        Self { connection, events }
    }

    async fn next(&mut self) -> BusEvent {
        timeout(SOON, self.events.recv()).await.expect("an event comes").expect("the connection lives")
    }

    /// The next event's (room, prev, end).
    async fn frames(&mut self) -> (RoomId, u64, u64) {
        match self.next().await {
            BusEvent::Frames { room, segment } => (room, segment.prev.0, segment.end.0),
            other => panic!("{other:?}"),
        }
    }

    async fn hears_nothing(&mut self) {
        let event = timeout(Duration::from_millis(100), self.events.recv()).await;
        assert!(matches!(event, Err(_) | Ok(None)), "{event:?}");
    }
}

fn group(positions: &[u64]) -> Group {
    let items: Vec<_> = positions.iter().map(|position| (Position(*position), item(*position))).collect();
    Group::new(items.iter().map(|(position, item)| (*position, item)))
}

fn item(position: u64) -> Item {
    Item {
        position: Position(position),
        kind: ItemKind::Message,
        id: MessageId::NIL,
        sender: UserId::NIL,
        cid: Cid::NIL,
        target: None,
        body: format!("at {position}").into(),
        sent_at: UnixMillis(0),
        rev: None,
        seq: None,
        imported: false,
        edited: false,
        deleted: false,
    }
}

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
    let payload = Bytes::from(format!(r#"{{"only":"{}"}}"#, uuid::Uuid::new_v4()));
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

pub(crate) async fn a_gateway_lives_as_long_as_it_renews(bus: &dyn Bus) {
    let (one, two) = (format!("a-{}", uuid::Uuid::new_v4()), format!("b-{}", uuid::Uuid::new_v4()));
    let ours = |all: Vec<String>| all.into_iter().filter(|name| *name == one || *name == two).collect::<Vec<_>>();
    let renew = async |name: &str, millis| ours(bus.renew_gateway(name, Duration::from_millis(millis)).await.unwrap());
    assert_eq!(renew(&two, 60_000).await, std::slice::from_ref(&two));
    assert_eq!(renew(&one, 500).await, [one.clone(), two.clone()], "sorted");
    assert_eq!(renew(&two, 60_000).await, [one.clone(), two.clone()]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(renew(&two, 60_000).await, std::slice::from_ref(&two));
    assert_eq!(renew(&one, 60_000).await, [one.clone(), two.clone()]);
}

pub(crate) async fn a_gateway_that_says_goodbye_is_gone_at_once(bus: &dyn Bus) {
    let (one, two) = (uuid::Uuid::new_v4().to_string(), uuid::Uuid::new_v4().to_string());
    bus.renew_gateway(&one, Duration::from_secs(60)).await.unwrap();
    assert!(bus.renew_gateway(&two, Duration::from_secs(60)).await.unwrap().contains(&one));
    bus.remove_gateway(&one).await.unwrap();
    bus.remove_gateway("never there").await.unwrap();
    assert!(!bus.renew_gateway(&two, Duration::from_secs(60)).await.unwrap().contains(&one));
}

/// A bucket that this test has to itself.
fn bucket() -> Bucket {
    Bucket::new("test", rand::random::<u64>())
}

pub(crate) async fn a_bucket_gives_its_burst_and_says_when_more_is_there(bus: &dyn Bus) {
    let (bucket, rate) = (bucket(), Rate::new(1, Duration::from_secs(60), 3));
    for _ in 0..3 {
        assert_eq!(bus.take(&bucket, rate, 1).await, Ok(Taken::Yes));
    }
    let Ok(Taken::Wait(wait)) = bus.take(&bucket, rate, 1).await else { panic!("a fourth was given") };
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "{wait:?}");
    assert_eq!(bus.take(&self::bucket(), rate, 3).await, Ok(Taken::Yes), "another's is full");
    let (bucket, rate) = (self::bucket(), Rate::new(1, Duration::from_millis(100), 1));
    assert_eq!(bus.take(&bucket, rate, 1).await, Ok(Taken::Yes));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(bus.take(&bucket, rate, 1).await, Ok(Taken::Yes), "it comes back");
}

pub(crate) async fn a_bucket_is_one_whoever_takes_from_it(bus: &dyn Bus) {
    let (bucket, rate) = (bucket(), Rate::new(1, Duration::from_secs(600), 20));
    let taken = futures::future::join_all((0..50).map(|_| bus.take(&bucket, rate, 1))).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken == Ok(Taken::Yes)).count(), 20);
}

pub(crate) async fn what_was_given_away_already_is_owed(bus: &dyn Bus) {
    let (bucket, rate) = (bucket(), Rate::new(1, Duration::from_secs(60), 2));
    let until_full = bus.charge(&bucket, rate, 5).await.unwrap();
    assert!(until_full > Duration::from_secs(290) && until_full <= Duration::from_secs(300), "{until_full:?}");
    let Ok(Taken::Wait(wait)) = bus.take(&bucket, rate, 1).await else { panic!("it owes") };
    assert!(wait > Duration::from_secs(230) && wait <= Duration::from_secs(240), "{wait:?}");
}

pub(crate) async fn places_are_counted_over_all_holders_and_given_back(bus: &dyn Bus) {
    let (bucket, [one, two]) = (bucket(), [1, 2].map(|n| format!("holder-{n}-{}", rand::random::<u64>())));
    for holder in [&one, &two] {
        bus.renew_holder(holder, Duration::from_secs(60)).await.unwrap();
    }
    assert_eq!(bus.hold(&bucket, &one, 2, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &two, 1, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &two, 2, 3).await, Ok(false));
    assert_eq!(bus.hold(&bucket, &one, 2, 1).await, Ok(true), "what is there stays, also when less is allowed now");
    assert_eq!(bus.hold(&bucket, &one, 1, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &two, 2, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &one, 0, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &two, 3, 3).await, Ok(true));
}

pub(crate) async fn what_a_dead_holder_held_counts_no_more(bus: &dyn Bus) {
    let (bucket, [dead, alive]) = (bucket(), ["dead", "alive"].map(|name| format!("{name}-{}", rand::random::<u64>())));
    bus.renew_holder(&dead, Duration::from_millis(200)).await.unwrap();
    bus.renew_holder(&alive, Duration::from_secs(60)).await.unwrap();
    assert_eq!(bus.hold(&bucket, &dead, 3, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &alive, 1, 3).await, Ok(false));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bus.hold(&bucket, &alive, 3, 3).await, Ok(true));
}

pub(crate) async fn a_holder_is_told_whether_it_was_known(bus: &dyn Bus) {
    let holder = format!("holder-{}", rand::random::<u64>());
    assert_eq!(bus.renew_holder(&holder, Duration::from_millis(100)).await, Ok(false));
    assert_eq!(bus.renew_holder(&holder, Duration::from_millis(100)).await, Ok(true));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bus.renew_holder(&holder, Duration::from_millis(100)).await, Ok(false));
}

/// A room and two holders that live, all this test's own.
async fn presence_stage(bus: &dyn Bus, ttl: Duration) -> (RoomId, [String; 2]) {
    let holders = [1, 2].map(|n| format!("holder-{n}-{}", rand::random::<u64>()));
    bus.renew_holder(&holders[0], ttl).await.unwrap();
    bus.renew_holder(&holders[1], Duration::from_secs(60)).await.unwrap();
    (RoomId::new(PartitionId(0), rand::random()), holders)
}

fn people(count: u128) -> Vec<UserId> {
    (1..=count).map(|n| UserId(Uuid::from_u128(n))).collect()
}

pub(crate) async fn somebody_at_two_gateways_is_online_once_and_until_both_say_goodbye(bus: &dyn Bus) {
    let (room, [one, two]) = presence_stage(bus, Duration::from_secs(60)).await;
    let people = people(3);
    assert_eq!(bus.online(room, 10).await, Ok(Online::default()));
    bus.appear(room, &one, &people[..2], &[]).await.unwrap();
    bus.appear(room, &two, &people[1..], &[]).await.unwrap();
    assert_eq!(bus.online(room, 10).await, Ok(Online { count: 3, users: people.clone() }));
    bus.appear(room, &one, &[], &people[..2]).await.unwrap();
    assert_eq!(bus.online(room, 10).await, Ok(Online { count: 2, users: people[1..].to_vec() }));
    bus.appear(room, &two, &people[..1], &people[1..]).await.unwrap();
    assert_eq!(bus.online(room, 10).await, Ok(Online { count: 1, users: people[..1].to_vec() }));
    assert_eq!(bus.online(RoomId::new(PartitionId(0), rand::random()), 10).await, Ok(Online::default()), "another room");
}

pub(crate) async fn a_dead_gateway_leaves_no_ghosts(bus: &dyn Bus) {
    let (room, [dies, lives]) = presence_stage(bus, Duration::from_millis(300)).await;
    bus.appear(room, &dies, &people(2), &[]).await.unwrap();
    bus.appear(room, &lives, &people(1), &[]).await.unwrap();
    assert_eq!(bus.online(room, 10).await.unwrap().count, 2);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(bus.online(room, 10).await, Ok(Online { count: 1, users: people(1) }));
}

pub(crate) async fn many_people_are_counted_and_not_named(bus: &dyn Bus) {
    let (room, [one, _]) = presence_stage(bus, Duration::from_secs(60)).await;
    bus.appear(room, &one, &people(200), &[]).await.unwrap();
    assert_eq!(bus.online(room, 200).await.unwrap().users.len(), 200);
    assert_eq!(bus.online(room, 199).await, Ok(Online { count: 200, users: vec![] }));
    bus.appear(room, &one, &people(PRESENCE_EXACT as u128 + 1), &[]).await.unwrap();
    assert_eq!(bus.online(room, usize::MAX).await, Ok(Online { count: PRESENCE_EXACT as u64 + 1, users: vec![] }));
}

pub(crate) async fn a_version_of_rights_never_goes_back(bus: &dyn Bus) {
    let people: Vec<_> = (0..3).map(|_| parley_proto::UserId(uuid::Uuid::new_v4())).collect();
    assert_eq!(bus.rights(&people).await.unwrap(), [None, None, None]);
    bus.raise_rights(&[(people[0], 0), (people[1], (1 << 53) - 1)]).await.unwrap();
    assert_eq!(bus.rights(&people).await.unwrap(), [Some(0), Some((1 << 53) - 1), None]);
    bus.raise_rights(&[(people[0], 7), (people[1], 3)]).await.unwrap();
    bus.raise_rights(&[(people[0], 6)]).await.unwrap();
    assert_eq!(bus.rights(&people).await.unwrap(), [Some(7), Some((1 << 53) - 1), None]);
    bus.raise_rights(&[]).await.unwrap();
    assert_eq!(bus.rights(&[]).await.unwrap(), []);
}
