//! The whole product, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod client;
mod conversation;
mod far_behind;
mod faults;
mod node;
mod observability;
mod process;
mod seed;
mod setup;
mod socket;
mod start;
mod support;
mod votes;
