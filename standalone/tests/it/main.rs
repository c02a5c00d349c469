//! The whole product, seen from outside.
#![expect(clippy::unwrap_used, reason = "a test that can't go on may panic")]

mod bad_frames;
mod client;
mod conversation;
mod departures;
mod far_behind;
mod faults;
mod frames;
mod keys;
mod limits;
mod log_lines;
mod many_rooms;
mod node;
mod observability;
mod operators;
mod planted;
mod presence;
mod private_rooms;
mod process;
mod raw;
mod reads;
mod rest_inputs;
mod seed;
mod sessions;
mod setup;
mod socket;
mod start;
mod support;
mod talkers;
mod votes;
