//! Records that nobody's gateway would write, put straight into Kafka: a dead letter with its reason, in time, and everybody goes on; one of a newer version
//! stops its partition, aloud, and nothing behind it is stored or shown.

use std::time::Duration;

use bytes::Bytes;
use parley_engines::log::{
    Appended, LogReader, LogWriter,
    kafka::{KafkaConfig, KafkaLog},
};
use parley_proto::{
    Body, Cid, Cursor, Kind, MessageId, Position, Record, RoomId, UnixMillis, UserId, codec,
    wire::{ClientFrame, ServerFrame},
};
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    client::{Answer, PATIENCE, Person, Socket},
    operators::parley,
    world::World,
};

/// A dead letter is there after this (G16).
const BURIED: Duration = Duration::from_secs(10);
/// The largest that the product's own client of Kafka sends, but for a little.
const LARGE: usize = 990_000;

async fn log(world: &World) -> KafkaLog {
    KafkaLog::open(KafkaConfig::from_url(&world.deployment().log_url).unwrap()).await.unwrap()
}

async fn append(log: &KafkaLog, room: RoomId, bytes: impl Into<Bytes>) -> Position {
    match log.enqueue(room.partition(), room, bytes.into()).unwrap().await {
        Appended::At(position) => position,
        other => panic!("{other:?}"),
    }
}

async fn database(world: &World) -> PgConnection {
    PgConnection::connect(&world.deployment().store_url).await.unwrap()
}

fn message(room: RoomId, sender: UserId, body: &str) -> Record {
    Record { body: Body::Plain(body.to_owned()), sent_at: UnixMillis(1_700_000_000_000), ..Record::bare(Kind::Message, room, sender, Cid(Uuid::new_v4())) }
}

/// The record with these bytes changed and a checksum that is right.
fn forged(record: &Record, change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = codec::encode(record).to_vec();
    let crc_at = bytes.len() - 4;
    change(&mut bytes[..crc_at]);
    let crc = crc32c::crc32c(&bytes[..crc_at]);
    bytes[crc_at..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// Somebody at each gateway, in one room.
struct Two {
    room: RoomId,
    ada: Person,
    a: Socket,
    b: Socket,
}

impl Two {
    async fn meet(world: &World) -> Self {
        let (ada, bo) = (world.person().await.at(&world.gateway_url(0)), world.person().await.at(&world.gateway_url(1)));
        let room = ada.create_room("poisoned").await;
        bo.join(room).await;
        let (mut a, mut b) = (ada.connect().await, bo.connect().await);
        a.subscribe(room).await;
        b.subscribe(room).await;
        Self { room, ada, a, b }
    }

    /// Says one more, and both see exactly what was said, in order.
    async fn say(&mut self, said: &mut Vec<String>) {
        let text = format!("message {}", said.len());
        assert!(matches!(self.a.send(self.room, &text).await, Answer::Ack { .. }), "{text}");
        said.push(text);
        for socket in [&mut self.a, &mut self.b] {
            assert_eq!(socket.until(self.room, said.len()).await, *said);
            assert!(socket.closed.is_none() && !socket.came(|frame| matches!(frame, ServerFrame::Error { .. })));
        }
    }
}

/// What is written, and how its reason begins.
fn poison(room: RoomId) -> Vec<(&'static str, Vec<u8>)> {
    let sender = UserId(Uuid::from_u128(1));
    let good = message(room, sender, "never");
    let bytes = codec::encode(&good).to_vec();
    let of = |change: fn(&mut Record)| {
        let mut record = good.clone();
        change(&mut record);
        codec::encode(&record).to_vec()
    };
    let mut flipped = bytes.clone();
    flipped[60] ^= 1;
    let mut large = b"PRLY".to_vec();
    large.resize_with(LARGE, rand::random);
    vec![
        ("empty record", Vec::new()),
        ("record is truncated", b"PRLY\x01".to_vec()),
        ("record is truncated", cut_off(&good)),
        ("record's checksum is wrong", bytes[..bytes.len() - 1].to_vec()),
        ("record's checksum is wrong", flipped),
        ("record does not begin with PRLY", [b"YLRP", &bytes[4..]].concat()),
        ("record's kind is unknown", forged(&good, |bytes| bytes[5] = 200)),
        ("record is malformed", forged(&good, |bytes| bytes[4] = 0)),
        ("record's checksum is wrong", large.clone()),
        ("record does not begin with PRLY", vec![0; LARGE]),
        ("the room belongs to partition", of(|record| record.room = RoomId::new(parley_proto::PartitionId(record.room.partition().0 ^ 1), [7; 16]))),
        ("floor is below base", of(|record| record.base = Cursor(1))),
        ("body: ", of(|record| record.body = Body::Plain("x".repeat(4_001)))),
        ("body: ", of(|record| record.body = Body::Plain("a\0b".to_owned()))),
        ("value does not fit the kind", of(|record| record.value = 1)),
        ("value does not fit the kind", {
            let vote = Record { kind: Kind::Vote, value: 2, target: Some(MessageId(Uuid::from_u128(9))), body: Body::empty(), ..good.clone() };
            codec::encode(&vote).to_vec()
        }),
        ("target is missing or superfluous", of(|record| record.kind = Kind::Delete)),
    ]
}

/// A record that ends in its first id, with a checksum that is right.
fn cut_off(record: &Record) -> Vec<u8> {
    let mut bytes = codec::encode(record)[..20].to_vec();
    bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}

pub(crate) async fn what_is_no_record_is_a_dead_letter_with_its_reason_and_everybody_goes_on(world: &World) {
    world.whole().await;
    let mut two = Two::meet(world).await;
    let mut said = Vec::new();
    two.say(&mut said).await;
    let (log, mut database) = (log(world).await, database(world).await);
    let mut longest = Duration::ZERO;
    let mut places = Vec::new();
    for (reason, bytes) in poison(two.room) {
        let began = Instant::now();
        let at = append(&log, two.room, bytes.clone()).await;
        let (kept, why) = loop {
            let row: Option<(Vec<u8>, String)> = sqlx::query_as("select bytes, reason from dead_letters where partition = $1 and position = $2")
                .bind(i32::from(two.room.partition().0))
                .bind(at.0.cast_signed())
                .fetch_optional(&mut database)
                .await
                .unwrap();
            match row {
                Some(row) => break row,
                None => assert!(began.elapsed() < BURIED, "{reason}: no dead letter after {:?}", began.elapsed()),
            }
            sleep(Duration::from_millis(10)).await;
        };
        longest = longest.max(began.elapsed());
        assert!(why.starts_with(reason), "{reason}: {why}");
        assert_eq!(kept, bytes, "{reason}: it is kept as it was");
        places.push(format!("{}:{at}", two.room.partition()));
        two.say(&mut said).await;
    }
    println!("{} dead letters, the slowest after {} ms", places.len(), longest.as_millis());
    log.close().await;
    assert_eq!(two.ada.connect().await.subscribe(two.room).await.texts(), said);
    assert_eq!(two.ada.everything(two.room).await, said);
    let listed = parley(world, &["dead-letters", "list"]);
    assert!(places.iter().all(|place| listed.lines().any(|line| line.starts_with(&format!("{place} ")))), "{listed}");
    world.assert_whole().await;
}

pub(crate) async fn what_is_said_in_a_room_that_the_store_does_not_have_is_kept_and_nobody_reads_it(world: &World) {
    world.whole().await;
    let mut two = Two::meet(world).await;
    let mut said = Vec::new();
    two.say(&mut said).await;
    let (log, mut database) = (log(world).await, database(world).await);
    let nowhere = RoomId::new(two.room.partition(), rand::random());
    // Also in the name of somebody who is real.
    let (_, me) = two.ada.get("/me").await;
    let ada: UserId = me["user"]["id"].as_str().unwrap().parse().unwrap();
    for sender in [ada, UserId(Uuid::new_v4())] {
        append(&log, nowhere, codec::encode(&message(nowhere, sender, "to nobody"))).await;
    }
    log.close().await;
    two.say(&mut said).await;
    let until = Instant::now() + PATIENCE;
    let count = async |database: &mut PgConnection| -> i64 {
        sqlx::query_scalar("select count(*) from messages where room = $1 and body = 'to nobody'").bind(nowhere.0).fetch_one(database).await.unwrap()
    };
    while count(&mut database).await < 2 {
        assert!(Instant::now() < until, "they are rows like any others");
        sleep(Duration::from_millis(20)).await;
    }
    for path in ["", "/messages", "/members", "/presence", "/top"] {
        let (there, missing) = (two.ada.get(&format!("/rooms/{nowhere}{path}")).await, two.ada.get(&format!("/rooms/{}{path}", RoomId(Uuid::new_v4()))).await);
        assert_eq!((there.0, &there.1), (404, &missing.1), "{path}");
    }
    let reference = two.a.reference();
    two.a.write(&ClientFrame::Subscribe { reference, room: nowhere, limit: None }).await;
    let answer = two.a.wait_for(|frame| matches!(frame, ServerFrame::Error { .. } | ServerFrame::Subscribed { .. })).await;
    assert!(matches!(answer, Some(ServerFrame::Error { code: parley_proto::ErrorCode::NotFound, .. })), "{answer:?}");
    assert_eq!(two.a.send(nowhere, "hello?").await, Answer::Rejected { code: parley_proto::ErrorCode::NotFound, is_final: false });
    two.say(&mut said).await;
    world.assert_whole().await;
}

/// On a cluster of its own: such a partition has stopped for good.
pub(crate) async fn a_newer_record_stops_its_partition_with_an_alarm_and_nothing_is_skipped() {
    let world = World::start().await;
    let mut two = Two::meet(&world).await;
    let mut said = Vec::new();
    two.say(&mut said).await;
    let (log, mut database) = (log(&world).await, database(&world).await);
    let (room, partition) = (two.room, two.room.partition());
    let newer = forged(&message(room, UserId(Uuid::from_u128(1)), "of a later day"), |bytes| bytes[4] = codec::VERSION + 1);
    let at = append(&log, room, newer).await;

    // The alarm: the persister is not ready and names the partition; all three processes have said so in their logs.
    let until = Instant::now() + PATIENCE;
    let admin = world.cluster.persisters()[0].admin;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let told = format!("partition {partition}: the record at {at} has version 2, newer than this program: upgrade the readers");
    let ready = async || {
        let answer = http.get(format!("http://{admin}/readyz")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    loop {
        let (status, body) = ready().await;
        if status == 503 && body.contains(&told) {
            break;
        }
        assert!(Instant::now() < until, "{status} {body}");
        sleep(Duration::from_millis(50)).await;
    }
    let alarmed = |name: &str, line: &str| {
        let log = std::fs::read_to_string(&world.cluster.service(name).unwrap().spec().log).unwrap();
        log.lines().any(|said| said.contains("ERROR") && said.contains(line))
    };
    assert!(alarmed("persister-1", "the partition has stopped, nothing is skipped"));
    assert!(["gateway-1", "gateway-2"].iter().any(|name| alarmed(name, "relay.newer_record")));

    // What is behind it is in the log, and shown or stored nowhere; so it is after a restart.
    let answer = two.a.send(room, "behind it").await;
    println!("a send behind it is answered {answer:?}");
    assert!(!matches!(answer, Answer::Rejected { is_final: true, .. }), "{answer:?}");
    let next: i64 = sqlx::query_scalar("select next from partitions where partition = $1").bind(i32::from(partition.0)).fetch_one(&mut database).await.unwrap();
    assert_eq!(next.cast_unsigned(), at.0, "the store stands before it");
    world.cluster.kill9("persister-1").unwrap();
    sleep(Duration::from_secs(3)).await;
    let until = Instant::now() + PATIENCE;
    while !ready().await.1.contains(&told) {
        assert!(Instant::now() < until, "it stops again");
        sleep(Duration::from_millis(50)).await;
    }
    two.b.settle(Duration::from_secs(1)).await;
    assert_eq!(two.b.views[&room].texts(), said, "nobody is shown what is not stored");
    let stored: Vec<String> = sqlx::query_scalar("select body from messages where room = $1 and kind = 'message' order by position")
        .bind(room.0)
        .fetch_all(&mut database)
        .await
        .unwrap();
    assert_eq!(stored, said);
    let (next, letters): (i64, i64) = sqlx::query_as("select next, (select count(*) from dead_letters) from partitions where partition = $1")
        .bind(i32::from(partition.0))
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!((next.cast_unsigned(), letters), (at.0, 0), "nothing was skipped or buried");
    assert!(log.end(partition).await.unwrap() > at.at());
    log.close().await;

    // Every other partition goes on, live and stored.
    let other = loop {
        let other = two.ada.create_room("elsewhere").await;
        if other.partition() != partition {
            break other;
        }
    };
    two.a.subscribe(other).await;
    assert!(matches!(two.a.send(other, "we go on").await, Answer::Ack { .. }));
    assert_eq!(two.a.until(other, 1).await, ["we go on"]);
    let until = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>("select count(*) from messages where room = $1 and body = 'we go on'")
        .bind(other.0)
        .fetch_one(&mut database)
        .await
        .unwrap()
        == 0
    {
        assert!(Instant::now() < until, "the other partition is stored");
        sleep(Duration::from_millis(20)).await;
    }
    world.stop().await;
}
