//! A message that is begun and never ended holds memory: it gets a deadline of its own.

use tokio::time::Instant;

use crate::peer::Received;
use parley_proto::limits::MESSAGE_DEADLINE;

/// A control frame's header and mask.
const CONTROL_OVERHEAD: u64 = 6;

/// What has come beyond the last whole message, and since when that is known.
#[derive(Debug)]
pub(super) struct Unfinished {
    received: Received,
    /// Bytes that belong to whole messages.
    whole: u64,
    since: Option<Instant>,
}

impl Unfinished {
    pub(super) fn new(received: Received) -> Self {
        Self { whole: received.bytes(), received, since: None }
    }

    /// A whole message was read. What came with it in one piece counts as whole until more comes.
    pub(super) fn message(&mut self) {
        self.whole = self.received.bytes();
        self.since = None;
    }

    /// A ping or pong was read: one may stand in the middle of a message.
    pub(super) fn control(&mut self, payload: usize) {
        self.whole = (self.whole + CONTROL_OVERHEAD + payload as u64).min(self.received.bytes());
    }

    /// Whether a message is unfinished for too long, as seen by looks at it from time to time.
    pub(super) fn is_overdue(&mut self, now: Instant) -> bool {
        if self.received.bytes() == self.whole {
            self.since = None;
        }
        self.received.bytes() > self.whole && now.duration_since(*self.since.get_or_insert(now)) >= MESSAGE_DEADLINE
    }
}
