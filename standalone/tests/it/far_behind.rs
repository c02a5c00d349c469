//! The store is so far behind the log that it can't say any more whether something was there before (E − N > W/2).

use std::time::Duration;

use parley_engines::log::{Appended, LogReader, LogWriter};
use parley_proto::{Body, Cid, Cursor, ErrorCode, Kind, PartitionId, Record, RoomId, UserId, WINDOW, codec};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    client::{Answer, PATIENCE},
    node::Node,
    talkers::talkers,
};

/// Appended at once, and waited for.
const PIECE: u64 = 4_096;

/// What other people said meanwhile, in a room that is nobody's.
async fn append_others(node: &Node, partition: PartitionId, count: u64) {
    let room = RoomId::new(partition, [7; 16]);
    let mut appended = 0;
    while appended < count {
        let floor = node.log.end(partition).await.unwrap();
        let record = |_| Record {
            base: floor,
            floor,
            auth: floor,
            body: Body::Plain("elsewhere".to_owned()),
            ..Record::bare(Kind::Message, room, UserId(Uuid::from_u128(1)), Cid(Uuid::new_v4()))
        };
        let receipts: Vec<_> =
            (0..PIECE.min(count - appended)).map(record).map(|record| node.log.enqueue(partition, room, codec::encode(&record)).unwrap()).collect();
        appended += receipts.len() as u64;
        for receipt in receipts {
            assert!(matches!(receipt.await, Appended::At(_)));
        }
    }
}

#[tokio::test]
async fn who_follows_the_room_talks_on_and_who_would_need_the_store_is_told_to_wait() {
    let mut node = Node::start().await;
    let (room, ada, mut a, _, mut b) = talkers(&node.url).await;
    assert!(matches!(a.send(room, "before").await, Answer::Ack { .. }));
    b.until(room, 1).await;
    node.stop_persister().await;
    append_others(&node, room.partition(), WINDOW / 2 + PIECE).await;
    // The gateway asks for the log's end once a second.
    tokio::time::sleep(Duration::from_millis(1_100)).await;

    // Without a base, or with one from before, only the store could tell a copy from a first.
    let (status, problem) = ada.post(&format!("/rooms/{room}/messages"), &json!({"cid": Uuid::new_v4(), "body": "no base"})).await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("unavailable")), "{problem}");
    assert!(problem["retry_after_ms"].is_u64(), "{problem}");
    let refused = a.send_as(room, Cid(Uuid::new_v4()), Cursor(1), "an old base", false).await;
    assert_eq!(refused, Answer::Rejected { code: ErrorCode::Unavailable, is_final: false });

    // A socket's cursor keeps up with the log, so its sends need no store, and are live for others.
    let until = Instant::now() + PATIENCE;
    while !matches!(a.send(room, "meanwhile").await, Answer::Ack { .. }) {
        assert!(Instant::now() < until, "its base stays at {:?}", a.base(room));
        a.settle(Duration::from_millis(100)).await;
    }
    assert_eq!(b.until(room, 2).await, ["before", "meanwhile"]);

    // The room's tail tells the rest of it. Without, more than the bounded index holds lies between the store and the log's end.
    let (status, page) = ada.get(&format!("/rooms/{room}/messages")).await;
    assert_eq!((status, texts(&page)), (200, vec!["before", "meanwhile"]));
    node.bus.empty();
    let (status, problem) = ada.get(&format!("/rooms/{room}/messages")).await;
    assert_eq!((status, problem["code"].as_str()), (503, Some("history_pending")), "{problem}");
    assert!(problem["retry_after_ms"].is_u64(), "{problem}");

    node.start_persister().await;
    let until = Instant::now() + PATIENCE;
    let page = loop {
        let (status, page) = ada.get(&format!("/rooms/{room}/messages")).await;
        if status == 200 {
            break page;
        }
        assert!(status == 503 && Instant::now() < until, "{page}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(texts(&page), ["before", "meanwhile"]);
    let (status, _) = ada.post(&format!("/rooms/{room}/messages"), &json!({"cid": Uuid::new_v4(), "body": "no base"})).await;
    assert_eq!(status, 201);
}

fn texts(page: &serde_json::Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "message").map(|item| item["body"].as_str().unwrap()).collect()
}
