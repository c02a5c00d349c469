//! How numbers and texts travel to Postgres and back.

use parley_proto::PartitionId;

pub(super) use crate::store::numbers::{count, cursor, fold_case, int, position};

/// A partition as Postgres kept it.
pub(super) fn partition(number: i32) -> Result<PartitionId, sqlx::Error> {
    u16::try_from(number).map(PartitionId).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// `limit` of a question.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A pattern for `like`: the text somewhere, literally.
pub(super) fn contains(text: &str) -> String {
    let mut pattern = String::from("%");
    for char in text.chars() {
        if matches!(char, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
    pattern.push('%');
    pattern
}

/// Postgres has no NUL in texts: nothing that is stored contains it, and asking for it would be an error.
pub(super) fn can_be_stored(text: &str) -> bool {
    !text.contains('\0')
}
