//! Pages cut out of ordered lists.

use parley_proto::RoomId;
use uuid::Uuid;

use super::sql;
use crate::store::{Direction, Page, PageRequest};

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

/// One more than asked for tells whether the list goes on.
pub(super) fn fetch_limit(limit: usize) -> i64 {
    sql::limit(limit).saturating_add(1)
}

/// The page out of rows that were fetched in its direction with [`fetch_limit`].
pub(super) fn cut<K, R, T>(page: &PageRequest<K>, mut rows: Vec<R>, decode: impl Fn(R) -> T) -> Page<T> {
    let more = rows.len() > page.limit;
    rows.truncate(page.limit);
    if page.direction == Direction::Backward {
        rows.reverse();
    }
    let (has_previous, has_next) = match page.direction {
        Direction::Forward => (page.start.is_some(), more),
        Direction::Backward => (more, page.start.is_some()),
    };
    Page { items: rows.into_iter().map(decode).collect(), has_previous, has_next }
}
