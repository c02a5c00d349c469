//! The one place of this crate where wall time is read. It stamps and expires things; it never orders anything.

use std::time::{SystemTime, UNIX_EPOCH};

use parley_proto::UnixMillis;

/// The time now. Use cases are handed it by whoever stands at the boundary.
#[expect(clippy::disallowed_methods, reason = "the one place where wall time is read")]
pub fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
