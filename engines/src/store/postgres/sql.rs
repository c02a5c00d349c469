//! How numbers and texts travel to Postgres and back.

use parley_proto::{Cursor, PartitionId, Position};

/// Numbers of ours are below 2⁵³, so nothing is lost.
pub(super) fn int(number: u64) -> i64 {
    number.cast_signed()
}

/// A count as Postgres kept it.
pub(super) fn count(number: i64) -> u64 {
    number.max(0).cast_unsigned()
}

/// A cursor as Postgres kept it.
pub(super) fn cursor(number: i64) -> Cursor {
    Cursor(count(number))
}

/// A position as Postgres kept it.
pub(super) fn position(number: i64) -> Position {
    Position(count(number))
}

/// A partition as Postgres kept it.
pub(super) fn partition(number: i32) -> Result<PartitionId, sqlx::Error> {
    u16::try_from(number).map(PartitionId).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// `limit` of a question.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Lower case by Unicode's rules, as in every engine: Postgres' own depend on the database's locale.
pub(super) fn fold_case(text: &str) -> String {
    text.to_lowercase()
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
