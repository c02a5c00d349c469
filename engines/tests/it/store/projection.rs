//! Batches: what each kind of record does, and what a commit never does.

use std::time::Duration;

use bytes::Bytes;
use parley_engines::store::{
    projection::{CommitError, Entry, Outcomes, Phase, RecordHash},
    rooms::Membership,
    timeline::RowsAt,
};
use parley_proto::{
    Body, Cid, Cursor, Kind, LogId, PartitionId, Position, Record, RoomId, UnixMillis,
    codec::encode,
    event::{EventName, MemberRow, Role, RoomRow, SystemEvent, Visibility},
    item::ItemKind,
};
use uuid::Uuid;

use super::fixture::{AnyStore, P, about, all_rows, append, append_entries, batch, create, edit, message, new_room, position_of, record, room, user, vote};

fn applied(count: u64) -> Outcomes {
    Outcomes { applied: count, ..Outcomes::default() }
}

fn superseded(count: u64) -> Outcomes {
    Outcomes { superseded: count, ..Outcomes::default() }
}

pub(super) async fn a_partition_keeps_its_first_log_id(store: AnyStore) {
    let first = store.partition(P, LogId(Uuid::from_u128(1))).await.unwrap();
    assert_eq!((first.phase, first.log_id, first.next, first.last_hash), (Phase::Opening, LogId(Uuid::from_u128(1)), Cursor::ZERO, None));
    assert_eq!(store.partition(P, LogId(Uuid::from_u128(2))).await.unwrap(), first);
    store.open_partition(P).await.unwrap();
    store.partition(PartitionId(0), LogId(Uuid::from_u128(1))).await.unwrap();
    let all: Vec<_> = store.partitions().await.unwrap().iter().map(|state| (state.partition, state.phase)).collect();
    assert_eq!(all, [(PartitionId(0), Phase::Opening), (P, Phase::Open)]);
}

pub(super) async fn messages_are_numbered_densely_and_other_rows_are_not(store: AnyStore) {
    let event = Record { body: Body::Plain(r#"{"event":"custom"}"#.to_owned()), ..record(Kind::System, room(1), user(1)) };
    let first = message(room(1), user(1), "first");
    let committed = append(&store, [&first, &event, &vote(&first, user(2), 1), &message(room(2), user(1), "x"), &message(room(1), user(1), "second")]).await;
    assert_eq!((committed.outcomes, committed.rooms), (applied(5), vec![(room(1), 2), (room(2), 1)]));
    let rows = all_rows(&store, room(1)).await;
    let seen: Vec<_> = rows.items.iter().map(|item| (item.position.0, item.kind, item.seq)).collect();
    assert_eq!(seen, [(0, ItemKind::Message, Some(1)), (1, ItemKind::System, None), (4, ItemKind::Message, Some(2))]);
    assert_eq!(rows.items[1].body, serde_json::json!({"event": "custom"}));
    assert_eq!(rows.last_seq, 2);
    append(&store, [&message(room(1), user(1), "third")]).await;
    assert_eq!(all_rows(&store, room(1)).await.last_seq, 3);
}

pub(super) async fn a_stale_batch_writes_nothing(store: AnyStore) {
    let first = message(room(1), user(1), "first");
    append(&store, [&first]).await;
    let state = store.partitions().await.unwrap();
    let other = Entry::First(Box::new(message(room(1), user(1), "zombie")));
    for from in [0, 2] {
        assert_eq!(store.commit(&batch(from, vec![other.clone(), other.clone()])).await, Err(CommitError::Moved { next: Cursor(1) }));
    }
    assert_eq!(store.partitions().await.unwrap(), state);
    assert_eq!(all_rows(&store, room(1)).await.items.len(), 1);
    assert_eq!((state[0].next, state[0].last_hash, state[0].outcomes), (Cursor(1), Some(RecordHash([1; 16])), applied(1)));
}

pub(super) async fn an_edit_by_another_person_or_after_the_end_is_superseded(store: AnyStore) {
    let first = message(room(1), user(1), "first");
    append(&store, [&first]).await;
    assert_eq!(append(&store, [&edit(&first, user(2), "stolen")]).await.outcomes, superseded(1));
    let elsewhere = Record { room: room(2), ..edit(&first, user(1), "other room") };
    assert_eq!(append(&store, [&elsewhere]).await.outcomes, superseded(1));
    assert_eq!(append(&store, [&edit(&first, user(1), "better"), &edit(&first, user(1), "best")]).await.outcomes, applied(2));
    let row = all_rows(&store, room(1)).await.items.remove(0);
    assert_eq!((row.body.as_str(), row.edited, row.rev), (Some("best"), true, Some(Position(4))));
    append(&store, [&about(Kind::Delete, &first, user(1))]).await;
    assert_eq!(append(&store, [&edit(&first, user(1), "back again"), &about(Kind::Delete, &first, user(1))]).await.outcomes, superseded(2));
    // All of it in one batch, the row inserted by the same.
    let second = message(room(1), user(1), "second");
    let committed = append(&store, [&second, &edit(&second, user(2), "stolen"), &edit(&second, user(1), "better")]).await;
    assert_eq!((committed.outcomes.applied, committed.outcomes.superseded), (2, 1));
    assert_eq!(all_rows(&store, room(1)).await.items[1].body.as_str(), Some("better"));
}

pub(super) async fn a_deleted_message_is_a_tombstone_that_keeps_its_place(store: AnyStore) {
    let messages = [message(room(1), user(1), "one"), message(room(1), user(1), "two"), message(room(1), user(1), "three")];
    append(&store, [&messages[0], &messages[1], &messages[2]]).await;
    append(&store, [&about(Kind::Delete, &messages[0], user(9)), &about(Kind::Erased, &messages[1], user(9))]).await;
    let rows = all_rows(&store, room(1)).await;
    let seen: Vec<_> = rows.items.iter().map(|item| (item.seq, item.body.is_null(), item.deleted, item.rev.unwrap().0)).collect();
    assert_eq!(seen, [(Some(1), true, true, 3), (Some(2), true, true, 4), (Some(3), false, false, 2)]);
    assert_eq!(position_of(&store, messages[0].id()).await, Some(Position(0)), "a late retry still finds it");
}

pub(super) async fn the_highest_vote_counts_and_the_tally_follows(store: AnyStore) {
    let first = message(room(1), user(1), "first");
    append(&store, [&first, &vote(&first, user(2), 1), &vote(&first, user(3), 1), &vote(&first, user(4), -1)]).await;
    assert_eq!(store.tally(first.id()).await.unwrap(), (1, 3));
    append(&store, [&vote(&first, user(2), -1), &vote(&first, user(3), 0), &vote(&first, user(2), -1)]).await;
    assert_eq!(store.tally(first.id()).await.unwrap(), (-2, 2));
    append(&store, [&vote(&first, user(3), 1)]).await;
    assert_eq!(store.tally(first.id()).await.unwrap(), (-1, 3));
}

pub(super) async fn votes_on_what_is_not_there_are_superseded(store: AnyStore) {
    let (first, never) = (message(room(1), user(1), "first"), message(room(1), user(1), "never"));
    let event = Record { body: Body::Plain(r#"{"event":"custom"}"#.to_owned()), ..record(Kind::System, room(1), user(1)) };
    append(&store, [&first, &event]).await;
    let elsewhere = Record { room: room(2), ..vote(&first, user(2), 1) };
    assert_eq!(append(&store, [&vote(&never, user(2), 1), &elsewhere, &vote(&event, user(2), 1)]).await.outcomes, superseded(3));
    append(&store, [&vote(&first, user(2), 1), &about(Kind::Delete, &first, user(1))]).await;
    let reaction = Record { value: 1, body: Body::Plain("👍".to_owned()), ..about(Kind::Reaction, &first, user(2)) };
    assert_eq!(append(&store, [&vote(&first, user(3), 1), &reaction]).await.outcomes, superseded(2));
    assert_eq!(store.tally(first.id()).await.unwrap(), (1, 1));
    assert_eq!(store.tally(never.id()).await.unwrap(), (0, 0));
}

pub(super) async fn a_sealed_body_is_kept_and_shown_as_nothing(store: AnyStore) {
    let sealed = Record { body: Body::A256Gcm { key_id: 7, data: Bytes::from_static(&[0, 255, 1]) }, ..message(room(1), user(1), "") };
    append(&store, [&sealed]).await;
    append(&store, [&Record { body: Body::A256Gcm { key_id: 8, data: Bytes::from_static(&[2]) }, ..edit(&sealed, user(1), "") }]).await;
    let row = all_rows(&store, room(1)).await.items.remove(0);
    assert_eq!((row.body.is_null(), row.edited, row.deleted), (true, true, false));
}

pub(super) async fn much_in_one_batch_is_kept_as_little_is(store: AnyStore) {
    let long = |number: usize| format!("{number} {}", "é".repeat(8_000));
    let sealed = Body::A256Gcm { key_id: 7, data: Bytes::from_static(&[0, 255, 1]) };
    let event = Record { body: Body::Plain(r#"{"event":"custom"}"#.to_owned()), ..record(Kind::System, room(1), user(1)) };
    let mut records: Vec<_> = (0..20).map(|number| message(room(1), user(1), &long(number))).collect();
    records.extend([event, Record { body: sealed, ..message(room(1), user(2), "") }]);
    let changed = edit(&records[3], user(1), "shorter");
    let entries = records.iter().chain([&changed, &vote(&records[4], user(2), 1)]).map(|record| Entry::First(Box::new(record.clone()))).collect();
    assert_eq!(append_entries(&store, entries).await.unwrap().outcomes, applied(24));
    let rows = all_rows(&store, room(1)).await.items;
    let expected: Vec<_> = records.iter().map(Record::id).collect();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected);
    assert_eq!((&rows[0].body, &rows[3].body, rows[3].edited), (&long(0).into(), &"shorter".into(), true));
    assert_eq!((&rows[20].body, rows[20].seq, rows[21].body.is_null()), (&serde_json::json!({"event": "custom"}), None, true));
    assert_eq!(store.tally(expected[4]).await.unwrap(), (1, 1));
}

/// How far the first person has read the first room.
async fn read_mark(store: &AnyStore) -> Option<u64> {
    store.read_marks(user(1), &[room(1), room(2)]).await.unwrap().first().map(|(of, seq)| {
        assert_eq!(*of, room(1));
        *seq
    })
}

fn read(value: i64) -> Record {
    Record { value, ..record(Kind::Read, room(1), user(1)) }
}

async fn append_messages(store: &AnyStore, count: usize) {
    for _ in 0..count {
        append(store, [&message(room(1), user(2), "x")]).await;
    }
}

pub(super) async fn reading_only_moves_forward(store: AnyStore) {
    assert_eq!(read_mark(&store).await, None);
    append_messages(&store, 9).await;
    let committed = append(&store, [&read(3), &read(2), &read(5)]).await;
    assert_eq!(committed.outcomes, Outcomes { superseded: 1, ..applied(2) });
    assert_eq!(committed.reads, [(room(1), user(1), 5)]);
    assert_eq!(append(&store, [&read(5), &read(6)]).await.outcomes, Outcomes { superseded: 1, ..applied(1) });
    assert_eq!(read_mark(&store).await, Some(6));
    assert_eq!(store.read_marks(user(2), &[room(1)]).await.unwrap(), []);
}

pub(super) async fn what_is_marked_unread_is_unread_until_it_is_read_again(store: AnyStore) {
    append_messages(&store, 9).await;
    append(&store, [&read(7), &read(-3)]).await;
    assert_eq!(read_mark(&store).await, Some(2), "unread from the third on");
    assert_eq!(append(&store, [&read(-6)]).await.outcomes, superseded(1), "it is unread from the third on already");
    append(&store, [&read(8)]).await;
    assert_eq!(read_mark(&store).await, Some(8));
    append(&store, [&read(-1)]).await;
    assert_eq!(read_mark(&store).await, Some(0));
}

pub(super) async fn nobody_has_read_what_is_not_there_yet(store: AnyStore) {
    append_messages(&store, 2).await;
    append(&store, [&read(1_000), &message(room(1), user(2), "x")]).await;
    assert_eq!(read_mark(&store).await, Some(2));
}

pub(super) async fn who_joins_has_nothing_unread(store: AnyStore) {
    let made = create(&store, &new_room(1, "a", Visibility::Public)).await;
    append(&store, [&oldest_event(&store).await]).await;
    for _ in 0..4 {
        append(&store, [&message(made.id, user(1), "x")]).await;
    }
    store.join(made.id, user(2), u64::MAX, UnixMillis(5)).await.unwrap();
    append(&store, [&oldest_event(&store).await, &message(made.id, user(1), "x")]).await;
    assert_eq!(store.read_marks(user(2), &[made.id]).await.unwrap(), [(made.id, 4)]);
    assert_eq!(store.read_marks(user(1), &[made.id]).await.unwrap(), [(made.id, 0)]);
}

/// The record that the persister makes of the oldest outbox row.
async fn oldest_event(store: &AnyStore) -> Record {
    let row = store.outbox(P, 1).await.unwrap().value.remove(0);
    Record { cid: row.id, body: Body::Plain(row.body), ..record(Kind::System, row.room, row.sender) }
}

pub(super) async fn an_event_that_arrived_leaves_the_outbox(store: AnyStore) {
    let made = create(&store, &new_room(1, "a", Visibility::Public)).await;
    store.join(made.id, user(2), u64::MAX, UnixMillis(5)).await.unwrap();
    let event = oldest_event(&store).await;
    append(&store, [&event]).await;
    assert_eq!(store.outbox_partitions().await.unwrap(), [P]);
    let left = store.outbox(P, 10).await.unwrap();
    assert_eq!((left.next, left.value.len()), (Cursor(1), 1));
    assert_ne!(left.value[0].id, event.cid);
    assert_eq!(store.room(made.id).await.unwrap().unwrap().version, 2, "an older version changes nothing");
    append(&store, [&oldest_event(&store).await]).await;
    assert_eq!(store.outbox(P, 10).await.unwrap().value, []);
    assert_eq!(store.outbox_partitions().await.unwrap(), []);
    assert_eq!(all_rows(&store, made.id).await.items.iter().filter(|item| item.kind == ItemKind::System).count(), 2);
    assert_eq!(store.room(made.id).await.unwrap().unwrap().members, 2, "what was decided at once is not applied again");
}

fn event(room_id: RoomId, name: &str, version: i64, member: u128, role: Option<Role>) -> Record {
    let event = SystemEvent {
        event: EventName::Joined,
        version,
        room: RoomRow {
            id: room_id,
            kind: "room".to_owned(),
            name: name.to_owned(),
            topic: "t".to_owned(),
            visibility: Visibility::Public,
            archived: false,
            created_at: UnixMillis(1),
        },
        member: Some(MemberRow { user: user(member), role, joined_at: UnixMillis(version) }),
    };
    Record { body: Body::Plain(serde_json::to_string(&event).unwrap()), ..record(Kind::System, room_id, user(member)) }
}

pub(super) async fn a_rebuild_repeats_rooms_and_members_in_any_order_of_versions(store: AnyStore) {
    let id = room(1);
    append(&store, [&event(id, "a", 1, 1, Some(Role::Owner)), &event(id, "b", 3, 2, None), &event(id, "a", 2, 2, Some(Role::Member))]).await;
    append(&store, [&event(id, "c", 4, 3, Some(Role::Member)), &event(id, "x", 4, 3, None)]).await;
    let rebuilt = store.room(id).await.unwrap().unwrap();
    assert_eq!((rebuilt.name.as_str(), rebuilt.version, rebuilt.members, rebuilt.visibility), ("c", 4, 2, Visibility::Public));
    assert_eq!(store.membership(id, user(2)).await.unwrap(), None, "the later leave stands");
    let owner = Membership { room: id, user: user(1), role: Role::Owner, joined_at: UnixMillis(1), version: 1 };
    assert_eq!(store.membership(id, user(1)).await.unwrap(), Some(owner));
    // Another room that held the name at the time does not stop the rebuild.
    append(&store, [&event(room(2), "C", 1, 5, Some(Role::Owner))]).await;
    assert_eq!(store.room(room(2)).await.unwrap().unwrap().name, "C");
    // An event that speaks of another room is a line of the timeline and nothing else.
    let foreign = Record { room: room(3), ..event(id, "hijacked", 9, 9, Some(Role::Owner)) };
    append(&store, [&foreign]).await;
    assert_eq!(store.room(id).await.unwrap().unwrap().name, "c");
}

pub(super) async fn a_refused_event_takes_its_outbox_row_with_it(store: AnyStore) {
    create(&store, &new_room(1, "a", Visibility::Public)).await;
    let bytes = encode(&oldest_event(&store).await);
    append_entries(&store, vec![Entry::Dead { reason: "refused".to_owned(), bytes }]).await.unwrap();
    assert_eq!(store.outbox(P, 10).await.unwrap().value, []);
}

pub(super) async fn dead_letters_keep_reason_and_bytes(store: AnyStore) {
    let poison = |reason: &str, bytes: &'static [u8]| Entry::Dead { reason: reason.to_owned(), bytes: Bytes::from_static(bytes) };
    let genesis = Entry::First(Box::new(record(Kind::Genesis, RoomId::of_partition(P), user(0))));
    let cancel = Entry::First(Box::new(record(Kind::Cancel, room(1), user(1))));
    let entries = vec![genesis, poison("empty record", b""), Entry::Duplicate, Entry::Expired, poison("o'clock \0", b"\0\xFF"), cancel];
    let outcomes = append_entries(&store, entries).await.unwrap().outcomes;
    assert_eq!(outcomes, Outcomes { duplicate: 1, expired: 1, dead_letter: 2, control: 2, ..Outcomes::default() });
    assert_eq!(store.partitions().await.unwrap()[0].outcomes, outcomes);
    let letters = store.dead_letters(P, Cursor::ZERO, 10).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.position.0).collect::<Vec<_>>(), [1, 4]);
    assert_eq!((letters[0].reason.as_str(), letters[0].bytes.as_ref()), ("empty record", &b""[..]));
    assert_eq!(letters[1].bytes.as_ref(), b"\0\xFF");
    assert_eq!(store.dead_letters(P, Cursor(2), 10).await.unwrap().len(), 1);
    assert_eq!(store.dead_letters(P, Cursor::ZERO, 1).await.unwrap().len(), 1);
    assert_eq!(store.dead_letters(PartitionId(4), Cursor::ZERO, 1).await.unwrap(), []);
}

pub(super) async fn the_same_id_twice_is_refused_as_a_whole(store: AnyStore) {
    let first = message(room(1), user(1), "first");
    append(&store, [&first]).await;
    let entries = vec![Entry::First(Box::new(message(room(1), user(1), "neighbour"))), Entry::First(Box::new(first))];
    assert!(matches!(append_entries(&store, entries).await, Err(CommitError::Refused(_))));
    let state = &store.partitions().await.unwrap()[0];
    assert_eq!((state.next, state.outcomes), (Cursor(1), applied(1)));
    assert_eq!(all_rows(&store, room(1)).await.items.len(), 1);
}

pub(super) async fn records_of_an_unknown_room_are_kept(store: AnyStore) {
    append(&store, [&message(room(1), user(1), "hello?")]).await;
    assert_eq!(store.room(room(1)).await.unwrap(), None);
    let made = create(&store, &new_room(1, "a", Visibility::Private)).await;
    assert_eq!((made.last_seq, all_rows(&store, room(1)).await.items.len()), (1, 1));
    let _: Cid = oldest_event(&store).await.cid;
}

pub(super) async fn a_call_that_is_given_up_leaves_nothing_half_done(store: AnyStore) {
    append(&store, [&message(room(1), user(1), "before")]).await;
    for round in 0..50 {
        let next = store.partitions().await.unwrap()[0].next;
        let entries = (0..300).map(|_| Entry::First(Box::new(message(room(1), user(1), "x")))).collect();
        let given_up = tokio::time::timeout(Duration::from_micros(round * 200), store.commit(&batch(next.0, entries))).await;
        drop(given_up);
    }
    // One snapshot: a commit that was given up may still arrive between two.
    let snapshot = store.rows(room(1), RowsAt::Newest, 1).await.unwrap();
    assert_eq!(snapshot.next, Cursor(snapshot.value.last_seq));
    let state = store.partitions().await.unwrap().remove(0);
    assert_eq!(state.next, Cursor(state.outcomes.applied));
}
