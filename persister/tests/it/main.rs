//! The persister on the embedded engines.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod opening;
mod outbox;
mod poison;
mod storing;
mod world;
