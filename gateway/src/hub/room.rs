//! A watched room: the views of the sockets that receive it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parley_proto::{Cursor, Position, RoomId, wire::CloseCode};

use super::{
    SocketId,
    watcher::{Outcome, Shared, View},
};
use crate::{
    metrics,
    outbox::Outbox,
    reader::{ReadError, Reader},
};

/// Between attempts to read what is missing.
const REPAIR_RETRY: Duration = Duration::from_millis(200);

/// One socket in one room.
#[derive(Debug)]
struct Watcher {
    socket: SocketId,
    outbox: Outbox,
    view: View,
}

#[derive(Debug, Default)]
struct State {
    watchers: Vec<Watcher>,
    repairing: bool,
}

/// A room that at least one socket of this gateway watches.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: RoomId,
    state: Mutex<State>,
    /// On which bus connection its channel is subscribed; held while that changes.
    pub(super) channel: tokio::sync::Mutex<RoomChannel>,
}

#[derive(Debug, Default)]
pub(super) struct RoomChannel {
    /// Number of the connection.
    pub(super) subscribed_on: Option<u64>,
    /// The last watcher left and the room was taken out of the hub: get another one.
    pub(super) gone: bool,
}

impl Room {
    pub(super) fn new(id: RoomId) -> Arc<Self> {
        Arc::new(Self { id, state: Mutex::default(), channel: tokio::sync::Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().watchers.is_empty()
    }

    /// Adds a view whose first answer is being put together; live segments wait for it. A view that the socket had is replaced.
    pub(super) fn join(&self, socket: SocketId, outbox: Outbox) {
        let mut state = self.state();
        state.watchers.retain(|watcher| watcher.socket != socket);
        state.watchers.push(Watcher { socket, outbox, view: View::joining(self.id) });
    }

    /// Returns whether the socket was here.
    pub(super) fn leave(&self, socket: SocketId) -> bool {
        let mut state = self.state();
        let before = state.watchers.len();
        state.watchers.retain(|watcher| watcher.socket != socket);
        state.watchers.len() != before
    }

    /// See [`View::go_live`]; `reply` is queued first.
    pub(super) fn go_live(self: &Arc<Self>, reader: &Reader, socket: SocketId, cursor: Cursor, beat: u64, reply: impl FnOnce(&Outbox)) -> bool {
        let mut state = self.state();
        let Some(watcher) = state.watchers.iter_mut().find(|watcher| watcher.socket == socket) else { return true };
        let mut out = Outcome::default();
        if !watcher.view.go_live(cursor, beat, &mut out) {
            return false;
        }
        reply(&watcher.outbox);
        let held = out.held;
        metrics::frames_delivered(emit(watcher, out));
        if held {
            self.start_repair(&mut state, reader);
        }
        true
    }

    /// Live frames arrived.
    pub(super) fn apply(self: &Arc<Self>, reader: &Reader, shared: &Arc<Shared>) {
        let mut state = self.state();
        let (mut held, mut delivered) = (false, 0);
        for watcher in &mut state.watchers {
            let mut out = Outcome::default();
            watcher.view.apply(shared, &mut out);
            if out.held {
                metrics::gap_seen();
                held = true;
            }
            delivered += emit(watcher, out);
        }
        metrics::frames_delivered(delivered);
        if held {
            self.start_repair(&mut state, reader);
        }
    }

    /// A beat's word on this room: see [`View::beat`].
    pub(super) fn beat(self: &Arc<Self>, reader: &Reader, beat: u64, score: Option<Position>, seed: Cursor, next: Cursor, grace: bool) {
        let up = score.map_or(seed, |score| score.next().max(seed));
        let mut state = self.state();
        let mut held = false;
        for watcher in &mut state.watchers {
            held |= watcher.view.beat(beat, up, next, grace);
        }
        if held {
            metrics::beat_repaired();
            self.start_repair(&mut state, reader);
        }
    }

    /// Everything up to `to` is to be delivered, from wherever it is: the bus is away.
    pub(super) fn catch_up(self: &Arc<Self>, reader: &Reader, to: Cursor) {
        let mut state = self.state();
        let mut held = false;
        for watcher in &mut state.watchers {
            held |= watcher.view.want(to);
        }
        if held {
            self.start_repair(&mut state, reader);
        }
    }

    /// Where the socket's view stands once it is live.
    pub(super) fn cursor(&self, socket: SocketId) -> Option<Cursor> {
        self.with_view(socket, |view| view.cursor())
    }

    /// Where the view stands, and how much of it the client doesn't know; the client is told by the caller.
    pub(super) fn tell(&self, socket: SocketId) -> Option<Cursor> {
        self.with_view(socket, View::tell)
    }

    /// How far the view's cursor is above what the client knows.
    pub(super) fn untold(&self, socket: SocketId) -> u64 {
        self.with_view(socket, |view| view.untold()).unwrap_or_default()
    }

    /// Runs `queue` if the socket's cursor is still `cursor`; else returns where it is now (`None`: no longer here).
    pub(super) fn at_cursor(&self, socket: SocketId, cursor: Cursor, queue: impl FnOnce(&Outbox)) -> Result<(), Option<Cursor>> {
        let mut state = self.state();
        let watcher = state.watchers.iter_mut().find(|watcher| watcher.socket == socket && watcher.view.is_live()).ok_or(None)?;
        if watcher.view.cursor() == cursor {
            queue(&watcher.outbox);
            Ok(())
        } else {
            Err(Some(watcher.view.cursor()))
        }
    }

    fn with_view<T>(&self, socket: SocketId, look: impl FnOnce(&mut View) -> T) -> Option<T> {
        let mut state = self.state();
        state.watchers.iter_mut().find(|watcher| watcher.socket == socket && watcher.view.is_live()).map(|watcher| look(&mut watcher.view))
    }

    fn start_repair(self: &Arc<Self>, state: &mut State, reader: &Reader) {
        if !std::mem::replace(&mut state.repairing, true) {
            tokio::spawn(Arc::clone(self).repair(reader.clone()));
        }
    }

    /// Reads what held views miss until none is held. Ends with the last watcher.
    async fn repair(self: Arc<Self>, reader: Reader) {
        loop {
            let range = {
                let mut state = self.state();
                let wanted = state.watchers.iter().filter(|watcher| !watcher.outbox.is_closed()).filter_map(|watcher| watcher.view.wanted());
                let range = wanted.reduce(|(from, to), (other_from, other_to)| (from.min(other_from), to.max(other_to)));
                state.repairing = range.is_some();
                range
            };
            let Some((from, to)) = range else { return };
            match reader.read(self.id, from, to).await {
                Ok(segment) => {
                    let shared = Shared::new(segment);
                    for watcher in &mut self.state().watchers {
                        let mut out = Outcome::default();
                        watcher.view.repair(&shared, &mut out);
                        metrics::frames_delivered(emit(watcher, out));
                    }
                }
                Err(ReadError::TooMuch) => {
                    // They come back, resume, and are told to resync.
                    let state = self.state();
                    for watcher in state.watchers.iter().filter(|watcher| watcher.view.wanted().is_some_and(|(cursor, _)| cursor == from)) {
                        watcher.outbox.close(CloseCode::Slow);
                    }
                }
                Err(ReadError::Pending) => tokio::time::sleep(REPAIR_RETRY).await,
            }
        }
    }
}

/// Queues what the view gave; how many frames.
fn emit(watcher: &Watcher, out: Outcome) -> usize {
    let count = out.frames.len();
    for frame in out.frames {
        watcher.outbox.push(frame);
    }
    count
}
