//! The whole product, seen from outside.

mod client;
mod conversation;
mod faults;
mod node;
mod process;
mod seed;
mod socket;
mod start;
mod support;
