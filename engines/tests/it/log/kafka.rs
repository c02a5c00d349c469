//! The log on Kafka: the contract, and what becomes of it when the broker dies, hangs, refuses or has lost records.

mod large;
mod leaderless;

use std::{collections::BTreeSet, ops::Deref, time::Duration};

use bytes::Bytes;
use parley_engines::log::{
    Appended, EnqueueError, Log, LogError, LogReader, LogWriter, ReadMax, Receipt, Share,
    kafka::{KafkaConfig, KafkaLog, KafkaLogError, TopicPlan},
};
use parley_proto::{Cursor, PartitionId, Position, RoomId};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::contract::log_contract;
use crate::services::kafka::{KafkaServer, PASSWORD_ENCODED};

struct Opened(KafkaLog);

impl Deref for Opened {
    type Target = dyn Log;
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

async fn open_contract() -> Opened {
    let config = KafkaServer::shared().await.topic().await;
    Opened(open(&config).await)
}

log_contract!(open_contract);

const P0: PartitionId = PartitionId(0);
const SOON: Duration = Duration::from_secs(10);

async fn open(config: &KafkaConfig) -> KafkaLog {
    KafkaLog::open(config.clone()).await.unwrap()
}

fn enqueue(log: &KafkaLog, text: &str) -> Result<Receipt, EnqueueError> {
    log.enqueue(P0, RoomId::of_partition(P0), Bytes::copy_from_slice(text.as_bytes()))
}

async fn appended(receipt: Receipt) -> Appended {
    timeout(SOON, receipt).await.expect("an answer comes")
}

/// Appends until it succeeds, as often as senders try again.
async fn append_at_last(log: &KafkaLog, text: &str) -> Position {
    for _ in 0..300 {
        if let Ok(receipt) = enqueue(log, text)
            && let Appended::At(position) = appended(receipt).await
        {
            return position;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{text:?} never gets into the log");
}

/// Everything from the beginning, read piece by piece.
async fn all_texts(log: &KafkaLog) -> Vec<String> {
    let end = log.end(P0).await.unwrap();
    let (mut at, mut texts) = (Cursor::ZERO, Vec::new());
    while at < end {
        for record in log.read(P0, at, ReadMax::default()).await.unwrap() {
            assert_eq!(record.position.at(), at, "offsets are dense");
            texts.push(String::from_utf8(record.bytes.to_vec()).unwrap());
            at = record.position.next();
        }
    }
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_loses_nothing_acked_and_all_goes_on_by_itself() {
    let server = KafkaServer::start().await;
    let log = open(&server.topic().await).await;
    let mut follower = log.follow(P0, Cursor::ZERO);
    append_at_last(&log, "a cold broker may take longer than an append may").await;
    let mut acked = Vec::new();
    for n in 0..1_000 {
        let text = format!("before {n}");
        let receipt = enqueue(&log, &text).unwrap();
        acked.push((text, receipt));
    }
    let mut acked: Vec<_> = futures::future::join_all(acked.into_iter().map(|(text, receipt)| async { (text, appended(receipt).await) })).await;
    acked.retain(|(_, appended)| *appended != Appended::Unknown);
    assert!(!acked.is_empty());
    let mut at = Vec::new();
    for n in 1_000..20_000 {
        let text = format!("before {n}");
        at.push((text.clone(), enqueue(&log, &text).unwrap()));
    }
    server.kill();
    let killed = Instant::now();
    let under_way = enqueue(&log, "under way");
    let mut unknown = 0;
    for (text, receipt) in at {
        match appended(receipt).await {
            Appended::Unknown => unknown += 1,
            known => acked.push((text, known)),
        }
    }
    let under_way = appended(under_way.unwrap()).await;
    println!("of 20 000 records {} were acked and {unknown} unknown {:?} after the kill", acked.len(), killed.elapsed());
    assert_eq!(under_way, Appended::Unknown);
    assert!(matches!(log.end(P0).await, Err(LogError::Unavailable(_))));
    assert!(matches!(log.read(P0, Cursor::ZERO, ReadMax::default()).await, Err(LogError::Unavailable(_))));

    let restarting = Instant::now();
    server.restart().await;
    println!("the broker was up again after {:?}", restarting.elapsed());
    let up = Instant::now();
    let after = append_at_last(&log, "after").await;
    println!("the producer appended {:?} after that", up.elapsed());
    let texts = all_texts(&log).await;
    for (text, appended) in &acked {
        if let Appended::At(position) = appended {
            assert_eq!(&texts[usize::try_from(position.0).unwrap()], text, "it is where it was said to be");
        } else {
            assert!(texts.contains(text), "{text}: {appended:?}");
        }
    }
    assert_eq!(texts[usize::try_from(after.0).unwrap()], "after");
    let distinct: std::collections::HashSet<_> = texts.iter().filter(|text| text.starts_with("before")).collect();
    assert_eq!(distinct.len(), texts.iter().filter(|text| text.starts_with("before")).count(), "the producer itself writes nothing twice");

    let mut followed = Vec::new();
    while followed.len() < texts.len() {
        match timeout(SOON, follower.next(ReadMax::default())).await.expect("the follower goes on") {
            Ok(records) => followed.extend(records.iter().map(|record| String::from_utf8(record.bytes.to_vec()).unwrap())),
            Err(error) => println!("the follower was told: {error}"),
        }
    }
    assert_eq!(followed, texts);
}

#[tokio::test]
async fn while_the_broker_is_away_the_queue_refuses_once_its_head_is_too_old() {
    let (cluster, config) = mock();
    let log = open(&config).await;
    append_at_last(&log, "a").await;
    cluster.broker_down(1).unwrap();
    let head = enqueue(&log, "b").unwrap();
    sleep(Duration::from_millis(1_100)).await;
    assert_eq!(enqueue(&log, "c").unwrap_err(), EnqueueError::QueueFull);
    assert_eq!(appended(head).await, Appended::Unknown);
    let began = Instant::now();
    assert!(matches!(log.end(P0).await, Err(LogError::Unavailable(_))));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    cluster.broker_up(1).unwrap();
    append_at_last(&log, "d").await;
}

#[tokio::test]
async fn a_topic_that_is_missing_and_a_broker_that_is_not_there_are_named() {
    let server = KafkaServer::shared().await;
    assert_eq!(KafkaLog::open(server.config("nowhere")).await.unwrap_err(), KafkaLogError::NoTopic("nowhere".to_owned()));
    assert_eq!(KafkaLog::grow(&server.config("nowhere"), 3).await, Err(KafkaLogError::NoTopic("nowhere".to_owned())));
    let mut config = KafkaConfig::from_url("kafka://127.0.0.1:1/nowhere").unwrap();
    config.open_deadline = Duration::from_millis(500);
    assert!(matches!(KafkaLog::open(config).await, Err(KafkaLogError::Unreachable { .. })));
}

#[tokio::test]
async fn over_tls_one_signs_in_with_the_right_password_only() {
    let server = KafkaServer::shared().await;
    let topic = server.topic().await.topic;
    let config = KafkaConfig::from_url(&server.tls_url(&topic, PASSWORD_ENCODED)).unwrap();
    let log = open(&config).await;
    append_at_last(&log, "a").await;
    assert_eq!(all_texts(&log).await, ["a"]);
    assert_eq!(log.follow(P0, Cursor::ZERO).next(ReadMax::default()).await.unwrap().len(), 1);
    for wrong in [KafkaConfig::from_url(&server.tls_url(&topic, "wrong")).unwrap(), KafkaConfig { authorities: None, ..config }] {
        let wrong = KafkaConfig { open_deadline: Duration::from_secs(1), ..wrong };
        assert!(matches!(KafkaLog::open(wrong).await, Err(KafkaLogError::Unreachable { .. })));
    }
}

#[tokio::test]
async fn a_topic_is_made_once_and_grows() {
    let server = KafkaServer::shared().await;
    let config = server.topic().await;
    let plan = TopicPlan { partitions: 5, replication: 1, min_insync_replicas: 1 };
    assert_eq!(KafkaLog::create_topic(&config, plan).await, Ok(false));
    let before = open(&config).await;
    assert_eq!(before.partitions(), 2);
    append_at_last(&before, "a").await;
    KafkaLog::grow(&config, 4).await.unwrap();
    assert!(matches!(KafkaLog::grow(&config, 3).await, Err(KafkaLogError::Refused(_))));
    let log = open(&config).await;
    assert_eq!((log.partitions(), log.end(PartitionId(3)).await), (4, Ok(Cursor::ZERO)));
    assert_eq!(all_texts(&log).await, ["a"]);
    assert!(matches!(KafkaLog::create_topic(&server.config("too-many-replicas"), TopicPlan { replication: 3, ..plan }).await, Err(KafkaLogError::Refused(_))));
}

/// Waits until the share is such.
async fn shared(share: &mut watch::Receiver<Share>, is_such: impl Fn(&BTreeSet<PartitionId>) -> bool) -> BTreeSet<PartitionId> {
    let share = timeout(3 * SOON, share.wait_for(|share| share.as_ref().is_some_and(&is_such))).await.expect("the group shares in time");
    share.unwrap().clone().unwrap()
}

#[tokio::test]
async fn those_who_persist_share_the_partitions_and_take_over_from_who_leaves() {
    let server = KafkaServer::shared().await;
    let config = server.topic().await;
    let (first, second) = (open(&config).await, open(&config).await);
    let mut a = first.share();
    assert_eq!(shared(&mut a, |share| share.len() == 2).await.len(), 2, "alone, it has all");
    let mut b = second.share();
    let b_has = shared(&mut b, |share| share.len() == 1).await;
    let a_has = shared(&mut a, |share| share.len() == 1).await;
    assert_eq!(a_has.union(&b_has).count(), 2, "nobody's partition is another's");
    KafkaLog::grow(&config, 4).await.unwrap();
    shared(&mut a, |share| share.len() == 2).await;
    shared(&mut b, |share| share.len() == 2).await;
    drop(b);
    assert_eq!(shared(&mut a, |share| share.len() == 4).await.len(), 4, "what was given back is taken over");
}

#[tokio::test]
async fn who_comes_back_under_its_name_has_its_partitions_at_once() {
    let server = KafkaServer::shared().await;
    let config = server.topic().await;
    let named = |name: &str| KafkaConfig { member_name: Some(name.to_owned()), ..config.clone() };
    let (first, second) = (open(&named("one")).await, open(&named("two")).await);
    let (mut a, mut b) = (first.share(), second.share());
    shared(&mut a, |share| share.len() == 1).await;
    let had = shared(&mut b, |share| share.len() == 1).await;
    drop(b);
    drop(second);
    // Shorter than the session of one that is gone: whoever had another name would get nothing yet.
    let again = open(&named("two")).await;
    let mut b = again.share();
    assert_eq!(shared(&mut b, |share| !share.is_empty()).await, had);
    assert_eq!(a.borrow_and_update().as_ref().unwrap().len(), 1, "nothing moved meanwhile");
}

#[tokio::test]
async fn what_the_broker_no_longer_has_is_out_of_range_and_never_skipped() {
    let server = KafkaServer::shared().await;
    let config = server.topic().await;
    let log = open(&config).await;
    for n in 0..10 {
        append_at_last(&log, &n.to_string()).await;
    }
    let mut waiting = log.follow(P0, Cursor(3));
    delete_before(&server.hosts(), &config.topic, Cursor(6)).await;
    let expected = LogError::OutOfRange { asked: Cursor(3), first: Cursor(6), end: Cursor(10) };
    assert_eq!(log.read(P0, Cursor(3), ReadMax::default()).await, Err(expected.clone()));
    assert_eq!(waiting.next(ReadMax::default()).await, Err(expected));
    assert_eq!(log.read(P0, Cursor(6), ReadMax::default()).await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_follower_whose_place_is_lost_while_it_waits_is_told() {
    let server = KafkaServer::shared().await;
    let config = server.topic().await;
    let log = open(&config).await;
    for _ in 0..1_000 {
        // Nothing that could be compressed.
        let large: Vec<u8> = (0..16 * 1024).map(|_| rand::random()).collect();
        log.enqueue(P0, RoomId::of_partition(P0), large.into()).unwrap();
    }
    append_at_last(&log, "last").await;
    let end = log.end(P0).await.unwrap();
    let mut follower = log.follow(P0, Cursor::ZERO);
    // It fetches some in advance, which is good, and not all.
    assert_eq!(follower.next(ReadMax { records: 1, bytes: 1 }).await.unwrap().len(), 1);
    delete_before(&server.hosts(), &config.topic, end).await;
    let mut at = Cursor(1);
    let told = loop {
        match timeout(SOON, follower.next(ReadMax::default())).await.expect("it is told") {
            Ok(records) => {
                assert_eq!(records[0].position.at(), at, "without a hole");
                at = records.last().unwrap().position.next();
            }
            Err(LogError::Unavailable(_)) => {}
            Err(error) => break error,
        }
    };
    assert!(Cursor(1) < at && at < end, "{at}");
    assert_eq!(told, LogError::OutOfRange { asked: at, first: end, end });
}

#[tokio::test]
async fn closing_waits_for_what_is_under_way_and_accepts_nothing_more() {
    let log = open(&KafkaServer::shared().await.topic().await).await;
    let receipts: Vec<_> = (0..500).map(|n| enqueue(&log, &n.to_string()).unwrap()).collect();
    log.close().await;
    for (n, receipt) in (0..).zip(receipts) {
        assert_eq!(receipt.await, Appended::At(Position(n)));
    }
    assert_eq!(enqueue(&log, "late").unwrap_err(), EnqueueError::Closed);
}

#[tokio::test]
async fn a_follower_is_woken_within_moments() {
    let log = open(&KafkaServer::shared().await.topic().await).await;
    let mut follower = log.follow(P0, Cursor::ZERO);
    append_at_last(&log, "first").await;
    follower.next(ReadMax::default()).await.unwrap();
    let mut delays = Vec::new();
    for n in 0..50 {
        sleep(Duration::from_millis(5)).await;
        let handed_over = Instant::now();
        let receipt = enqueue(&log, &n.to_string()).unwrap();
        assert_eq!(follower.next(ReadMax::default()).await.unwrap().len(), 1);
        delays.push(handed_over.elapsed());
        appended(receipt).await;
    }
    delays.sort();
    println!("from handing over to the follower: median {:?}, worst {:?}", delays[25], delays[49]);
    let mut reads = Vec::new();
    for n in 0..50 {
        let began = Instant::now();
        assert_eq!(log.read(P0, Cursor(n), ReadMax { records: 1, bytes: 1 }).await.unwrap().len(), 1);
        reads.push(began.elapsed());
    }
    reads.sort();
    println!("a range read of one record: median {:?}, worst {:?}", reads[25], reads[49]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_range_reads_and_followers_at_once_each_get_their_own() {
    let log = open(&KafkaServer::shared().await.topic().await).await;
    let texts: Vec<_> = (0..5_000).map(|n| format!("record {n}")).collect();
    for text in &texts {
        enqueue(&log, text).unwrap();
    }
    append_at_last(&log, "last").await;
    let log = &log;
    let ranges = (0..40).map(|n| async move {
        let from = n * 120;
        let mut found = 0;
        while found < 200 {
            let records = log.read(P0, Cursor(from + found), ReadMax { records: 37, bytes: 1_000_000 }).await.unwrap();
            for record in records {
                assert_eq!(record.position, Position(from + found));
                assert_eq!(record.bytes, format!("record {}", from + found));
                found += 1;
            }
        }
    });
    let followers = (0..4).map(|n| async move {
        let mut at = Cursor(n * 1_000);
        let mut follower = log.follow(P0, at);
        while at < Cursor(5_000) {
            for record in follower.next(ReadMax { records: 100, bytes: 900 }).await.unwrap() {
                assert_eq!(record.position.at(), at);
                at = record.position.next();
            }
        }
    });
    let all = async { tokio::join!(futures::future::join_all(ranges), futures::future::join_all(followers)) };
    timeout(SOON * 3, all).await.expect("in time");
}

/// Plays brokers inside of librdkafka, for answers that a real one gives once in a blue moon.
fn mock() -> (MockCluster<'static, DefaultProducerContext>, KafkaConfig) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mock", 1, 1).unwrap();
    let config = KafkaConfig::from_url(&format!("kafka://{}/mock", cluster.bootstrap_servers())).unwrap();
    (cluster, config)
}

#[tokio::test]
async fn after_a_fatal_error_what_was_under_way_is_unknown_and_a_new_producer_goes_on() {
    let (cluster, config) = mock();
    let log = open(&config).await;
    append_at_last(&log, "a").await;
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER]);
    let receipts = [enqueue(&log, "b").unwrap(), enqueue(&log, "c").unwrap()];
    for receipt in receipts {
        assert_eq!(appended(receipt).await, Appended::Unknown);
    }
    append_at_last(&log, "d").await;
}

#[tokio::test]
async fn every_error_of_a_broker_after_the_handing_over_is_unknown() {
    let (cluster, config) = mock();
    let log = open(&config).await;
    append_at_last(&log, "a").await;
    for error in [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD,
    ] {
        cluster.request_errors(RDKafkaApiKey::Produce, &[error]);
        assert_eq!(appended(enqueue(&log, "b").unwrap()).await, Appended::Unknown, "{error:?}");
        append_at_last(&log, "c").await;
    }
}

#[tokio::test]
async fn a_success_without_a_place_is_somewhere() {
    let (cluster, config) = mock();
    let log = open(&config).await;
    append_at_last(&log, "a").await;
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER]);
    assert_eq!(appended(enqueue(&log, "b").unwrap()).await, Appended::Somewhere);
}

#[tokio::test]
async fn too_few_replicas_in_sync_is_unknown_after_the_deadline_and_over_when_they_are_back() {
    let (cluster, config) = mock();
    let log = open(&config).await;
    append_at_last(&log, "a").await;
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 1_000]);
    let began = Instant::now();
    assert_eq!(appended(enqueue(&log, "b").unwrap()).await, Appended::Unknown);
    println!("unknown after {:?}", began.elapsed());
    cluster.clear_request_errors(RDKafkaApiKey::Produce);
    append_at_last(&log, "c").await;
}

/// Deletes a partition's first records, as retention does.
async fn delete_before(hosts: &str, topic: &str, first: Cursor) {
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", hosts).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(first.0.try_into().unwrap())).unwrap();
    let deleted = admin.delete_records(&list, &AdminOptions::new()).await.unwrap();
    deleted.elements()[0].error().unwrap();
}
