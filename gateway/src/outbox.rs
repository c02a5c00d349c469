//! A socket's outbox: what is to be written to it, bounded in frames and bytes, and the writing of it.
//!
//! A client that does not read fast enough is closed with a resumable code; nothing is ever skipped in the middle. Whoever comes first writes, under the
//! outbox's lock: the socket's own task, or one that has told the same to many sockets (see [`Round`]).

mod round;
#[cfg(test)]
mod tests;

use std::{
    collections::VecDeque,
    future::poll_fn,
    io::{self, ErrorKind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use parley_proto::{
    planted::{PlantedBug, planted},
    wire::{CloseCode, ServerFrame},
};
use tokio::sync::Notify;

use crate::{
    frame::Frame,
    metrics,
    wire::{WeakWire, Wire},
};
pub(crate) use round::Round;

/// Frames that an outbox without anything to write keeps room for.
const KEPT: usize = 4;

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

/// The queue between whoever has something to tell a client and the socket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: OutboxLimits,
    state: Mutex<State>,
    /// Something was written, or nothing will be any more.
    drained: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Of the first one, what is not written yet.
    frames: VecDeque<Frame>,
    /// Theirs.
    bytes: usize,
    /// Of all that was ever queued.
    queued: u64,
    /// A part of the first frame is written.
    is_begun: bool,
    wire: WeakWire,
    /// A round is about to write.
    is_in_round: bool,
    close: Option<CloseCode>,
    is_asked_for_cursors: bool,
    /// Nobody vouches for this person's rights any more; and what the socket's task knows of that.
    is_in_doubt: bool,
    is_told_in_doubt: bool,
    /// Of the socket's task, while it waits for something to do.
    task: Option<Waker>,
}

/// What the socket's task has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outgoing {
    /// Waits until the socket takes more.
    Blocked,
    /// Tells the client its cursors.
    Cursors,
    /// Receives nothing of any room while nobody vouches for its person's rights (`true`), and goes on when somebody does again.
    Doubt(bool),
    Close(CloseCode),
    /// Ends: nothing can be written any more.
    Gone,
}

/// What became of what waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    All,
    /// The socket takes no more now.
    Some,
    /// Nothing can be written any more.
    Gone,
}

impl Outbox {
    /// An empty outbox, from which nothing is written yet.
    pub fn new(limits: OutboxLimits) -> Self {
        Self { shared: Arc::new(Shared { limits, state: Mutex::default(), drained: Notify::new() }) }
    }

    /// From here on it is written to `wire`.
    pub(crate) fn write_to(&self, wire: &Wire) {
        self.state().wire = wire.downgrade();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues one frame. Over the bounds the socket is closed as too slow, and this and later frames are dropped.
    pub fn push(&self, frame: Frame) {
        if let Some(state) = self.queued(frame) {
            Self::wake(state);
        }
    }

    /// The state, if the frame was queued.
    fn queued(&self, frame: Frame) -> Option<MutexGuard<'_, State>> {
        let mut state = self.state();
        if state.close.is_some() {
            return None;
        }
        let limits = self.shared.limits;
        let is_full = state.frames.len() >= limits.frames || (state.bytes + frame.bytes().len() > limits.bytes && !state.frames.is_empty());
        if is_full && planted(PlantedBug::OutboxDropsMiddle) {
            let middle = state.frames.len() / 2;
            state.frames[middle] = frame;
        } else if is_full {
            metrics::outbox_overflowed();
            state.close = Some(CloseCode::Slow);
            state.drop_waiting();
            self.closes(state);
            return None;
        } else {
            state.queue(frame);
        }
        Some(state)
    }

    /// There is something to do.
    fn wake(mut state: MutexGuard<'_, State>) {
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
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

    /// What the WebSocket library says on its own, behind what is queued already: pongs, the closing. It has few words, and says them while the socket is
    /// closed as well.
    pub(crate) fn say(&self, bytes: &[u8]) {
        let mut state = self.state();
        state.queue(Frame::raw(bytes));
        self.write_or_wake(state);
    }

    /// The client knows too little of its cursors: it is told them behind what is queued already.
    pub(crate) fn ask_for_cursors(&self) {
        let mut state = self.state();
        state.is_asked_for_cursors = true;
        Self::wake(state);
    }

    /// Whether nobody vouches for this person's rights any more: the socket's task hears of it when that changes.
    pub(crate) fn set_in_doubt(&self, is_in_doubt: bool) {
        let mut state = self.state();
        if std::mem::replace(&mut state.is_in_doubt, is_in_doubt) != is_in_doubt {
            Self::wake(state);
        }
    }

    pub(crate) fn is_in_doubt(&self) -> bool {
        self.state().is_in_doubt
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
        state.drop_waiting();
        state.close = Some(code);
        self.closes(state);
    }

    /// Whether a close was asked for.
    pub fn is_closed(&self) -> bool {
        self.state().close.is_some()
    }

    /// Writes what waits, and says what else there is to do. One task waits for that at a time.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Outgoing> {
        let mut state = self.state();
        match self.write(&mut state, context.waker()) {
            Written::All => {}
            Written::Some => return Poll::Ready(Outgoing::Blocked),
            Written::Gone => return Poll::Ready(Outgoing::Gone),
        }
        if let Some(code) = state.close {
            return Poll::Ready(Outgoing::Close(code));
        }
        if std::mem::take(&mut state.is_asked_for_cursors) {
            return Poll::Ready(Outgoing::Cursors);
        }
        let is_in_doubt = state.is_in_doubt;
        if std::mem::replace(&mut state.is_told_in_doubt, is_in_doubt) != is_in_doubt {
            return Poll::Ready(Outgoing::Doubt(is_in_doubt));
        }
        state.waits(context);
        Poll::Pending
    }

    /// Returns when everything is written that is queued by now.
    pub(crate) async fn written(&self) -> io::Result<()> {
        let goal = self.state().queued;
        poll_fn(|context| {
            let mut state = self.state();
            match self.write(&mut state, context.waker()) {
                Written::Gone => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
                Written::Some if state.written() < goal => {}
                Written::All | Written::Some => return Poll::Ready(Ok(())),
            }
            state.waits(context);
            Poll::Pending
        })
        .await
    }

    /// Writes what a round brought.
    fn write_in_round(&self) {
        let mut state = self.state();
        state.is_in_round = false;
        self.write_or_wake(state);
    }

    /// Writes what waits, from any task. What the socket does not take is left to its own, which may have waited for the socket and has to say so anew.
    fn write_or_wake(&self, mut state: MutexGuard<'_, State>) {
        if self.write(&mut state, Waker::noop()) != Written::All {
            Self::wake(state);
        }
    }

    /// Writes as much of what waits as the socket takes now. Whoever is to be woken when it takes more is.
    fn write(&self, state: &mut State, waker: &Waker) -> Written {
        if state.frames.is_empty() {
            return Written::All;
        }
        let Some(wire) = state.wire.upgrade() else { return Written::Gone };
        let mut written = Written::All;
        while !state.frames.is_empty() {
            match wire.poll_write(&mut Context::from_waker(waker), &state.frames) {
                Poll::Ready(Ok(count @ 1..)) => {
                    state.advance(count);
                    continue;
                }
                Poll::Ready(_) => written = Written::Gone,
                Poll::Pending => written = Written::Some,
            }
            break;
        }
        state.frames.shrink_to(KEPT);
        self.shared.drained.notify_waiters();
        written
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

    /// Takes what waits, in place of a socket.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Vec<Frame> {
        let mut state = self.state();
        state.bytes = 0;
        let taken = state.frames.drain(..).collect();
        self.shared.drained.notify_waiters();
        taken
    }
}

impl State {
    /// The socket's task is to be woken when there is something to do.
    fn waits(&mut self, context: &Context<'_>) {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            self.task = Some(context.waker().clone());
        }
    }

    fn queue(&mut self, frame: Frame) {
        self.bytes += frame.bytes().len();
        self.queued += frame.bytes().len() as u64;
        self.frames.push_back(frame);
    }

    /// Everything but the rest of a frame that was begun: what follows is not to be taken for a part of it.
    fn drop_waiting(&mut self) {
        self.frames.truncate(usize::from(self.is_begun));
        self.bytes = self.frames.iter().map(|frame| frame.bytes().len()).sum();
    }

    /// Of all that was ever queued, what does not wait any more.
    fn written(&self) -> u64 {
        self.queued - self.bytes as u64
    }

    /// So many bytes were written.
    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(first) = self.frames.front_mut().filter(|_| count > 0) {
            let len = first.bytes().len();
            self.is_begun = count < len;
            if self.is_begun {
                return first.advance(count);
            }
            count -= len;
            self.frames.pop_front();
        }
    }
}
