//! Read marks in memory.

use async_trait::async_trait;
use parley_proto::{RoomId, UserId};

use super::MemoryStore;
use crate::store::{StoreUnavailable, reads::Reads};

#[async_trait]
impl Reads for MemoryStore {
    async fn read_marks(&self, user: UserId, rooms: &[RoomId]) -> Result<Vec<(RoomId, u64)>, StoreUnavailable> {
        self.call(|tables| rooms.iter().filter_map(|room| Some((*room, *tables.reads.get(&(*room, user))?))).collect()).await
    }
}
