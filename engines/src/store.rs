//! The store port: the projection of the log that people query, and the state that is decided at once (accounts, sessions, rooms, members).
//!
//! Whatever is read together with `next` comes from one snapshot: see [`Snapshot`].

use parley_proto::{Cursor, PartitionId};
use thiserror::Error;

pub mod accounts;
pub mod memory;
mod numbers;
mod page;
mod plan;
pub mod postgres;
pub mod projection;
pub mod reads;
pub mod rooms;
pub mod sqlite;
pub mod timeline;
pub mod upkeep;
pub mod votes;

/// The store can't be reached or did not answer in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the store is unavailable: {0}")]
pub struct StoreUnavailable(pub String);

/// What was read, and the partition's `next` in the same snapshot: everything below it is in what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<T> {
    pub next: Cursor,
    pub value: T,
}

/// A store engine, as gateways and persisters need it.
pub trait Store:
    accounts::Accounts
    + accounts::Sessions
    + rooms::Rooms
    + rooms::Members
    + timeline::Timeline
    + votes::Votes
    + reads::Reads
    + projection::Partitions
    + projection::Projection
{
}
impl<T> Store for T where
    T: accounts::Accounts
        + accounts::Sessions
        + rooms::Rooms
        + rooms::Members
        + timeline::Timeline
        + votes::Votes
        + reads::Reads
        + projection::Partitions
        + projection::Projection
{
}

/// A slice of a list that is ordered by a key: what comes after (or before) it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<K> {
    pub start: Option<K>,
    pub direction: Direction,
    /// How many at most, 1 to 100.
    pub limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Behind `start` in the list's order.
    Forward,
    /// In front of `start`, still returned in the list's order.
    Backward,
}

/// A page in the list's order, and whether the list goes on at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub has_previous: bool,
    pub has_next: bool,
}

/// The partition's state row.
pub use projection::PartitionState;

/// All partitions that rooms may be placed on.
pub type OpenPartitions = Vec<PartitionId>;
