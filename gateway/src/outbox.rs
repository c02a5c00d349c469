//! A socket's outbox: what is to be written to it, bounded in frames and bytes.
//!
//! A client that does not read fast enough is closed with a resumable code; nothing is ever skipped in the middle.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use parley_proto::{
    planted::{PlantedBug, planted},
    wire::{CloseCode, ServerFrame},
};
use tokio::sync::Notify;

use crate::{frame::Frame, metrics};

/// Bounds of one outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    pub frames: usize,
    pub bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self { frames: 256, bytes: 512 * 1024 }
    }
}

/// The queue between whoever has something to tell a client and the task that writes its socket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: OutboxLimits,
    state: Mutex<State>,
    /// Something was taken, or nothing will be any more.
    drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    close: Option<CloseCode>,
    is_asked_for_cursors: bool,
    /// Of the one that writes, while it waits for something to write.
    writer: Option<Waker>,
}

/// What the writer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// Writes what it was given.
    Frames,
    /// Tells the client its cursors.
    Cursors,
    Close(CloseCode),
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: OutboxLimits) -> Self {
        Self { shared: Arc::new(Shared { limits, state: Mutex::default(), drained: Notify::new() }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues one frame. Over the bounds the socket is closed as too slow, and this and later frames are dropped.
    pub fn push(&self, frame: Frame) {
        let mut state = self.state();
        if state.close.is_some() {
            return;
        }
        let limits = self.shared.limits;
        let is_full = state.frames.len() >= limits.frames || (state.bytes + frame.bytes().len() > limits.bytes && !state.frames.is_empty());
        if is_full && planted(PlantedBug::OutboxDropsMiddle) {
            let middle = state.frames.len() / 2;
            state.frames[middle] = frame;
        } else if is_full {
            metrics::outbox_overflowed();
            state.close = Some(CloseCode::Slow);
            state.frames.clear();
            state.bytes = 0;
            return self.closes(state);
        } else {
            state.bytes += frame.bytes().len();
            state.frames.push_back(frame);
        }
        Self::wake(state);
    }

    /// There is something to write.
    fn wake(mut state: MutexGuard<'_, State>) {
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// A close is to be written, and whoever waits for room need not wait any more.
    fn closes(&self, state: MutexGuard<'_, State>) {
        Self::wake(state);
        self.shared.drained.notify_waiters();
    }

    /// Queues a frame that may be left out, if the outbox is below half of its bounds. Returns whether it did.
    pub fn push_if_idle(&self, frame: &Frame) -> bool {
        {
            let (state, limits) = (self.state(), self.shared.limits);
            if state.close.is_some() || state.frames.len() >= limits.frames / 2 || state.bytes + frame.bytes().len() > limits.bytes / 2 {
                return false;
            }
        }
        self.push(frame.clone());
        true
    }

    /// How many frames wait.
    pub fn len(&self) -> usize {
        self.state().frames.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Encodes and queues a frame.
    pub fn send(&self, frame: &ServerFrame) {
        if let Some(frame) = Frame::of(frame) {
            self.push(frame);
        }
    }

    /// The client knows too little of its cursors: it is told them behind what is queued already.
    pub(crate) fn ask_for_cursors(&self) {
        let mut state = self.state();
        state.is_asked_for_cursors = true;
        Self::wake(state);
    }

    /// Closes the socket after what is queued already; the first reason stays.
    pub fn close(&self, code: CloseCode) {
        let mut state = self.state();
        state.close.get_or_insert(code);
        self.closes(state);
    }

    /// Closes the socket at once: what waits is not written any more, whatever else was to become of it.
    pub fn end(&self, code: CloseCode) {
        let mut state = self.state();
        state.frames.clear();
        state.bytes = 0;
        state.close = Some(code);
        self.closes(state);
    }

    /// Whether a close was asked for.
    pub fn is_closed(&self) -> bool {
        self.state().close.is_some()
    }

    /// Takes everything that is to be written, in exchange for `written`, which is empty. One task waits for that at a time.
    pub fn poll_take(&self, context: &mut Context<'_>, written: &mut VecDeque<Frame>) -> Poll<Outgoing> {
        let mut state = self.state();
        if !state.frames.is_empty() {
            state.bytes = 0;
            std::mem::swap(&mut state.frames, written);
            drop(state);
            self.shared.drained.notify_waiters();
            return Poll::Ready(Outgoing::Frames);
        }
        if let Some(code) = state.close {
            return Poll::Ready(Outgoing::Close(code));
        }
        if std::mem::take(&mut state.is_asked_for_cursors) {
            return Poll::Ready(Outgoing::Cursors);
        }
        state.writer = Some(context.waker().clone());
        Poll::Pending
    }

    #[cfg(test)]
    pub(crate) async fn take(&self, written: &mut VecDeque<Frame>) -> Outgoing {
        std::future::poll_fn(|context| self.poll_take(context, written)).await
    }

    /// Waits until the outbox is below half of its bounds (or closed): a replay goes on only then.
    pub async fn half_empty(&self) {
        loop {
            let drained = self.shared.drained.notified();
            {
                let state = self.state();
                if state.close.is_some() || (state.bytes <= self.shared.limits.bytes / 2 && state.frames.len() <= self.shared.limits.frames / 2) {
                    return;
                }
            }
            drained.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_does_not_read_is_closed_and_nothing_in_the_middle_is_skipped() {
        let outbox = Outbox::new(OutboxLimits { frames: 3, bytes: 1_000 });
        for text in ["a", "b", "c"] {
            outbox.push(text.into());
        }
        assert!(!outbox.is_closed());
        outbox.push("d".into());
        assert!(outbox.is_closed());
        assert!(matches!(outbox.take(&mut VecDeque::new()).await, Outgoing::Close(CloseCode::Slow)));
    }

    #[tokio::test]
    async fn whoever_waits_for_room_goes_on_when_there_will_be_none() {
        type End = fn(&Outbox);
        let ends: [End; 3] = [|outbox| outbox.push("d".into()), |outbox| outbox.close(CloseCode::Drain), |outbox| outbox.end(CloseCode::GoingAway)];
        for end in ends {
            let outbox = Outbox::new(OutboxLimits { frames: 3, bytes: 1_000 });
            for text in ["a", "b", "c"] {
                outbox.push(text.into());
            }
            let waiting = outbox.clone();
            let waiting = tokio::spawn(async move { waiting.half_empty().await });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            end(&outbox);
            tokio::time::timeout(std::time::Duration::from_secs(5), waiting).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn bytes_count_too_but_one_large_frame_may_pass() {
        let outbox = Outbox::new(OutboxLimits { frames: 100, bytes: 10 });
        outbox.push(Frame::text(&"x".repeat(50)));
        assert!(!outbox.is_closed());
        outbox.push("y".into());
        assert!(outbox.is_closed());
    }

    #[tokio::test]
    async fn a_socket_whose_session_ended_is_written_nothing_that_waited() {
        let outbox = Outbox::new(OutboxLimits::default());
        outbox.push("a secret".into());
        outbox.close(CloseCode::Drain);
        outbox.end(CloseCode::SessionEnded);
        outbox.push("another".into());
        assert!(matches!(outbox.take(&mut VecDeque::new()).await, Outgoing::Close(CloseCode::SessionEnded)));
    }
}
