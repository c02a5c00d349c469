//! Where pages of ordered lists begin.

use parley_proto::RoomId;
use uuid::Uuid;

use crate::store::Direction;

/// Where a page of ids begins: behind its start, or at the list's edge. Nobody and nothing is called nil or max.
pub(super) fn id_edge(start: Option<Uuid>, direction: Direction) -> Uuid {
    start.unwrap_or(match direction {
        Direction::Forward => Uuid::nil(),
        Direction::Backward => Uuid::max(),
    })
}

/// Where a page of numbers with ids begins.
pub(super) fn edge(start: Option<(i64, RoomId)>, direction: Direction) -> (i64, Uuid) {
    let number = match direction {
        Direction::Forward => i64::MIN,
        Direction::Backward => i64::MAX,
    };
    start.map_or((number, id_edge(None, direction)), |(number, room)| (number, room.0))
}
