//! Tells many sockets the same.

use tokio::task::unconstrained;

use super::Outbox;
use crate::frame::Frame;

/// Sockets that are written to in one go, before others on the same processor have their turn.
const AT_ONCE: usize = 64;

/// Queues frames for many sockets, and writes them in tasks that have some of the sockets each. To wake every socket's own task costs more than the write
/// itself: its memory is cold, and it looks after much else. Where the socket does not take everything, its own task is woken after all.
#[derive(Debug, Default)]
pub(crate) struct Round {
    outboxes: Vec<Outbox>,
}

impl Round {
    /// Queues a frame as [`Outbox::push`] does.
    pub(crate) fn push(&mut self, outbox: &Outbox, frame: Frame) {
        let Some(mut state) = outbox.queued(frame) else { return };
        // Whoever is about to write will write this as well.
        if !std::mem::replace(&mut state.is_in_round, true) {
            drop(state);
            self.outboxes.push(outbox.clone());
            if self.outboxes.len() == AT_ONCE {
                self.go();
            }
        }
    }

    fn go(&mut self) {
        let outboxes = std::mem::take(&mut self.outboxes);
        tokio::spawn(unconstrained(async move { outboxes.iter().for_each(Outbox::write_in_round) }));
    }
}

impl Drop for Round {
    fn drop(&mut self) {
        if !self.outboxes.is_empty() {
            self.go();
        }
    }
}
