//! The simulated engines: the ports as one process sees them, over the world's true state.

pub(crate) mod bus;
pub(crate) mod log;
pub(crate) mod store;
