//! What every bus promises (PROTOCOL section 4). Each function gets a bus on which others may work at the same time, but not on the partition that
//! it draws.

pub(crate) mod events;
pub(crate) mod frames;
pub(crate) mod shared;

use std::time::Duration;

use parley_engines::bus::{Beat, Bus, BusConnection, BusEvent, Channel, Incarnation, Published, RoomFrames, Tail};
use parley_proto::{
    Cid, Cursor, MessageId, PartitionId, Position, RoomId, UserId,
    item::{Item, ItemKind},
    record::UnixMillis,
    segment::Group,
};

use tokio::{sync::mpsc, time::timeout};

use super::fresh_partition;

/// Makes one test of each promise for the engine that `$open` opens: an async function that returns something which derefs to a bus and keeps it alive.
macro_rules! bus_contract {
    ($open:path) => {
        $crate::bus::contract::bus_contract!(@tests $open, frames:
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
        );
        $crate::bus::contract::bus_contract!(@tests $open, events:
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
        );
        $crate::bus::contract::bus_contract!(@tests $open, shared:
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
    (@tests $open:path, $of:ident: $($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let bus = $open().await;
                $crate::bus::contract::$of::$name(&*bus).await;
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
