//! Load and proof: users over real sockets who write down what they did and saw, and a check of that and of everything that they left behind against the log.

pub mod chaos;
pub mod check;
pub mod client;
pub mod history;
pub mod people;
pub mod talk;
pub mod texts;
pub mod verify;
