//! What every log promises. Each function gets a log with at least two partitions, on which nobody else writes meanwhile; it need not be empty.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use parley_engines::log::{Appended, Log, LogError, LogRecord, ReadMax, Receipt};
use parley_proto::{Cursor, PartitionId, Position, RoomId};
use tokio::time::timeout;

/// Makes one test of each promise for the engine that `$open` opens: an async function that returns something which derefs to a log and keeps it alive.
macro_rules! log_contract {
    ($open:path) => {
        $crate::log::contract::log_contract!(@tests $open:
            records_get_dense_positions_in_the_order_of_handing_over,
            what_was_appended_is_read_back_as_it_was,
            a_read_begins_in_the_middle,
            a_read_returns_at_most_what_was_asked_but_at_least_one_record,
            a_read_at_the_end_returns_nothing,
            a_read_above_the_end_is_out_of_range_and_says_where_the_log_is,
            the_end_after_an_append_includes_it,
            partitions_do_not_mix,
            a_missing_partition_is_named,
            concurrent_producers_each_keep_their_order,
            a_follower_reads_what_is_there_and_is_woken_by_what_comes,
            a_follower_that_is_cancelled_loses_nothing,
            a_follower_above_the_end_is_told,
            several_followers_read_the_same,
            a_receipt_that_is_dropped_takes_nothing_back,
        );
    };
    (@tests $open:path: $($name:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let log = $open().await;
                $crate::log::contract::$name(&*log).await;
            }
        )*
    };
}
pub(crate) use log_contract;

const P0: PartitionId = PartitionId(0);
const P1: PartitionId = PartitionId(1);
const SOON: Duration = Duration::from_secs(10);

fn enqueue(log: &dyn Log, partition: PartitionId, text: &str) -> Receipt {
    log.enqueue(partition, RoomId::of_partition(partition), Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

async fn position(receipt: Receipt) -> Position {
    match timeout(SOON, receipt).await.expect("an answer comes") {
        Appended::At(position) => position,
        other => panic!("appended: {other:?}"),
    }
}

async fn append(log: &dyn Log, partition: PartitionId, texts: &[&str]) -> Vec<Position> {
    let receipts: Vec<_> = texts.iter().map(|text| enqueue(log, partition, text)).collect();
    let mut positions = Vec::new();
    for receipt in receipts {
        positions.push(position(receipt).await);
    }
    positions
}

async fn read(log: &dyn Log, from: Cursor, max: ReadMax) -> Vec<String> {
    texts(&log.read(P0, from, max).await.unwrap())
}

fn texts(records: &[LogRecord]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.bytes.to_vec()).unwrap()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("record {n}")).collect()
}

pub(crate) async fn records_get_dense_positions_in_the_order_of_handing_over(log: &dyn Log) {
    let start = log.end(P0).await.unwrap();
    let texts = numbered(1_000);
    let positions = append(log, P0, &texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(positions, (start.0..start.0 + 1_000).map(Position).collect::<Vec<_>>());
    let mut found = Vec::new();
    while found.len() < texts.len() {
        found.extend(read(log, Cursor(start.0 + found.len() as u64), ReadMax::default()).await);
    }
    assert_eq!(found, texts);
}

pub(crate) async fn what_was_appended_is_read_back_as_it_was(log: &dyn Log) {
    let all_bytes: Vec<u8> = (0..=255).collect();
    for bytes in [Bytes::from(all_bytes), Bytes::from(vec![0; 48 * 1024])] {
        let at = position(log.enqueue(P0, RoomId::of_partition(P0), bytes.clone()).unwrap()).await;
        let records = log.read(P0, at.at(), ReadMax::default()).await.unwrap();
        assert_eq!(records, [LogRecord { position: at, bytes }]);
    }
}

pub(crate) async fn a_read_begins_in_the_middle(log: &dyn Log) {
    let positions = append(log, P0, &["a", "b", "c", "d"]).await;
    assert_eq!(read(log, positions[2].at(), ReadMax::default()).await, ["c", "d"]);
    let records = log.read(P0, positions[2].at(), ReadMax::default()).await.unwrap();
    assert_eq!(records.iter().map(|record| record.position).collect::<Vec<_>>(), positions[2..]);
}

pub(crate) async fn a_read_returns_at_most_what_was_asked_but_at_least_one_record(log: &dyn Log) {
    let from = append(log, P0, &["aaaa", "bbbb", "cccc"]).await[0].at();
    let large = 1_000_000;
    assert_eq!(read(log, from, ReadMax { records: 2, bytes: large }).await, ["aaaa", "bbbb"]);
    assert_eq!(read(log, from, ReadMax { records: 9, bytes: 11 }).await, ["aaaa", "bbbb"]);
    assert_eq!(read(log, from, ReadMax { records: 9, bytes: 12 }).await, ["aaaa", "bbbb", "cccc"]);
    assert_eq!(read(log, from, ReadMax { records: 9, bytes: 1 }).await, ["aaaa"]);
    assert_eq!(read(log, from, ReadMax { records: 0, bytes: 0 }).await, ["aaaa"]);
}

pub(crate) async fn a_read_at_the_end_returns_nothing(log: &dyn Log) {
    append(log, P0, &["a"]).await;
    let end = log.end(P0).await.unwrap();
    assert_eq!(log.read(P0, end, ReadMax::default()).await, Ok(Vec::new()));
}

pub(crate) async fn a_read_above_the_end_is_out_of_range_and_says_where_the_log_is(log: &dyn Log) {
    append(log, P0, &["a"]).await;
    let end = log.end(P0).await.unwrap();
    for asked in [Cursor(end.0 + 1), Cursor(end.0 + (1 << 40)), Cursor::LIMIT] {
        match log.read(P0, asked, ReadMax::default()).await {
            Err(LogError::OutOfRange { asked: told, first, end: told_end }) => {
                assert_eq!((told, told_end), (asked, end));
                assert!(first < end);
            }
            other => panic!("{asked}: {other:?}"),
        }
    }
}

pub(crate) async fn the_end_after_an_append_includes_it(log: &dyn Log) {
    for n in 0..50 {
        let at = append(log, P0, &[&format!("{n}")]).await[0];
        assert_eq!(log.end(P0).await, Ok(at.next()));
    }
}

pub(crate) async fn partitions_do_not_mix(log: &dyn Log) {
    let (end0, end1) = (log.end(P0).await.unwrap(), log.end(P1).await.unwrap());
    let receipts: Vec<_> = (0..20).map(|n| enqueue(log, PartitionId(n % 2), &format!("{}", n % 2))).collect();
    for receipt in receipts {
        position(receipt).await;
    }
    for (partition, end, text) in [(P0, end0, "0"), (P1, end1, "1")] {
        assert_eq!(log.end(partition).await, Ok(Cursor(end.0 + 10)));
        assert_eq!(texts(&log.read(partition, end, ReadMax::default()).await.unwrap()), [text; 10]);
    }
}

pub(crate) async fn a_missing_partition_is_named(log: &dyn Log) {
    let missing = PartitionId(log.partitions());
    assert_eq!(log.end(missing).await, Err(LogError::NoPartition(missing)));
    assert_eq!(log.read(missing, Cursor::ZERO, ReadMax::default()).await, Err(LogError::NoPartition(missing)));
    assert_eq!(log.follow(missing, Cursor::ZERO).next(ReadMax::default()).await, Err(LogError::NoPartition(missing)));
    assert!(log.enqueue(missing, RoomId::of_partition(missing), Bytes::from_static(b"a")).is_err());
}

pub(crate) async fn concurrent_producers_each_keep_their_order(log: &dyn Log) {
    let start = log.end(P0).await.unwrap();
    let producers = (0..8).map(|producer| async move {
        let mut positions = Vec::new();
        for burst in 0..10 {
            let receipts: Vec<_> = (0..10).map(|n| enqueue(log, P0, &format!("{producer} {}", burst * 10 + n))).collect();
            for receipt in receipts {
                positions.push(position(receipt).await);
            }
        }
        positions
    });
    let positions = futures::future::join_all(producers).await;
    let by_position: HashMap<_, _> = positions
        .iter()
        .enumerate()
        .flat_map(|(producer, positions)| positions.iter().enumerate().map(move |(n, at)| (*at, format!("{producer} {n}"))))
        .collect();
    assert_eq!(by_position.len(), 800, "no two records share a position");
    for positions in &positions {
        assert!(positions.is_sorted(), "in the order of handing over");
    }
    let mut at = start;
    while at < log.end(P0).await.unwrap() {
        for record in log.read(P0, at, ReadMax::default()).await.unwrap() {
            assert_eq!(texts(std::slice::from_ref(&record))[0], by_position[&record.position]);
            at = record.position.next();
        }
    }
    assert_eq!(at.since(start), 800);
}

pub(crate) async fn a_follower_reads_what_is_there_and_is_woken_by_what_comes(log: &dyn Log) {
    let from = append(log, P0, &["a", "b", "c"]).await[1].at();
    let mut follower = log.follow(P0, from);
    assert_eq!(texts(&follower.next(ReadMax::default()).await.unwrap()), ["b", "c"]);
    assert!(timeout(Duration::from_millis(100), follower.next(ReadMax::default())).await.is_err(), "nothing new: it waits");
    let (woken, _) = tokio::join!(timeout(SOON, follower.next(ReadMax::default())), append(log, P0, &["d"]));
    assert_eq!(texts(&woken.expect("it is woken").unwrap()), ["d"]);
}

pub(crate) async fn a_follower_that_is_cancelled_loses_nothing(log: &dyn Log) {
    let start = log.end(P0).await.unwrap();
    let mut follower = log.follow(P0, start);
    let produce = async {
        for n in 0..100 {
            append(log, P0, &[&format!("{n}")]).await;
        }
    };
    let follow = async {
        let mut found = Vec::new();
        while found.len() < 100 {
            if let Ok(records) = timeout(Duration::from_micros(300), follower.next(ReadMax { records: 3, bytes: 1_000 })).await {
                found.extend(texts(&records.unwrap()));
            }
        }
        found
    };
    let (_, found) = tokio::join!(produce, timeout(SOON, follow));
    assert_eq!(found.expect("it gets everything"), (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

pub(crate) async fn a_follower_above_the_end_is_told(log: &dyn Log) {
    let end = log.end(P0).await.unwrap();
    let told = timeout(SOON, log.follow(P0, Cursor(end.0 + 5)).next(ReadMax::default())).await.expect("at once");
    assert!(matches!(told, Err(LogError::OutOfRange { .. })), "{told:?}");
}

pub(crate) async fn several_followers_read_the_same(log: &dyn Log) {
    let start = log.end(P0).await.unwrap();
    let reading = (0..4).map(|_| async {
        let mut follower = log.follow(P0, start);
        let mut found = Vec::new();
        while found.len() < 30 {
            found.extend(texts(&follower.next(ReadMax { records: 7, bytes: 1_000 }).await.unwrap()));
        }
        found
    });
    let texts = numbered(30);
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let (found, _) = tokio::join!(timeout(SOON, futures::future::join_all(reading)), append(log, P0, &texts));
    for found in found.expect("all of them get everything") {
        assert_eq!(found, texts);
    }
}

pub(crate) async fn a_receipt_that_is_dropped_takes_nothing_back(log: &dyn Log) {
    let start = log.end(P0).await.unwrap();
    drop(enqueue(log, P0, "a"));
    append(log, P0, &["b"]).await;
    assert_eq!(read(log, start, ReadMax::default()).await, ["a", "b"]);
}
