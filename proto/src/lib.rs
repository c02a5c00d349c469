//! The vocabulary of Parley: what is written to the log, what it means, and what travels over a socket.
//!
//! Pure: no I/O, no clock, no randomness. One message's path through this crate:
//! a client's [`wire::ClientFrame::Send`] becomes a [`record::Record`], is judged by [`check::check_record`], encoded by [`codec::encode`], appended;
//! every reader decodes it with [`check::check`], asks [`fold::Fold`] what it means, and shows [`item::Item`]s grouped into a [`segment::Segment`].

pub mod check;
pub mod codec;
pub mod error;
pub mod event;
pub mod fold;
pub mod ids;
pub mod item;
pub mod limits;
pub mod notice;
pub mod planted;
pub mod position;
pub mod record;
pub mod segment;
pub mod text;
pub mod wire;

pub use error::ErrorCode;
pub use ids::{Cid, LogId, MessageId, PartitionId, RoomId, SessionId, UserId};
pub use position::{Cursor, Position, WINDOW};
pub use record::{Body, Kind, Record, UnixMillis};
