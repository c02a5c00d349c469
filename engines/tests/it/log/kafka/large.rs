//! Records that are larger than a topic takes, and the largest that one takes.

use bytes::Bytes;
use parley_engines::log::{Appended, LogReader, LogWriter, ReadMax};
use parley_proto::{Cursor, Position, RoomId};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
    producer::{FutureProducer, FutureRecord},
};
use tokio::time::{Instant, timeout};

use super::{P0, SOON, append_at_last, appended, enqueue, open};
use crate::services::kafka::KafkaServer;

/// Sets what one batch of the topic may hold, as an operator does.
async fn limit_batches(hosts: &str, topic: &str, bytes: &str) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", hosts).create().unwrap();
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", bytes);
    for altered in admin.alter_configs(&[change], &AdminOptions::new()).await.unwrap() {
        altered.unwrap();
    }
}

#[tokio::test]
async fn a_record_that_is_larger_than_the_topic_takes_is_unknown_is_nowhere_and_holds_nobody_up() {
    let server = KafkaServer::shared().await;
    let config = server.topic().await;
    let log = open(&config).await;
    append_at_last(&log, "before").await;
    limit_batches(&server.hosts(), &config.topic, "20000").await;
    // Nothing that could be compressed: a broker judges what it is sent.
    let large: Bytes = (0..50_000).map(|_| rand::random::<u8>()).collect();
    for round in 0..3 {
        let began = Instant::now();
        let answer = loop {
            // The brokers hear of a change in their own time.
            match appended(log.enqueue(P0, RoomId::of_partition(P0), large.clone()).unwrap()).await {
                Appended::At(_) if round == 0 && began.elapsed() < SOON => {}
                answer => break answer,
            }
        };
        assert_eq!(answer, Appended::Unknown);
        println!("unknown after {:?}", began.elapsed());
        assert!(began.elapsed() < 2 * SOON);
        append_at_last(&log, &format!("after {round}")).await;
    }
    let end = log.end(P0).await.unwrap();
    limit_batches(&server.hosts(), &config.topic, "1048588").await;
    let neighbours = [enqueue(&log, "one").unwrap(), enqueue(&log, "two").unwrap()];
    for receipt in neighbours {
        assert!(matches!(appended(receipt).await, Appended::At(position) if position.at() >= end));
    }
    let (mut at, mut small) = (Cursor::ZERO, Vec::new());
    while at < log.end(P0).await.unwrap() {
        for record in log.read(P0, at, ReadMax::default()).await.unwrap() {
            at = record.position.next();
            match std::str::from_utf8(&record.bytes) {
                Ok(text) if record.bytes.len() < 100 => small.push(text.to_owned()),
                _ => assert!(record.position < Position(end.0) && small.len() == 1, "only before the topic's limit was known"),
            }
        }
    }
    assert_eq!(small, ["before", "after 0", "after 1", "after 2", "one", "two"]);
}

/// Somebody else's producer may write what ours would not.
#[tokio::test]
async fn the_largest_record_that_brokers_take_is_read_whole_with_its_neighbours() {
    let server = KafkaServer::shared().await;
    let config = server.topic().await;
    let log = open(&config).await;
    let mut follower = log.follow(P0, Cursor::ZERO);
    append_at_last(&log, "before").await;
    let large: Vec<u8> = (0..1_048_000).map(|_| rand::random()).collect();
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", server.hosts()).set("message.max.bytes", "2000000").create().unwrap();
    let record: FutureRecord<'_, (), [u8]> = FutureRecord::to(&config.topic).partition(0).payload(&large[..]);
    producer.send(record, SOON).await.unwrap();
    // What looks small on the line, and is not.
    let zeros = vec![0; 1_900_000];
    let compressed: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", server.hosts()).set("message.max.bytes", "2000000").set("compression.codec", "lz4").create().unwrap();
    let record: FutureRecord<'_, (), [u8]> = FutureRecord::to(&config.topic).partition(0).payload(&zeros[..]);
    compressed.send(record, SOON).await.unwrap();
    append_at_last(&log, "after").await;
    let wanted = [&b"before"[..], &large, &zeros, b"after"];
    let mut followed = Vec::new();
    while followed.len() < wanted.len() {
        followed.extend(timeout(SOON, follower.next(ReadMax::default())).await.unwrap().unwrap().into_iter().map(|record| record.bytes));
    }
    assert!(followed.iter().zip(wanted).all(|(found, wanted)| found == wanted));
    let mut at = Cursor::ZERO;
    while at < Cursor(4) {
        for record in log.read(P0, at, ReadMax::default()).await.unwrap() {
            assert_eq!(record.bytes, wanted[usize::try_from(at.0).unwrap()]);
            at = record.position.next();
        }
    }
}
