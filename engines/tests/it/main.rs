//! The engines against their ports' contracts.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod bus;
mod log;
mod services;
mod store;
