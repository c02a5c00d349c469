//! Load and proof: users over real sockets, and a comparison of everything that they left behind with what the log says.

pub mod client;
pub mod talk;
pub mod texts;
pub mod verify;
