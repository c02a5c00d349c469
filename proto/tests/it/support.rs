//! Records to test with.

use parley_proto::{Body, Cid, Cursor, Kind, MessageId, PartitionId, Record, RoomId, UnixMillis, UserId};
use uuid::Uuid;

pub(crate) const PARTITION: PartitionId = PartitionId(3);

pub(crate) fn room(number: u8) -> RoomId {
    RoomId::new(PARTITION, [number; 16])
}

pub(crate) fn record(kind: Kind, room: RoomId, sender: u128, cid: u128, base: u64, floor: u64) -> Record {
    let body = match kind {
        Kind::Message | Kind::Edit => Body::Plain("hello".to_owned()),
        Kind::Reaction => Body::Plain("👍".to_owned()),
        Kind::System | Kind::Removed | Kind::Archived => Body::Plain(r#"{"event":"joined"}"#.to_owned()),
        _ => Body::empty(),
    };
    Record {
        kind,
        room,
        sender: UserId(Uuid::from_u128(sender)),
        cid: Cid(Uuid::from_u128(cid)),
        base: Cursor(base),
        floor: Cursor(floor),
        auth: Cursor(floor),
        target: kind.has_target().then(|| MessageId(Uuid::from_u128(77))),
        value: i64::from(kind == Kind::Vote),
        body,
        imported: false,
        sent_at: UnixMillis(1_100_000_000_123),
    }
}
