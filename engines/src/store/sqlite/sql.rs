//! How ids and numbers travel to SQLite and back.

use std::fmt::Write as _;

use parley_proto::{Cursor, PartitionId, Position};
use uuid::Uuid;

/// Above every id in an order of blobs.
pub(super) const ABOVE_ALL_IDS: &[u8] = &[0xFF; 17];
/// Below every id.
pub(super) const BELOW_ALL_IDS: &[u8] = &[];

/// An id as SQLite keeps it.
pub(super) fn blob(id: Uuid) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// An id as SQLite kept it.
pub(super) fn uuid(blob: &[u8]) -> Result<Uuid, sqlx::Error> {
    Uuid::from_slice(blob).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// Numbers of ours are below 2⁵³, so nothing is lost.
pub(super) fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// A count as SQLite kept it.
pub(super) fn count(number: i64) -> u64 {
    number.max(0).cast_unsigned()
}

/// A cursor as SQLite kept it.
pub(super) fn cursor(number: i64) -> Cursor {
    Cursor(count(number))
}

/// A position as SQLite kept it.
pub(super) fn position(number: i64) -> Position {
    Position(count(number))
}

/// A partition as SQLite kept it.
pub(super) fn partition(number: i64) -> Result<PartitionId, sqlx::Error> {
    u16::try_from(number).map(PartitionId).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// A JSON array for `json_each`, whose ids are read by `unhex`.
pub(super) fn id_list(ids: impl IntoIterator<Item = Uuid>) -> String {
    let mut list = String::from("[");
    for id in ids {
        if list.len() > 1 {
            list.push(',');
        }
        let _ = write!(list, "\"{}\"", id.simple());
    }
    list.push(']');
    list
}

/// An id inside of a JSON row.
pub(super) fn hex_id(id: Uuid) -> String {
    id.simple().to_string()
}

/// Bytes inside of a JSON row.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Lower case by Unicode's rules: SQLite's own knows only ASCII.
pub(super) fn fold_case(text: &str) -> String {
    text.to_lowercase()
}
