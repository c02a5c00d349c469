//! What a person has sent and has no final answer to, in order: the client's half of PROTOCOL section 3.

use std::collections::BTreeMap;

use parley_proto::{Cid, Cursor, MessageId, RoomId, UserId};
use tokio::time::Instant;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Message(String),
    Vote { target: MessageId, value: i8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Never tried, or every attempt was refused; not before this.
    Fresh(Instant),
    /// On its way with this request number since then; `further`: as a retry or as its cancel.
    Sent { reference: u64, at: Instant, further: bool },
    /// Nobody knows; not to be tried again before this.
    Unknown(Instant),
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) room: RoomId,
    pub(crate) cid: Cid,
    pub(crate) base: Cursor,
    pub(crate) content: Content,
    pub(crate) state: State,
    /// It was sent on the connection that there is now.
    pub(crate) on_this_connection: bool,
    /// The person wants it gone.
    pub(crate) discarded: bool,
    pub(crate) refusals: u32,
}

/// What a thing has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    Acked,
    /// Every attempt was answered `rejected`.
    Rejected,
    Cancelled,
    /// Seen in the room before an answer came.
    Seen,
    /// Given up as unknown.
    Unknown,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) entries: Vec<Entry>,
    pub(crate) done: BTreeMap<MessageId, (Entry, Fate)>,
}

impl Outbox {
    /// It has a final answer.
    pub(crate) fn finish(&mut self, me: UserId, index: usize, fate: Fate) {
        let entry = self.entries.remove(index);
        let id = MessageId::derive(entry.room, me, entry.cid, entry.base);
        self.done.insert(id, (entry, fate));
    }

    /// The connection is gone: what was on its way is unknown.
    pub(crate) fn disconnected(&mut self, now: Instant) {
        for entry in &mut self.entries {
            entry.on_this_connection = false;
            if matches!(entry.state, State::Sent { .. }) {
                entry.state = State::Unknown(now);
            }
        }
    }

    /// What the room shows is there.
    pub(crate) fn strike(&mut self, me: UserId, room: RoomId, shown: impl Fn(Cid) -> bool) {
        while let Some(index) = self.entries.iter().position(|entry| {
            entry.room == room && matches!(entry.content, Content::Message(_)) && matches!(entry.state, State::Unknown(_)) && shown(entry.cid)
        }) {
            self.finish(me, index, Fate::Seen);
        }
    }

    /// Votes of an earlier connection that a newer one of the same person on the same message replaced are not retried.
    pub(crate) fn drop_replaced_votes(&mut self, me: UserId) {
        let target = |entry: &Entry| match entry.content {
            Content::Vote { target, .. } => Some(target),
            Content::Message(_) => None,
        };
        while let Some(index) = (0..self.entries.len()).find(|index| {
            let entry = &self.entries[*index];
            let newer = |later: &Entry| target(later) == target(entry) && later.room == entry.room;
            target(entry).is_some() && !entry.on_this_connection && matches!(entry.state, State::Unknown(_)) && self.entries[index + 1..].iter().any(newer)
        }) {
            self.finish(me, index, Fate::Unknown);
        }
    }
}
