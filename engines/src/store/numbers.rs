//! How our numbers and texts travel to a database and back, the same for every engine.

use parley_proto::{Cursor, Position};

/// Numbers of ours are below 2⁵³, so nothing is lost.
pub(super) fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// A count as the database kept it.
pub(super) fn count(number: i64) -> u64 {
    number.max(0).cast_unsigned()
}

/// A cursor as the database kept it.
pub(super) fn cursor(number: i64) -> Cursor {
    Cursor(count(number))
}

/// A position as the database kept it.
pub(super) fn position(number: i64) -> Position {
    Position(count(number))
}

/// Lower case by Unicode's rules: SQLite's own know only ASCII, Postgres' depend on the database's locale.
pub(super) fn fold_case(text: &str) -> String {
    text.to_lowercase()
}
