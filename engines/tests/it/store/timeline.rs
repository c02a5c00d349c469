//! History.

use parley_engines::store::timeline::{Rows, RowsAt};
use parley_proto::{Cursor, Kind, MessageId, PartitionId, Position};
use uuid::Uuid;

use super::fixture::{AnyStore, P, about, append, edit, message, room, user};

fn positions(rows: &Rows) -> Vec<u64> {
    rows.items.iter().map(|item| item.position.0).collect()
}

/// Ten messages of room 1 at positions 0, 2, 4 … and ten of room 2 between them.
async fn two_rooms(store: &AnyStore) -> Vec<parley_proto::Record> {
    let mut records = Vec::new();
    for number in 0..10 {
        let records_now = [message(room(1), user(1), &format!("one {number}")), message(room(2), user(2), &format!("two {number}"))];
        append(store, [&records_now[0], &records_now[1]]).await;
        records.extend(records_now);
    }
    records
}

pub(super) async fn a_page_is_cut_from_every_side(store: AnyStore) {
    let records = two_rooms(&store).await;
    let page = async |at| store.rows(room(1), at, 3).await.unwrap();
    let newest = page(RowsAt::Newest).await;
    assert_eq!((newest.next, positions(&newest.value)), (Cursor(20), vec![14, 16, 18]));
    assert_eq!((newest.value.has_older, newest.value.has_newer, newest.value.last_seq), (true, false, 10));
    let last = &newest.value.items[2];
    assert_eq!((last.body.as_str(), last.seq, last.rev, last.id), (Some("one 9"), Some(10), Some(Position(18)), records[18].id()));
    let before = page(RowsAt::Before(Cursor(5))).await.value;
    assert_eq!((positions(&before), before.has_older, before.has_newer), (vec![0, 2, 4], false, true));
    let from = page(RowsAt::From(Cursor(5))).await.value;
    assert_eq!((positions(&from), from.has_older, from.has_newer), (vec![6, 8, 10], true, true));
    let end = page(RowsAt::From(Cursor(17))).await.value;
    assert_eq!((positions(&end), end.has_older, end.has_newer), (vec![18], true, false));
    let around = page(RowsAt::Around(records[8].id())).await.value;
    assert_eq!((positions(&around), around.has_older, around.has_newer), (vec![6, 8, 10], true, true));
    let foreign = page(RowsAt::Around(records[9].id())).await.value;
    assert_eq!((positions(&foreign), foreign.has_older, foreign.has_newer), (vec![], false, false));
}

pub(super) async fn changes_are_new_rows_and_old_ones_that_changed(store: AnyStore) {
    let records = two_rooms(&store).await;
    append(&store, [&edit(&records[4], user(1), "edited"), &about(Kind::Delete, &records[6], user(1)), &edit(&records[5], user(2), "other room")]).await;
    let changes = store.changes(room(1), Cursor(15), 10).await.unwrap();
    let seen: Vec<_> = changes.value.items.iter().map(|item| (item.position.0, item.rev.unwrap().0, item.edited, item.deleted)).collect();
    assert_eq!(seen, [(16, 16, false, false), (18, 18, false, false), (4, 20, true, false), (6, 21, false, true)]);
    assert_eq!((changes.next, changes.value.truncated, changes.value.last_seq), (Cursor(23), false, 10));
    assert!(store.changes(room(1), Cursor(15), 3).await.unwrap().value.truncated);
    assert!(!store.changes(room(1), Cursor(15), 4).await.unwrap().value.truncated);
    assert_eq!(store.changes(room(1), Cursor(22), 4).await.unwrap().value.items, []);
}

pub(super) async fn find_says_where_messages_are(store: AnyStore) {
    let records = two_rooms(&store).await;
    let change = edit(&records[0], user(1), "x");
    append(&store, [&change]).await;
    let unknown = MessageId(Uuid::from_u128(4));
    let found = store.find(P, &[records[7].id(), unknown, records[0].id(), change.id()]).await.unwrap();
    assert_eq!((found.next, found.value), (Cursor(21), vec![Some(Position(7)), None, Some(Position(0)), None]));
    let elsewhere = store.find(PartitionId(4), &[records[7].id()]).await.unwrap();
    assert_eq!((elsewhere.next, elsewhere.value), (Cursor::ZERO, vec![None]));
}

pub(super) async fn a_room_that_does_not_exist_has_no_rows(store: AnyStore) {
    let rows = store.rows(room(1), RowsAt::Newest, 10).await.unwrap();
    assert_eq!((rows.next, rows.value), (Cursor::ZERO, Rows { items: vec![], has_older: false, has_newer: false, last_seq: 0 }));
}
