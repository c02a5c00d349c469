//! A message that is begun and never ended holds memory: it gets a deadline of its own.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::FutureExt;
use tokio::time::{Sleep, sleep};

use crate::wire::Wire;
use parley_proto::limits::MESSAGE_DEADLINE;

/// A control frame's header and mask.
const CONTROL_OVERHEAD: u64 = 6;

/// What has come beyond the last whole message, and how long that may stay so.
#[derive(Debug)]
pub(super) struct Unfinished {
    wire: Wire,
    /// Bytes that belong to whole messages.
    whole: u64,
    /// Begun when something unfinished was first seen: most messages come whole.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Unfinished {
    pub(super) fn new(wire: Wire) -> Self {
        Self { whole: wire.received(), wire, deadline: None }
    }

    /// A whole message was read. What came with it in one piece counts as whole until more comes.
    pub(super) fn message(&mut self) {
        self.whole = self.wire.received();
        self.deadline = None;
    }

    /// A ping or pong was read: one may stand in the middle of a message.
    pub(super) fn control(&mut self, payload: usize) {
        self.whole = (self.whole + CONTROL_OVERHEAD + payload as u64).min(self.wire.received());
    }

    /// Ready once a message has been unfinished for too long. Asked whenever there is nothing more to read.
    pub(super) fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.wire.received() == self.whole {
            self.deadline = None;
            return Poll::Pending;
        }
        self.deadline.get_or_insert_with(|| Box::pin(sleep(MESSAGE_DEADLINE))).poll_unpin(context)
    }
}
