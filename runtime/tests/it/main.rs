//! The process scaffolding from outside.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod admin;
mod shutdown;
