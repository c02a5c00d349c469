//! Rooms and members: decided here at once. Each change first locks the room's row and adds an outbox row in the same transaction, which the
//! persister appends to the log as a system record.

use async_trait::async_trait;
use parley_proto::{
    RoomId, UnixMillis, UserId,
    event::{EventName, MemberRow, Role, RoomRow, SystemEvent, Visibility},
};

use super::{Page, PageRequest, StoreUnavailable};

/// A room's row, with how many members it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    pub id: RoomId,
    pub kind: String,
    pub name: String,
    pub topic: String,
    pub visibility: Visibility,
    pub archived: bool,
    /// Grows with each change of the room or its members.
    pub version: i64,
    pub members: u64,
    /// Its last message's number.
    pub last_seq: u64,
    /// When its last message was sent, or when it was created.
    pub last_activity_at: UnixMillis,
    pub created_at: UnixMillis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRoom {
    pub id: RoomId,
    pub name: String,
    pub topic: String,
    pub visibility: Visibility,
    pub owner: UserId,
    pub created_at: UnixMillis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomCreated {
    Created(Room),
    /// A public room has this name, case-folded. (Private rooms' names are not unique: a conflict would reveal them.)
    NameTaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Membership {
    pub room: RoomId,
    pub user: UserId,
    pub role: Role,
    pub joined_at: UnixMillis,
    /// The room's version when this was last changed.
    pub version: i64,
}

/// What became of a join or a leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MembershipChange {
    /// It changed; an outbox row was written.
    Changed(Membership),
    /// It was so already.
    Unchanged,
    /// The room has as many members as it may have.
    Full,
    NoRoom,
}

/// What somebody wants of their membership. Engines look it up and write; what it comes to is decided here, for all of them alike.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wish {
    /// Unless the room has so many members already.
    Join {
        members_max: u64,
    },
    Leave,
}

/// What an engine has to write, and to answer then.
pub(super) struct Change {
    pub(super) event: SystemEvent,
    /// As it is then; of who left, as it was.
    pub(super) membership: Membership,
}

impl Wish {
    /// Room and membership as the transaction sees them. `Err`: nothing is to be written, and this is the answer.
    pub(super) fn judge(self, room: &Room, user: UserId, before: Option<Membership>, now: UnixMillis) -> Result<Change, MembershipChange> {
        let version = room.version + 1;
        let (event, role, membership) = match (self, before) {
            (Self::Join { .. }, Some(_)) | (Self::Leave, None) => return Err(MembershipChange::Unchanged),
            (Self::Join { members_max }, None) if room.members >= members_max => return Err(MembershipChange::Full),
            (Self::Join { .. }, None) => {
                let role = Role::Member;
                (EventName::Joined, Some(role), Membership { room: room.id, user, role, joined_at: now, version })
            }
            (Self::Leave, Some(membership)) => (EventName::Left, None, Membership { version, ..membership }),
        };
        let member = MemberRow { user, role, joined_at: membership.joined_at };
        Ok(Change { event: SystemEvent { event, version, room: room.row(), member: Some(member) }, membership })
    }
}

impl Room {
    /// What an event of the log says of it.
    fn row(&self) -> RoomRow {
        RoomRow {
            id: self.id,
            kind: self.kind.clone(),
            name: self.name.clone(),
            topic: self.topic.clone(),
            visibility: self.visibility,
            archived: self.archived,
            created_at: self.created_at,
        }
    }
}

/// The key of "my rooms": newest activity first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivityKey {
    pub last_activity_at: UnixMillis,
    pub room: RoomId,
}

/// The key of the directory: most members first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectoryKey {
    pub members: u64,
    pub room: RoomId,
}

#[async_trait]
pub trait Rooms: Send + Sync + std::fmt::Debug {
    /// The creator becomes its owner. Writes the event `created` into the outbox.
    async fn create_room(&self, room: &NewRoom) -> Result<RoomCreated, StoreUnavailable>;

    async fn room(&self, id: RoomId) -> Result<Option<Room>, StoreUnavailable>;

    /// The rooms that this person is a member of, newest activity first.
    async fn rooms_of(&self, user: UserId, page: &PageRequest<ActivityKey>) -> Result<Page<Room>, StoreUnavailable>;

    /// Public rooms that are not archived, most members first; `query` is looked for literally, case-folded, in name and topic.
    async fn public_rooms(&self, query: Option<&str>, page: &PageRequest<DirectoryKey>) -> Result<Page<Room>, StoreUnavailable>;
}

#[async_trait]
pub trait Members: Send + Sync + std::fmt::Debug {
    async fn membership(&self, room: RoomId, user: UserId) -> Result<Option<Membership>, StoreUnavailable>;

    /// All memberships of a person.
    async fn memberships(&self, user: UserId) -> Result<Vec<Membership>, StoreUnavailable>;

    /// Writes the event `joined` into the outbox, unless the room has `members_max` members or more. Whether they may is else the caller's to judge.
    async fn join(&self, room: RoomId, user: UserId, members_max: u64, now: UnixMillis) -> Result<MembershipChange, StoreUnavailable>;

    /// Writes the event `left` into the outbox.
    async fn leave(&self, room: RoomId, user: UserId, now: UnixMillis) -> Result<MembershipChange, StoreUnavailable>;

    /// Makes them all members without events (imports), in few statements.
    async fn import_members(&self, room: RoomId, users: &[UserId], now: UnixMillis) -> Result<(), StoreUnavailable>;

    /// In order of user ids.
    async fn members(&self, room: RoomId, page: &PageRequest<UserId>) -> Result<Page<Membership>, StoreUnavailable>;
}
