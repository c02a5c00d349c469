//! The whole product, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod bad_frames;
mod client;
mod conversation;
mod faults;
mod frames;
mod node;
mod process;
mod raw;
mod seed;
mod setup;
mod socket;
mod start;
mod support;
mod votes;
