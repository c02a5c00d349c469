//! What the rules share: records, batches, people.

use std::sync::Arc;

use parley_engines::store::{
    Direction, PageRequest,
    projection::{Batch, CommitError, Committed, Entry, RecordHash},
    rooms::{NewRoom, Room, RoomCreated},
    timeline::{Rows, RowsAt},
    upkeep::Upkeep,
};
use parley_proto::{Body, Cid, Cursor, Kind, LogId, MessageId, PartitionId, Position, Record, RoomId, UnixMillis, UserId, event::Visibility};
use uuid::Uuid;

pub(super) type AnyStore = Arc<dyn Upkeep>;

pub(super) const P: PartitionId = PartitionId(3);

pub(super) fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

pub(super) fn room(number: u8) -> RoomId {
    RoomId::new(P, [number; 16])
}

pub(super) fn cid() -> Cid {
    Cid(Uuid::new_v4())
}

pub(super) fn record(kind: Kind, room: RoomId, sender: UserId) -> Record {
    Record { sent_at: UnixMillis(1_700_000_000_000), ..Record::bare(kind, room, sender, cid()) }
}

pub(super) fn message(room: RoomId, sender: UserId, body: &str) -> Record {
    Record { body: Body::Plain(body.to_owned()), ..record(Kind::Message, room, sender) }
}

pub(super) fn about(kind: Kind, target: &Record, sender: UserId) -> Record {
    Record { target: Some(target.id()), ..record(kind, target.room, sender) }
}

pub(super) fn edit(target: &Record, sender: UserId, body: &str) -> Record {
    Record { body: Body::Plain(body.to_owned()), ..about(Kind::Edit, target, sender) }
}

pub(super) fn vote(target: &Record, sender: UserId, value: i64) -> Record {
    Record { value, ..about(Kind::Vote, target, sender) }
}

pub(super) fn batch(from: u64, entries: Vec<Entry>) -> Batch {
    let to = from + entries.len() as u64;
    let entries = (from..).map(Position).zip(entries).collect();
    Batch { partition: P, from: Cursor(from), to: Cursor(to), entries, last_hash: RecordHash([u8::try_from(to % 256).unwrap(); 16]) }
}

/// Commits these entries where the store stands.
pub(super) async fn append_entries(store: &AnyStore, entries: Vec<Entry>) -> Result<Committed, CommitError> {
    let next = store.partition(P, LogId(Uuid::from_u128(1))).await.unwrap().next;
    store.commit(&batch(next.0, entries)).await
}

/// Commits these records where the store stands.
pub(super) async fn append<const N: usize>(store: &AnyStore, records: [&Record; N]) -> Committed {
    append_entries(store, records.into_iter().map(|record| Entry::First(Box::new(record.clone()))).collect()).await.unwrap()
}

pub(super) async fn all_rows(store: &AnyStore, room: RoomId) -> Rows {
    store.rows(room, RowsAt::From(Cursor::ZERO), 10_000).await.unwrap().value
}

pub(super) async fn position_of(store: &AnyStore, id: MessageId) -> Option<Position> {
    store.find(P, &[id]).await.unwrap().value[0]
}

pub(super) fn new_room(number: u8, name: &str, visibility: Visibility) -> NewRoom {
    NewRoom { id: room(number), name: name.to_owned(), topic: String::new(), visibility, owner: user(1), created_at: UnixMillis(1_000) }
}

pub(super) async fn create(store: &AnyStore, new: &NewRoom) -> Room {
    match store.create_room(new).await.unwrap() {
        RoomCreated::Created(room) => room,
        RoomCreated::NameTaken => panic!("{} is taken", new.name),
    }
}

pub(super) fn forward<K>(start: Option<K>, limit: usize) -> PageRequest<K> {
    PageRequest { start, direction: Direction::Forward, limit }
}

pub(super) fn backward<K>(start: Option<K>, limit: usize) -> PageRequest<K> {
    PageRequest { start, direction: Direction::Backward, limit }
}
