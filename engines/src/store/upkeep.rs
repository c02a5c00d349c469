//! What operators' commands ask of a store: dead letters that are driven once more, and a new store that is made beside an old one.
//!
//! Nothing here serves a person's request. Everything may be asked again after a crash, and comes to the same.

use async_trait::async_trait;
use parley_proto::{
    PartitionId, Position, Record, RoomId, UserId,
    event::{EventName, MemberRow, RoomRow, SystemEvent},
};

use super::{Snapshot, Store, StoreUnavailable, accounts::Account};

#[async_trait]
pub trait Redrive: Send + Sync + std::fmt::Debug {
    /// Where what this record is about was decided later than at `dead`, if it was: the row with its id, or a newer edit, vote or reaction of the same
    /// person on the same message. Driving the record once more would double that, or undo it.
    async fn decided(&self, record: &Record, dead: Position) -> Result<Snapshot<Option<Position>>, StoreUnavailable>;

    /// The dead letter at `position` lies at `to` as well by now.
    async fn mark_redriven(&self, partition: PartitionId, position: Position, to: Position) -> Result<(), StoreUnavailable>;
}

/// A member's row with its room's, each with its own version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterRow {
    pub room: RoomRow,
    pub room_version: i64,
    pub member: MemberRow,
    pub member_version: i64,
}

impl RosterRow {
    /// As events that leave exactly these rows behind: each is applied only over an older version.
    pub(super) fn events(&self) -> [SystemEvent; 2] {
        let event = |version, member| SystemEvent { event: EventName::Joined, version, room: self.room.clone(), member };
        [event(self.member_version, Some(self.member.clone())), event(self.room_version, None)]
    }
}

#[async_trait]
pub trait Rebuild: Send + Sync + std::fmt::Debug {
    /// In order of ids.
    async fn accounts_after(&self, after: Option<UserId>, limit: usize) -> Result<Vec<Account>, StoreUnavailable>;

    /// In order of rooms, then users; those who left as well.
    async fn roster_after(&self, after: Option<(RoomId, UserId)>, limit: usize) -> Result<Vec<RosterRow>, StoreUnavailable>;

    /// Writes rooms and members where the rows that are there are older, and no events.
    async fn import_roster(&self, rows: &[RosterRow]) -> Result<(), StoreUnavailable>;

    /// Gives an account without a password to everybody whom messages, members or votes name and who has none; how many that were. The name says no more than
    /// the id: nothing else of an account is in the log.
    async fn import_strangers(&self) -> Result<usize, StoreUnavailable>;

    /// Keeps the greater version of each person's rights: one that went back would hide that a right has ended.
    async fn import_rights(&self, versions: &[(UserId, u64)]) -> Result<(), StoreUnavailable>;

    /// Public rooms claim their names: while partitions were repeated one beside the other, another room may have held one that it gave up later.
    async fn claim_names(&self) -> Result<(), StoreUnavailable>;
}

/// A store engine that operators' commands work on.
pub trait Upkeep: Store + Redrive + Rebuild {}
impl<T: Store + Redrive + Rebuild> Upkeep for T {}
