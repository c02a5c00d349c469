//! What travels over a socket: JSON text frames `{type, ref?, …}`, protocol version 1.

use serde::{Deserialize, Serialize};

use crate::{
    error::ErrorCode,
    ids::{Cid, MessageId, RoomId, SessionId, UserId},
    item::{Item, rfc3339_millis},
    limits,
    position::{Cursor, Position},
    record::UnixMillis,
};

/// The protocol version in `hello` and `welcome`.
pub const PROTOCOL_VERSION: u32 = 1;
/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "parley.v1";

/// A client's request number, echoed in the answer.
pub type Ref = u64;

macro_rules! client_frames {
    ($($variants:tt)*) => {
        /// What a client may send. An unknown type, field or shape is an error with a path; sender, time, role and position are never the client's to say.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
        pub enum ClientFrame { $($variants)* }

        /// The same, tagged from outside: a tag inside makes serde forget where in the frame it is.
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case", deny_unknown_fields)]
        #[expect(dead_code, reason = "only the error of reading it is of interest")]
        enum TaggedOutside { $($variants)* }
    };
}

client_frames! {
    /// First of all.
    Hello {
        #[serde(rename = "ref")]
        reference: Ref,
        version: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<Resume>,
    },
    /// Start receiving a room on this socket.
    Subscribe {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    Unsubscribe {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
    },
    Send {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
        cid: Cid,
        base: Cursor,
        body: String,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retry: bool,
    },
    /// The sender's vote on a message: the last one in the log counts.
    Vote {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
        cid: Cid,
        base: Cursor,
        target: MessageId,
        value: VoteValue,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        retry: bool,
    },
    /// The user discards a send whose outcome is unknown.
    Drop {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
        cid: Cid,
        base: Cursor,
    },
    /// The reader has read up to this message's number. Moves forward only, unless `back`: then it moves backward only.
    Read {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
        seq: u64,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        back: bool,
    },
    /// A page: exactly one of before, after and around.
    History {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<Position>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Position>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        around: Option<MessageId>,
    },
}

/// Which field of a refused client frame is wrong; `None` where it is no field (the frame is not JSON, or no object, or its type is unknown).
pub fn refused_path(text: &str) -> Option<String> {
    let serde_json::Value::Object(mut fields) = serde_json::from_str(text).ok()? else { return None };
    let kind = fields.remove("type")?.as_str()?.to_owned();
    let frame = serde_json::Value::Object([(kind.clone(), serde_json::Value::Object(fields))].into_iter().collect());
    let error = serde_path_to_error::deserialize::<_, TaggedOutside>(frame).err()?;
    let path = error.path().to_string();
    path.strip_prefix(&kind)?.strip_prefix('.').map(str::to_owned)
}

impl ClientFrame {
    /// The request's number.
    pub fn reference(&self) -> Ref {
        match self {
            Self::Hello { reference, .. }
            | Self::Subscribe { reference, .. }
            | Self::Unsubscribe { reference, .. }
            | Self::Send { reference, .. }
            | Self::Vote { reference, .. }
            | Self::Drop { reference, .. }
            | Self::Read { reference, .. }
            | Self::History { reference, .. } => *reference,
        }
    }
}

/// What a returning client brings: the last token that it was given, and its own cursors, which count where they are higher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    pub token: String,
    #[serde(default)]
    pub rooms: Vec<RoomCursor>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomCursor {
    pub room: RoomId,
    pub cursor: Cursor,
}

/// A vote: 1 up, −1 down, 0 taken back. Nothing else can be said or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct VoteValue(i8);

impl VoteValue {
    pub const UP: Self = Self(1);
    pub const DOWN: Self = Self(-1);
    pub const NONE: Self = Self(0);
}

impl TryFrom<i64> for VoteValue {
    type Error = &'static str;
    fn try_from(value: i64) -> Result<Self, Self::Error> {
        match value {
            1 => Ok(Self::UP),
            -1 => Ok(Self::DOWN),
            0 => Ok(Self::NONE),
            _ => Err("a vote is -1, 0 or 1"),
        }
    }
}

impl From<VoteValue> for i64 {
    fn from(value: VoteValue) -> Self {
        value.0.into()
    }
}

/// What the votes on a message come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub target: MessageId,
    /// Of the message.
    pub position: Position,
    pub up: u64,
    pub down: u64,
    /// The reader's own vote; absent where it is as the reader knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mine: Option<VoteValue>,
}

/// Absolute values; of two tallies of a message the one with the larger `as_of` counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tallies {
    pub items: Vec<Tally>,
    /// Every vote below this is counted, and none above.
    pub as_of: Cursor,
}

/// A person as others see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub user_name: String,
    pub display_name: String,
    /// `#rrggbb`.
    pub color: String,
    pub status_text: String,
    pub guest: bool,
}

/// What became of the resume token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResumeOutcome {
    /// None was brought.
    None,
    /// A replay or a resync follows for each of its rooms.
    Accepted,
    /// Not ours, not yours, or of another log: subscribe anew.
    ResyncRequired,
}

/// What a client has to keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientLimits {
    pub body_code_points: usize,
    pub page: usize,
    pub page_max: usize,
    pub subscriptions: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { body_code_points: limits::BODY_CODE_POINTS, page: limits::PAGE, page_max: limits::PAGE_MAX, subscriptions: limits::SUBSCRIPTIONS }
    }
}

/// A page of a room's newest items, complete up to `cursor`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewestPage {
    pub items: Vec<Item>,
    pub users: Vec<User>,
    /// Everything from here to `cursor` is in `items`.
    pub start: Cursor,
    pub cursor: Cursor,
    pub has_older: bool,
    /// The room's last `seq` as stored; absent where the store was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seq: Option<u64>,
    /// Of `items`; absent where the store was away: they follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tallies: Option<Tallies>,
}

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    Welcome {
        #[serde(rename = "ref")]
        reference: Ref,
        version: u32,
        user: User,
        session_id: SessionId,
        /// The serving gateway's name.
        gateway: String,
        #[serde(with = "rfc3339_millis")]
        server_time: UnixMillis,
        heartbeat_ms: u64,
        limits: ClientLimits,
        resume: ResumeOutcome,
    },
    Subscribed {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
        #[serde(flatten)]
        page: NewestPage,
        /// The log is silent: what is newest may be missing and follows.
        catching_up: bool,
    },
    /// What was missed, in pieces; the room is live after the one with `more: false`.
    Replay {
        room: RoomId,
        prev: Cursor,
        items: Vec<Item>,
        users: Vec<User>,
        cursor: Cursor,
        more: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        last_seq: Option<u64>,
        catching_up: bool,
    },
    /// Too much was missed: the newest page replaces what the client holds.
    Resync {
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<Ref>,
        room: RoomId,
        #[serde(flatten)]
        page: NewestPage,
        code: ErrorCode,
    },
    /// Live: everything of the room in [prev, last position].
    Frames { room: RoomId, prev: Cursor, items: Vec<Item> },
    Page {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
        items: Vec<Item>,
        users: Vec<User>,
        start: Cursor,
        end: Cursor,
        has_older: bool,
        has_newer: bool,
        tallies: Tallies,
    },
    /// Tallies that changed.
    Tallies {
        room: RoomId,
        #[serde(flatten)]
        tallies: Tallies,
    },
    /// The store refused what live frames showed at these positions: nobody will see it again.
    Voided { room: RoomId, positions: Vec<Position> },
    /// Without `ref`: a right ended, forget the room.
    Unsubscribed {
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<Ref>,
        room: RoomId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<ErrorCode>,
    },
    /// It is in the log, at `at_most` or before; the true position comes with the frame.
    Ack {
        #[serde(rename = "ref")]
        reference: Ref,
        cid: Cid,
        id: MessageId,
        at_most: Position,
    },
    /// Nothing was appended. `final`: never send this cid again.
    Rejected {
        #[serde(rename = "ref")]
        reference: Ref,
        cid: Cid,
        code: ErrorCode,
        #[serde(rename = "final", default, skip_serializing_if = "std::ops::Not::not")]
        is_final: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// It may or may not be in the log: send the same again with `retry: true`. `final`: drop it instead.
    Unknown {
        #[serde(rename = "ref")]
        reference: Ref,
        cid: Cid,
        #[serde(rename = "final", default, skip_serializing_if = "std::ops::Not::not")]
        is_final: bool,
        retry_after_ms: u64,
    },
    /// Where this socket stands, and the token to resume from there.
    Cursors { items: Vec<RoomCursor>, token: String },
    /// To those who sent to the room: everything of it below `cursor` is in the store.
    Stored { room: RoomId, cursor: Cursor },
    /// Something happened in a room of mine that this socket does not receive in full.
    RoomActivity { room: RoomId, position: Position, seq: u64 },
    /// Who is online in a room that this socket receives. 0: nobody can say just now.
    Presence {
        room: RoomId,
        online: u64,
        /// In order of ids; absent in large rooms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        users: Option<Vec<UserId>>,
    },
    /// How far the reader has read, here or at another of their devices.
    Read { room: RoomId, seq: u64 },
    /// This gateway is going away.
    Drain { reconnect_after_ms: u64 },
    Error {
        #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
        reference: Option<Ref>,
        code: ErrorCode,
        detail: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    Normal = 1000,
    GoingAway = 1001,
    Protocol = 1002,
    Type = 1003,
    Utf8 = 1007,
    Policy = 1008,
    TooBig = 1009,
    TryAgainLater = 1013,
    /// Access token missing, expired or foreign: refresh, come back.
    Token = 4001,
    /// The client does not read fast enough: come back and resume.
    Slow = 4008,
    Drain = 4010,
    Rate = 4029,
    SessionEnded = 4501,
    AccountDisabled = 4503,
    Version = 4505,
}

/// One live frame for a socket: `{"type":"frames",…}` around items that are encoded already.
pub fn frames_json(room: RoomId, prev: Cursor, items_json: &str) -> String {
    let mut out = String::with_capacity(items_json.len() + 96);
    out.push_str("{\"type\":\"frames\",\"room\":\"");
    out.push_str(room.0.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
    out.push_str("\",\"prev\":");
    out.push_str(&prev.to_string());
    out.push_str(",\"items\":[");
    out.push_str(items_json);
    out.push_str("]}");
    out
}
