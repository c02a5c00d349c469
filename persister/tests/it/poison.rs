//! What can't be applied is kept with its reason, and its neighbours are stored; what is newer stops the partition.

use bytes::Bytes;
use parley_engines::store::{
    projection::{Outcomes, Projection},
    rooms::{NewRoom, Rooms},
};
use parley_persister::Stopped;
use parley_proto::{Cid, Cursor, Kind, PartitionId, RoomId, UnixMillis, codec::encode, event::Visibility};

use crate::world::{P, World, eventually, message, room, user};

#[tokio::test]
async fn a_row_that_the_database_refuses_is_a_dead_letter_and_its_neighbours_are_stored() {
    let world = World::new().await;
    let mut database = world.database().await;
    sqlx::query("create trigger magic before insert on messages when new.body = 'magic' begin select raise(abort, 'no magic here'); end")
        .execute(&mut database)
        .await
        .unwrap();
    let mut notices = world.notices().await;
    let running = world.start();
    running.persister.status().ready().await;
    let records: Vec<_> = (0..50).map(|number| message(room(1), if [7, 8, 40].contains(&number) { "magic" } else { "plain" })).collect();
    world.append_all(&records).await;
    let state = world.caught_up().await;
    assert_eq!(state.outcomes, Outcomes { applied: 47, dead_letter: 3, control: 1, ..Outcomes::default() });
    let letters = world.store.dead_letters(P, Cursor::ZERO, 10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.position.0).collect::<Vec<_>>(), [8, 9, 41]);
    assert!(letters[0].reason.contains("no magic here"), "{}", letters[0].reason);
    assert_eq!(letters[0].bytes, encode(&records[7]));
    let rows = world.rows(room(1)).await;
    assert_eq!((rows.items.len(), rows.last_seq), (47, 47), "numbers have no gaps");
    let (mut at, mut voids) = (Cursor::ZERO, Vec::new());
    while at < Cursor(51) {
        let notice = notices.next().await;
        at = at.max(notice.to);
        voids.extend(notice.voids.iter().map(|(place, position)| (*place, position.0)));
    }
    assert_eq!(voids, [8, 9, 41].map(|position| (room(1), position)));
    running.stop().await;
}

#[tokio::test]
async fn poison_bytes_are_dead_letters_with_reasons() {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    let good = encode(&message(room(1), "good"));
    let mut flipped = good.to_vec();
    flipped[60] ^= 1;
    let elsewhere = encode(&message(RoomId::new(PartitionId(0), [1; 16]), "elsewhere"));
    let poison =
        [Bytes::new(), Bytes::from_static(b"not a record at all"), good.slice(..good.len() - 1), flipped.into(), elsewhere, Bytes::from(vec![7; 1 << 20])];
    for bytes in &poison {
        world.append_bytes(bytes.clone()).await;
    }
    world.append_bytes(good).await;
    let state = world.caught_up().await;
    assert_eq!(state.outcomes, Outcomes { applied: 1, dead_letter: 6, control: 1, ..Outcomes::default() });
    let letters = world.store.dead_letters(P, Cursor::ZERO, 10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.bytes.clone()).collect::<Vec<_>>(), poison);
    let reasons: Vec<_> = letters.iter().map(|letter| letter.reason.as_str()).collect();
    assert_eq!(reasons[..2], ["empty record", "record does not begin with PRLY"]);
    assert!(reasons[4].contains("partition 0"), "{reasons:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_newer_record_stops_the_partition_with_an_alarm_and_nothing_after_it_is_stored() {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    world.append(&message(room(1), "before")).await;
    let mut newer = b"PRLY\x02 of a later day".to_vec();
    newer.extend(crc32c(&newer).to_be_bytes());
    let position = world.append_bytes(newer.into()).await;
    world.append(&message(room(1), "after")).await;
    assert_eq!(running.stopped().await, Stopped::Newer { position, version: 2 });
    assert!(!running.persister.status().is_ready());
    assert_eq!(world.bodies(room(1)).await, ["before"]);
    assert_eq!(world.next().await, position.at());
    // A restart changes nothing.
    running.stop().await;
    let running = world.start();
    assert_eq!(running.stopped().await, Stopped::Newer { position, version: 2 });
    assert_eq!(world.next().await, position.at());
    running.stop().await;
}

#[tokio::test]
async fn a_refused_event_is_not_appended_for_ever() {
    let world = World::new().await;
    let mut database = world.database().await;
    sqlx::query("create trigger no_events before insert on messages when new.kind = 'system' begin select raise(abort, 'no'); end")
        .execute(&mut database)
        .await
        .unwrap();
    let running = world.start();
    running.persister.status().ready().await;
    let new = NewRoom { id: room(1), name: "a".to_owned(), topic: String::new(), visibility: Visibility::Public, owner: user(1), created_at: UnixMillis(1) };
    world.store.create_room(&new).await.unwrap();
    eventually("the outbox is empty", async || world.store.outbox(P, 10).await.unwrap().value.is_empty().then_some(())).await;
    assert_eq!(world.caught_up().await.outcomes.dead_letter, 1);
    running.stop().await;
}

#[tokio::test]
async fn a_cancel_takes_the_place_of_what_it_cancels() {
    let world = World::new().await;
    let running = world.start();
    running.persister.status().ready().await;
    let never = message(room(1), "never");
    world.append(&parley_proto::Record { kind: Kind::Cancel, body: parley_proto::Body::empty(), ..never.clone() }).await;
    world.append(&never).await;
    world.append(&parley_proto::Record { cid: Cid(uuid::Uuid::new_v4()), floor: Cursor(1_000), ..never }).await;
    let state = world.caught_up().await;
    assert_eq!(state.outcomes, Outcomes { control: 2, duplicate: 1, expired: 1, ..Outcomes::default() });
    running.stop().await;
}

/// CRC-32C, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg())))
}
