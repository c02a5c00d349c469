//! Limits that are part of the protocol. What an operator can set is in the gateway's configuration.

use std::time::Duration;

/// A message's body, in code points (Unicode scalar values).
pub const BODY_CODE_POINTS: usize = 4_000;
/// An encrypted body: 4 000 code points of 4 bytes, nonce and tag.
pub const BODY_SEALED_BYTES: usize = BODY_CODE_POINTS * 4 + 28;
/// A system event's or an emoji's JSON or text, in bytes.
pub const EVENT_BYTES: usize = 8 * 1024;
/// One emoji, in bytes: the longest ZWJ sequences are below this.
pub const EMOJI_BYTES: usize = 64;
/// One inbound socket message, however fragmented: 4 000 code points may be 48 000 bytes of escapes.
pub const SOCKET_MESSAGE_BYTES: usize = 64 * 1024;
/// A page of history.
pub const PAGE: usize = 50;
/// The largest page that is answered.
pub const PAGE_MAX: usize = 100;
/// Rooms that one socket receives in full.
pub const SUBSCRIPTIONS: usize = 100;
/// Messages replayed per room at a resume; more is `resync_required`.
pub const REPLAY: usize = 1_000;
/// A piece of a replay, and a group of frames on the bus, in bytes.
pub const GROUP_BYTES: usize = 64 * 1024;
/// A room with fewer members than this has a list of who is online, a larger one a number.
pub const PRESENCE_LIST: usize = 200;
/// Entries that a room's tail keeps.
pub const TAIL_ENTRIES: usize = 128;
/// How long a room's tail is kept after its last entry.
pub const TAIL_TTL: Duration = Duration::from_secs(600);
/// User names, in characters of `[a-z0-9_.-]`.
pub const USER_NAME: std::ops::RangeInclusive<usize> = 2..=32;
/// Display names, in code points.
pub const DISPLAY_NAME: usize = 64;
/// Status texts, in code points.
pub const STATUS_TEXT: usize = 100;
/// Room names, in code points.
pub const ROOM_NAME: usize = 80;
/// Room topics, in code points.
pub const ROOM_TOPIC: usize = 250;
/// Passwords, in code points.
pub const PASSWORD: std::ops::RangeInclusive<usize> = 8..=128;
/// How long a send may take to be answered.
pub const SEND_ANSWER: Duration = Duration::from_secs(2);
/// Socket heartbeat: a ping each.
pub const HEARTBEAT: Duration = Duration::from_secs(25);
/// A peer that does not answer a ping for this long is gone.
pub const HEARTBEAT_GRACE: Duration = Duration::from_secs(8);
/// A message that is not whole after this long closes its socket (looked at each 5 s).
pub const MESSAGE_DEADLINE: Duration = Duration::from_secs(10);
/// An unauthenticated or silent new socket is closed after this.
pub const HELLO_DEADLINE: Duration = Duration::from_secs(5);
