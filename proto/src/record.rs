//! A record: one entry of the log, version 1.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{Cid, LogId, MessageId, PartitionId, RoomId, UserId},
    position::Cursor,
};

/// Milliseconds since 1970-01-01 UTC; for display only, never for order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct UnixMillis(pub i64);

/// What a record does. A new kind needs a new record version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    Message = 1,
    /// Replaces the body of `target`.
    Edit = 2,
    /// Turns `target` into a tombstone.
    Delete = 3,
    /// `value` −1, 0 or 1 on `target`.
    Vote = 4,
    /// `value` 1 adds, 0 takes back the emoji in the body on `target`.
    Reaction = 5,
    /// How far the sender has read the room: at least up to the `seq` that `value` is; or, where `value` is −(`seq` + 1), at most up to it (unread again from the next one on).
    Read = 6,
    /// Takes the place of the thing with the same identity: who comes later is a duplicate.
    Cancel = 7,
    /// A member was removed from the room.
    Removed = 8,
    /// The room was archived.
    Archived = 9,
    /// A line of the timeline that nobody typed: created, joined, left, renamed.
    System = 10,
    /// `target`'s body is erased for good.
    Erased = 11,
    /// A partition's first record: which log this is.
    Genesis = 12,
}

impl Kind {
    /// All kinds of record version 1.
    pub const ALL: [Self; 12] = [
        Self::Message,
        Self::Edit,
        Self::Delete,
        Self::Vote,
        Self::Reaction,
        Self::Read,
        Self::Cancel,
        Self::Removed,
        Self::Archived,
        Self::System,
        Self::Erased,
        Self::Genesis,
    ];

    /// The kind with this number, `None` where version 1 has none.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Its name in JSON and SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::Vote => "vote",
            Self::Reaction => "reaction",
            Self::Read => "read",
            Self::Cancel => "cancel",
            Self::Removed => "removed",
            Self::Archived => "archived",
            Self::System => "system",
            Self::Erased => "erased",
            Self::Genesis => "genesis",
        }
    }

    /// Control records leave no row.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Genesis | Self::Cancel)
    }

    /// Rows of the timeline: they have a place in the room's history.
    pub fn is_row(self) -> bool {
        matches!(self, Self::Message | Self::System | Self::Removed | Self::Archived)
    }

    /// Whether `target` names the message that it is about.
    pub fn has_target(self) -> bool {
        matches!(self, Self::Edit | Self::Delete | Self::Vote | Self::Reaction | Self::Erased)
    }
}

/// What a record carries. Readers know both encodings from version 1 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// UTF-8 text (message, edit, reaction), a JSON object (system, removed, archived, genesis), or empty.
    Plain(String),
    /// AES-256-GCM under the key `key_id`; erasing the key erases the body.
    A256Gcm { key_id: u32, data: Bytes },
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::Plain(String::new())
    }
}

/// One entry of the log. Its identity is (room, sender, base, cid).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub kind: Kind,
    pub room: RoomId,
    pub sender: UserId,
    pub cid: Cid,
    /// The client's cursor in the room when it composed this; 0 for clients without one.
    pub base: Cursor,
    /// A repeat of this identity is looked for in [floor, own position).
    pub floor: Cursor,
    /// The membership cursor that the gateway had applied; recorded, not judged.
    pub auth: Cursor,
    pub target: Option<MessageId>,
    pub value: i64,
    pub body: Body,
    /// Put in by an import; `sent_at` is the original time.
    pub imported: bool,
    pub sent_at: UnixMillis,
}

impl Record {
    /// The id that the identity gives.
    pub fn id(&self) -> MessageId {
        MessageId::derive(self.room, self.sender, self.cid, self.base)
    }

    /// One with nothing in it yet, from somebody without a cursor, at the beginning of time.
    pub fn bare(kind: Kind, room: RoomId, sender: UserId, cid: Cid) -> Self {
        Self {
            kind,
            room,
            sender,
            cid,
            base: Cursor::ZERO,
            floor: Cursor::ZERO,
            auth: Cursor::ZERO,
            target: None,
            value: 0,
            body: Body::empty(),
            imported: false,
            sent_at: UnixMillis(0),
        }
    }

    /// A partition's first record.
    pub fn genesis(partition: PartitionId, genesis: &Genesis) -> Self {
        let body = Body::Plain(serde_json::to_string(genesis).expect("two plain fields"));
        Self { body, ..Self::bare(Kind::Genesis, RoomId::of_partition(partition), UserId::NIL, Cid(genesis.log_id.0)) }
    }
}

/// The body of a genesis record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    pub log_id: LogId,
    pub epoch: u16,
}
