//! How ids and numbers travel to SQLite and back.

use std::fmt::Write as _;

use parley_proto::PartitionId;
use uuid::Uuid;

pub(super) use crate::store::numbers::{count, cursor, fold_case, int, position};

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
