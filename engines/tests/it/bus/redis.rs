//! The bus on Redis: the contract, and what becomes of it when the server is shared, killed, emptied or out of order.

use std::time::Duration;

use bytes::Bytes;
use parley_engines::bus::{
    Beat, BusChannels, BusConnection, BusEvent, BusPublish, BusRead, Channel, Incarnation, Published, RoomFrames, Tail,
    redis::{RedisBus, RedisConfig},
    script::TailCap,
};
use parley_proto::{Cursor, PartitionId, Position, RoomId, segment::Group};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio::{sync::mpsc, time::timeout};

use super::{contract::bus_contract, fresh_partition};
use crate::services::redis::RedisServer;

async fn open_contract() -> Box<RedisBus> {
    Box::new(open_shared().await)
}

bus_contract!(open_contract);

const SOON: Duration = Duration::from_secs(10);

fn open(server: &RedisServer) -> RedisBus {
    RedisBus::open(RedisConfig::from_url(&server.url()).unwrap()).unwrap()
}

/// On the server that tests share. A busy machine may let it wait: what is promised there is not how soon.
async fn open_shared() -> RedisBus {
    let mut config = RedisConfig::from_url(&RedisServer::shared().await.url()).unwrap();
    config.deadline = SOON;
    RedisBus::open(config).unwrap()
}

/// A look behind the bus.
async fn admin(server: &RedisServer) -> MultiplexedConnection {
    redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

fn room(partition: PartitionId) -> RoomId {
    RoomId::new(partition, [7; 16])
}

/// A publish of one record at `at`, in the partition's one room.
async fn publish(bus: &RedisBus, partition: PartitionId, at: u64) -> Result<Published, parley_engines::bus::BusUnavailable> {
    let rooms = vec![RoomFrames { room: room(partition), last: Position(at), frames: Group::empty().to_bytes() }];
    bus.publish(partition, Cursor(at), Cursor(at + 1), rooms).await
}

async fn seed(bus: &RedisBus, partition: PartitionId, at: u64, incarnation: u64) {
    assert_eq!(bus.seed(partition, Cursor(at), Incarnation(incarnation), None).await, Ok(true));
}

async fn subscriber(bus: &RedisBus, partition: PartitionId) -> (Box<dyn BusConnection>, mpsc::Receiver<BusEvent>) {
    let (connection, events) = bus.connect(10_000).await.unwrap();
    connection.subscribe(&[Channel::Room(room(partition))]).await.unwrap();
    (connection, events)
}

async fn next(events: &mut mpsc::Receiver<BusEvent>) -> BusEvent {
    timeout(SOON, events.recv()).await.expect("an event comes").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_relays_at_once_never_publish_a_record_twice() {
    let partition = fresh_partition();
    let (one, two) = (open_shared().await, open_shared().await);
    seed(&one, partition, 0, 1).await;
    let (_connection, mut events) = subscriber(&one, partition).await;
    let relay = |bus: RedisBus| async move {
        let (mut at, mut published) = (0, 0);
        while at < 1_000 {
            match publish(&bus, partition, at).await.unwrap() {
                Published::Ok => (at, published) = (at + 1, published + 1),
                Published::Moved { next, .. } => at = next.0,
                Published::Unseeded => panic!("unseeded"),
            }
        }
        published
    };
    let (one, two) = tokio::join!(tokio::spawn(relay(one)), tokio::spawn(relay(two)));
    assert_eq!(one.unwrap() + two.unwrap(), 1_000);
    for at in 0..1_000 {
        let event = next(&mut events).await;
        assert!(matches!(&event, BusEvent::Frames { segment, .. } if segment.prev.0 == at && segment.end.0 == at + 1), "{at}: {event:?}");
    }
    assert!(events.try_recv().is_err());
}

#[tokio::test]
async fn a_server_that_is_killed_cuts_its_subscribers_and_comes_back_unseeded() {
    let server = RedisServer::start().await;
    let (bus, partition) = (open(&server), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    let (connection, mut events) = subscriber(&bus, partition).await;
    assert_eq!(publish(&bus, partition, 0).await, Ok(Published::Ok));
    assert!(matches!(next(&mut events).await, BusEvent::Frames { .. }));
    server.kill();
    assert_eq!(next(&mut events).await, BusEvent::Cut);
    assert!(publish(&bus, partition, 1).await.is_err() && bus.tail(room(partition)).await.is_err());
    assert!(connection.subscribe(&[Channel::Control]).await.is_err() && bus.connect(8).await.is_err());

    server.restart().await;
    assert_eq!(publish(&bus, partition, 1).await, Ok(Published::Unseeded));
    connection.subscribe(&[Channel::Room(room(partition))]).await.unwrap();
    seed(&bus, partition, 1, 2).await;
    assert_eq!(publish(&bus, partition, 1).await, Ok(Published::Ok));
    let event = next(&mut events).await;
    assert!(matches!(&event, BusEvent::Frames { segment, .. } if segment.prev == Cursor(1)), "{event:?}");
}

#[tokio::test]
async fn a_server_that_is_emptied_is_unseeded_and_its_subscribers_hear_the_new_seed() {
    let server = RedisServer::start().await;
    let (bus, partition) = (open(&server), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    let (_connection, mut events) = subscriber(&bus, partition).await;
    let () = redis::cmd("FLUSHALL").query_async(&mut admin(&server).await).await.unwrap();
    assert_eq!(publish(&bus, partition, 0).await, Ok(Published::Unseeded));
    assert_eq!(bus.beat(partition, Cursor::ZERO).await, Ok(Beat::Unseeded));
    seed(&bus, partition, 5, 2).await;
    assert_eq!(publish(&bus, partition, 5).await, Ok(Published::Ok));
    assert!(matches!(next(&mut events).await, BusEvent::Frames { segment, .. } if segment.prev == Cursor(5)));
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_gets_them_again() {
    let server = RedisServer::start().await;
    let (bus, partition) = (open(&server), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    let () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut admin(&server).await).await.unwrap();
    assert_eq!(publish(&bus, partition, 0).await, Ok(Published::Ok));
}

#[tokio::test]
async fn a_server_out_of_memory_takes_no_publish_whole_or_in_part_and_still_reads() {
    let server = RedisServer::start().await;
    let (bus, partition) = (open(&server), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    assert_eq!(publish(&bus, partition, 0).await, Ok(Published::Ok));
    let mut admin = admin(&server).await;
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query_async(&mut admin).await.unwrap();
    assert!(publish(&bus, partition, 1).await.is_err());
    assert!(matches!(bus.tail(room(partition)).await, Ok(Tail::Frames { next: Cursor(1), segments, .. }) if segments.len() == 1));
    let () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "0"]).query_async(&mut admin).await.unwrap();
    assert_eq!(publish(&bus, partition, 1).await, Ok(Published::Ok));
}

#[tokio::test]
async fn a_server_that_became_a_replica_refuses_and_is_used_again_when_it_leads() {
    let (server, other) = (RedisServer::start().await, RedisServer::start().await);
    let (bus, partition) = (open(&server), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    let mut admin = admin(&server).await;
    let leader = other.url();
    let port = leader.rsplit(':').next().unwrap();
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port).query_async(&mut admin).await.unwrap();
    assert!(publish(&bus, partition, 0).await.is_err());
    let () = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async(&mut admin).await.unwrap();
    let again = publish(&bus, partition, 0).await.unwrap();
    assert!(matches!(again, Published::Ok | Published::Unseeded), "whether its leader emptied it is a matter of time: {again:?}");
}

/// A replica that takes over its leader's data answers LOADING to everything, as a server does that reads its own at the start.
#[tokio::test]
async fn a_server_that_is_loading_is_away_and_is_used_again_when_it_has_loaded() {
    let (server, leader) = (RedisServer::start().await, RedisServer::start().await);
    let (bus, partition) = (open(&server), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    let (_connection, mut events) = subscriber(&bus, partition).await;
    assert_eq!(publish(&bus, partition, 0).await, Ok(Published::Ok));
    assert!(matches!(next(&mut events).await, BusEvent::Frames { .. }));
    let () = redis::cmd("CONFIG").arg(&["SET", "repl-diskless-sync-delay", "0"]).query_async(&mut admin(&leader).await).await.unwrap();
    let fill = "for i = 1, 3000 do redis.call('SET', 'k' .. i, string.rep('x', 1000)) end";
    let () = redis::cmd("EVAL").arg(fill).arg(0).query_async(&mut admin(&leader).await).await.unwrap();
    let mut own = admin(&server).await;
    // A millisecond for each key, and a look at its clients for each.
    for (name, value) in [("key-load-delay", "1000"), ("loading-process-events-interval-bytes", "1024"), ("repl-diskless-load", "disabled")] {
        let () = redis::cmd("CONFIG").arg(&["SET", name, value]).query_async(&mut own).await.unwrap();
    }
    let url = leader.url();
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(url.rsplit(':').next().unwrap()).query_async(&mut own).await.unwrap();
    let until = tokio::time::Instant::now() + SOON;
    loop {
        let began = tokio::time::Instant::now();
        let (published, tail) = (publish(&bus, partition, 1).await, bus.tail(room(partition)).await);
        assert!(began.elapsed() < Duration::from_secs(5), "whoever asks is told in time");
        assert!(published.is_err(), "a replica takes nothing: {published:?}");
        if tail.is_err_and(|error| error.to_string().contains("LOADING") || error.to_string().contains("loading")) {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "it never loaded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(bus.beat(partition, Cursor::ZERO).await.is_err());
    let until = tokio::time::Instant::now() + 3 * SOON;
    loop {
        let leads: redis::RedisResult<()> = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query_async(&mut own).await;
        if leads.is_ok() {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "it has loaded in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // It has its leader's data now, and none of ours: what a reader missed shows by the new seed.
    let published = loop {
        match publish(&bus, partition, 1).await {
            Ok(published) => break published,
            Err(_) => assert!(tokio::time::Instant::now() < until, "it is used again"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(published, Published::Unseeded);
    seed(&bus, partition, 1, 2).await;
    assert_eq!(publish(&bus, partition, 1).await, Ok(Published::Ok));
    assert!(matches!(bus.tail(room(partition)).await, Ok(Tail::Frames { next: Cursor(2), floor: Cursor(1), segments }) if segments.len() == 1));
}

#[tokio::test]
async fn a_server_that_hangs_is_away_after_the_deadline_and_back_when_it_goes_on() {
    let server = RedisServer::start().await;
    let (bus, partition) = (open(&server), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    let () = redis::cmd("CLIENT").arg(&["PAUSE", "1500", "ALL"]).query_async(&mut admin(&server).await).await.unwrap();
    let began = tokio::time::Instant::now();
    assert!(publish(&bus, partition, 0).await.is_err());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let next = match publish(&bus, partition, 0).await.unwrap() {
        Published::Ok => Cursor(1),
        Published::Moved { next, .. } => next,
        Published::Unseeded => panic!("unseeded"),
    };
    assert_eq!(next, Cursor(1), "the call whose answer was lost took effect, or the second one did");
}

#[tokio::test]
async fn a_tail_and_its_key_are_gone_after_their_time() {
    let server = RedisServer::start().await;
    let mut config = RedisConfig::from_url(&server.url()).unwrap();
    config.tail = TailCap { entries: 2, ttl: Duration::from_millis(300) };
    let (bus, partition) = (RedisBus::open(config).unwrap(), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    for at in 0..3 {
        assert_eq!(publish(&bus, partition, at).await, Ok(Published::Ok));
    }
    assert!(matches!(bus.tail(room(partition)).await, Ok(Tail::Frames { floor: Cursor(1), segments, .. }) if segments.len() == 2));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(bus.tail(room(partition)).await, Ok(Tail::Frames { next: Cursor(3), floor: Cursor(3), segments: vec![] }));
    let keys: Vec<String> = admin(&server).await.keys("*").await.unwrap();
    assert_eq!(keys, [format!("p:{{{}}}", partition.0)], "nothing else is kept of a quiet room");
}

#[tokio::test]
async fn what_others_say_on_a_room_s_channel_is_passed_over() {
    let server = RedisServer::start().await;
    let (bus, partition) = (open(&server), fresh_partition());
    seed(&bus, partition, 0, 1).await;
    let (_connection, mut events) = subscriber(&bus, partition).await;
    let () = admin(&server).await.publish(format!("c:{}", room(partition)), "hello").await.unwrap();
    assert_eq!(publish(&bus, partition, 0).await, Ok(Published::Ok));
    assert!(matches!(next(&mut events).await, BusEvent::Frames { .. }));
}

#[tokio::test]
async fn frames_that_are_no_group_are_refused_and_change_nothing() {
    let (bus, partition) = (open_shared().await, fresh_partition());
    seed(&bus, partition, 0, 1).await;
    let rooms = vec![RoomFrames { room: room(partition), last: Position(0), frames: Bytes::from_static(b"x") }];
    assert!(bus.publish(partition, Cursor(0), Cursor(1), rooms).await.is_err());
    assert_eq!(publish(&bus, partition, 0).await, Ok(Published::Ok));
}

#[tokio::test]
async fn a_bus_opens_without_its_server_and_finds_it_later() {
    let server = RedisServer::start().await;
    server.kill();
    let (bus, partition) = (open(&server), fresh_partition());
    assert!(publish(&bus, partition, 0).await.is_err());
    server.restart().await;
    assert_eq!(publish(&bus, partition, 0).await, Ok(Published::Unseeded));
}

#[test]
fn a_url_is_redis_or_nothing_and_its_password_is_not_shown() {
    for url in ["http://localhost", "localhost:6379", "redis:", "unix:///tmp/redis.sock", ""] {
        assert!(RedisConfig::from_url(url).is_err(), "{url}");
    }
    for url in ["redis://localhost", "rediss://user:secret@localhost:6380/1"] {
        let config = RedisConfig::from_url(url).unwrap();
        assert!(!format!("{config:?}").contains("secret"));
        assert!(!format!("{:?}", RedisBus::open(config).unwrap()).contains("secret"));
    }
}
