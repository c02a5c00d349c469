//! How far people have read: marks that the log feeds. Counting what is unread is the caller's: the room's last `seq` less the mark.

use async_trait::async_trait;
use parley_proto::{RoomId, UserId};

use super::StoreUnavailable;

#[async_trait]
pub trait Reads: Send + Sync + std::fmt::Debug {
    /// Up to which `seq` this person has read each of these rooms, in any order. A room without a mark is absent.
    async fn read_marks(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<(RoomId, u64)>, StoreUnavailable>;
}
