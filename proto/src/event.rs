//! System events: what happened to a room or its members, as the timeline and a rebuild see it.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{RoomId, UserId},
    item::rfc3339_millis,
    record::UnixMillis,
};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventName {
    Created,
    Joined,
    Left,
    Renamed,
    Kicked,
    Archived,
}

/// Who may find and join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    Public,
    Private,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Owner,
    Member,
}

/// The room's row after the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomRow {
    pub id: RoomId,
    pub kind: String,
    pub name: String,
    pub topic: String,
    pub visibility: Visibility,
    pub archived: bool,
    #[serde(with = "rfc3339_millis")]
    pub created_at: UnixMillis,
}

/// The member's row after the event; `role` is absent once they are no longer a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    pub user: UserId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    #[serde(with = "rfc3339_millis")]
    pub joined_at: UnixMillis,
}

/// The body of a `system`, `removed` or `archived` record. Applied to the rows if its version is greater than theirs, so a rebuild repeats rooms and members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemEvent {
    pub event: EventName,
    /// The room's version after the event.
    pub version: i64,
    pub room: RoomRow,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberRow>,
}
