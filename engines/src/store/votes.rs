//! Votes and what they come to. Tallies are kept by the projection; here they are read.

use async_trait::async_trait;
use parley_proto::{
    Cursor, MessageId, PartitionId, RoomId, UnixMillis, UserId,
    item::Item,
    notice::ChangedTally,
    wire::{Tally, VoteValue},
};

use super::{Page, PageRequest, Snapshot, StoreUnavailable};

/// Which changes of tallies are asked for.
#[derive(Debug, Clone, Copy)]
pub struct ChangedQuery<'a> {
    pub partition: PartitionId,
    pub rooms: &'a [RoomId],
    /// Whose own votes are wanted besides the tallies.
    pub voters: &'a [UserId],
    /// Changes by votes at or above this.
    pub from: Cursor,
    pub limit: usize,
}

/// Tallies that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedTallies {
    /// In the order of their last change; `votes` are those of the asked voters at or above the asked cursor.
    pub items: Vec<ChangedTally>,
    /// Every change below this is in `items`: the snapshot's `next`, or less if there were more than asked for.
    pub complete_to: Cursor,
}

/// A person's vote that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vote {
    pub user: UserId,
    pub value: VoteValue,
}

#[async_trait]
pub trait Votes: Send + Sync + std::fmt::Debug {
    /// The tallies of these messages of the room, each with `voter`'s own vote, in order of position. A message that nobody ever voted on has none.
    async fn tallies(&self, room: RoomId, messages: &[MessageId], voter: UserId) -> Result<Snapshot<Vec<Tally>>, StoreUnavailable>;

    /// The tallies that votes at or above a cursor changed.
    async fn changed_tallies(&self, query: ChangedQuery<'_>) -> Result<Snapshot<ChangedTallies>, StoreUnavailable>;

    /// Who voted on the message, by user id; votes taken back are none.
    async fn votes(&self, message: MessageId, page: &PageRequest<UserId>) -> Result<Page<Vote>, StoreUnavailable>;

    /// The room's messages of a time with more votes up than down, best difference first, equal ones newest first, each with `voter`'s own vote.
    async fn top(&self, room: RoomId, voter: UserId, since: Option<UnixMillis>, limit: usize) -> Result<Snapshot<Vec<(Item, Tally)>>, StoreUnavailable>;
}
