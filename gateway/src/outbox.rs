//! A socket's outbox: what is to be written to it, bounded in frames and bytes, and the writing of it.
//!
//! A client that does not read fast enough is closed with a resumable code; nothing is ever skipped in the middle. Whoever comes first writes, under the
//! outbox's lock: the socket's own task, or one that has told the same to many sockets (see [`Round`]).

mod round;

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::AsyncReadExt,
        net::{TcpListener, TcpStream},
    };

    use super::*;

    const FEW: OutboxLimits = OutboxLimits { frames: 3, bytes: 1_000 };

    /// An outbox from which is written, and the other end.
    async fn wired(limits: OutboxLimits) -> (Outbox, Wire, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (theirs, ours) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (outbox, wire) = (Outbox::new(limits), Wire::new(ours.unwrap().0));
        wire.write_from(&outbox);
        (outbox, wire, theirs.unwrap())
    }

    async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut bytes)).await.unwrap().unwrap();
        bytes
    }

    /// What the socket's task does next.
    async fn outgoing(outbox: &Outbox) -> Outgoing {
        tokio::time::timeout(Duration::from_secs(5), poll_fn(|context| outbox.poll(context))).await.unwrap()
    }

    /// Frames, each of another letter.
    fn letters(len: usize) -> Vec<Frame> {
        ('a'..='z').map(|letter| Frame::text(&letter.to_string().repeat(len))).collect()
    }

    fn bytes(frames: &[Frame]) -> Vec<u8> {
        frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect()
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_closed_and_nothing_in_the_middle_is_skipped() {
        let outbox = Outbox::new(FEW);
        for text in ["a", "b", "c"] {
            outbox.push(text.into());
        }
        assert!(!outbox.is_closed());
        outbox.push("d".into());
        assert!(outbox.is_closed());
        assert_eq!(outgoing(&outbox).await, Outgoing::Close(CloseCode::Slow));
    }

    #[tokio::test]
    async fn whoever_waits_for_room_goes_on_when_there_will_be_none() {
        type End = fn(&Outbox);
        let ends: [End; 3] = [|outbox| outbox.push("d".into()), |outbox| outbox.close(CloseCode::Drain), |outbox| outbox.end(CloseCode::GoingAway)];
        for end in ends {
            let outbox = Outbox::new(FEW);
            for text in ["a", "b", "c"] {
                outbox.push(text.into());
            }
            let waiting = outbox.clone();
            let waiting = tokio::spawn(async move { waiting.half_empty().await });
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
            end(&outbox);
            tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
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
        assert_eq!(outgoing(&outbox).await, Outgoing::Close(CloseCode::SessionEnded));
    }

    #[tokio::test]
    async fn what_is_queued_is_written_before_the_socket_is_closed() {
        let (outbox, _wire, mut theirs) = wired(OutboxLimits::default()).await;
        let frames = letters(3);
        frames.iter().for_each(|frame| outbox.push(frame.clone()));
        outbox.close(CloseCode::Drain);
        assert_eq!(outgoing(&outbox).await, Outgoing::Close(CloseCode::Drain));
        assert_eq!(read(&mut theirs, bytes(&frames).len()).await, bytes(&frames));
    }

    #[tokio::test]
    async fn a_round_writes_though_no_task_of_the_socket_runs() {
        let mut sockets = Vec::new();
        for _ in 0..100 {
            sockets.push(wired(OutboxLimits::default()).await);
        }
        let frames = letters(3);
        let mut round = Round::default();
        for frame in &frames {
            sockets.iter().for_each(|(outbox, ..)| round.push(outbox, frame.clone()));
        }
        drop(round);
        for (outbox, _, theirs) in &mut sockets {
            assert_eq!(read(theirs, bytes(&frames).len()).await, bytes(&frames));
            assert!(outbox.is_empty());
        }
    }

    #[tokio::test]
    async fn what_a_full_socket_does_not_take_is_written_by_its_task_in_order_and_in_one_piece() {
        let (outbox, _wire, mut theirs) = wired(OutboxLimits { frames: 100, bytes: usize::MAX }).await;
        let task = outbox.clone();
        let task = tokio::spawn(async move {
            assert_eq!(outgoing(&task).await, Outgoing::Blocked);
            task.written().await.unwrap();
        });
        tokio::task::yield_now().await;
        // More than the kernel takes from somebody who does not read.
        let mut frames = letters(1_000_000);
        let mut round = Round::default();
        frames.iter().for_each(|frame| round.push(&outbox, frame.clone()));
        drop(round);
        while !outbox.state().is_begun {
            tokio::task::yield_now().await;
        }
        // A pong does not come between a frame and its rest.
        outbox.say(b"pong");
        frames.push(Frame::raw(b"pong"));
        assert!(read(&mut theirs, bytes(&frames).len()).await == bytes(&frames));
        task.await.unwrap();
        assert_eq!((outbox.len(), outbox.state().bytes), (0, 0));
    }

    #[tokio::test]
    async fn of_a_frame_that_was_begun_the_rest_is_written_whatever_else_is_dropped() {
        let (outbox, _wire, mut theirs) = wired(OutboxLimits { frames: 100, bytes: usize::MAX }).await;
        let frames = letters(1_000_000);
        frames.iter().for_each(|frame| outbox.push(frame.clone()));
        assert_eq!(outgoing(&outbox).await, Outgoing::Blocked);
        outbox.end(CloseCode::SessionEnded);
        let left = outbox.state().bytes;
        assert!(left < bytes(&frames[..1]).len() && outbox.len() <= 1, "{left}");
        outbox.say(b"closed");
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            all
        });
        outbox.written().await.unwrap();
        drop(_wire);
        let all = reading.await.unwrap();
        let whole = bytes(&frames);
        let (said, closed) = all.split_at(all.len() - b"closed".len());
        assert!(whole.starts_with(said) && said.len() % bytes(&frames[..1]).len() == 0 && closed == b"closed");
    }

    #[tokio::test]
    async fn a_socket_that_is_gone_ends_its_task() {
        let (outbox, wire, _theirs) = wired(OutboxLimits::default()).await;
        drop(wire);
        outbox.push("a".into());
        assert_eq!(outgoing(&outbox).await, Outgoing::Gone);
        outbox.written().await.unwrap_err();
    }
}
