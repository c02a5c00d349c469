//! The engines against their ports' contracts.

mod bus;
mod log;
mod store;
