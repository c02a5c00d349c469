//! A watched room: the views of the sockets that receive it.

mod repair;
mod tallying;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use parley_proto::{
    Cursor, ErrorCode, Position, RoomId, UserId, WINDOW,
    planted::{PlantedBug, planted},
    wire::ServerFrame,
};

use super::{
    SocketId,
    departures::Departures,
    tallies::{Brought, Known, RoomTallies, Ticket},
    watcher::{Outcome, Shared, View},
};
use crate::{
    metrics,
    outbox::{Outbox, Round},
    reader::Reader,
};

/// Refused records of a room that are remembered.
pub(super) const VOIDS_MAX: usize = 1_000;
/// A client is told its cursors when one of them is ahead of its knowledge by more than this.
const UNTOLD_MAX: u64 = WINDOW / 8;

/// One socket in one room.
#[derive(Debug)]
struct Watcher {
    outbox: Outbox,
    view: View,
    /// What the client knows of the tallies, once it is live.
    tallies: Known,
}

#[derive(Debug, Default)]
struct State {
    /// By socket: a large room has thousands, and each asks for its own place again and again.
    watchers: BTreeMap<SocketId, Watcher>,
    repairing: bool,
    tallies: RoomTallies,
    /// What the store refused here: tail and log still have it, and may show it again.
    voids: BTreeSet<Position>,
}

impl State {
    /// Remembers the newest.
    fn remember_voids(&mut self, positions: impl IntoIterator<Item = Position>) {
        self.voids.extend(positions);
        while self.voids.len() > VOIDS_MAX {
            self.voids.pop_first();
        }
    }

    /// What was shown of [from, to) though the store refused it.
    fn voids_in(&self, room: RoomId, from: Cursor, to: Cursor) -> Option<ServerFrame> {
        if from >= to {
            return None;
        }
        let positions: Vec<_> = self.voids.range(from.position()..to.position()).copied().collect();
        (!positions.is_empty()).then_some(ServerFrame::Voided { room, positions })
    }
}

/// A room that at least one socket of this gateway watches.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: RoomId,
    departures: Departures,
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

/// A first answer on its way in.
#[derive(Debug, Clone)]
pub(super) struct Entering {
    pub(super) socket: SocketId,
    pub(super) cursor: Cursor,
    pub(super) beat: u64,
    pub(super) brought: Brought,
    /// For whoever reads what the answer could not bring.
    pub(super) ticket: Ticket,
    /// Changes of tallies are handed on by now.
    pub(super) chain_known: bool,
    /// What the store is known to have refused in this room.
    pub(super) voids: Vec<Position>,
}

/// What became of a first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The room is live; with a ticket the tallies have to follow.
    Live { outstanding: Option<Ticket> },
    /// Too much waited: put it together again.
    Overflowed,
    /// The tallies that it brings are older than what was handed on before: read them again, or leave them out.
    Stale,
}

/// Why a page can't be queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// The socket stands here by now.
    Moved(Cursor),
    /// Tallies changed since they were read.
    Stale,
    NotReceived,
}

/// Where a socket's client stands in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) room: RoomId,
    pub(crate) cursor: Cursor,
    /// Its tallies count every vote below this.
    pub(crate) as_of: Cursor,
}

impl Room {
    pub(super) fn new(id: RoomId, departures: Departures) -> Arc<Self> {
        Arc::new(Self { id, departures, state: Mutex::default(), channel: tokio::sync::Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().watchers.is_empty()
    }

    /// Adds a view whose first answer is being put together; live segments wait for it. A view that the socket had is replaced.
    pub(super) fn join(&self, socket: SocketId, user: UserId, outbox: Outbox) {
        let watcher = Watcher { outbox, view: View::joining(self.id, user), tallies: Known::AsOf(Cursor::ZERO) };
        self.state().watchers.insert(socket, watcher);
    }

    /// Returns whether the socket was here.
    pub(super) fn leave(&self, socket: SocketId) -> bool {
        self.state().watchers.remove(&socket).is_some()
    }

    /// The same for a socket that has no right to be here any more: it is told before anything that comes later.
    pub(super) fn expel(&self, socket: SocketId) {
        let mut state = self.state();
        if let Some(watcher) = state.watchers.remove(&socket) {
            watcher.outbox.send(&ServerFrame::Unsubscribed { reference: None, room: self.id, code: Some(ErrorCode::NotFound) });
        }
    }

    pub(super) fn receives(&self, socket: SocketId) -> bool {
        self.state().watchers.contains_key(&socket)
    }

    /// Queues a frame for a socket that is here.
    pub(super) fn queue(&self, socket: SocketId, frame: &ServerFrame) -> bool {
        let state = self.state();
        state.watchers.get(&socket).is_some_and(|watcher| {
            watcher.outbox.send(frame);
            true
        })
    }

    /// See [`View::go_live`]; `reply` is queued first.
    pub(super) fn go_live(self: &Arc<Self>, reader: &Reader, entering: Entering, reply: impl FnOnce(&Outbox)) -> Entered {
        let Entering { socket, cursor, beat, brought, ticket, chain_known, voids } = entering;
        let mut state = self.state();
        let state = &mut *state;
        state.remember_voids(voids);
        let voided = state.voids_in(self.id, Cursor::ZERO, Cursor::LIMIT);
        let Some(watcher) = state.watchers.get_mut(&socket) else { return Entered::Live { outstanding: None } };
        let (known, outstanding) = match brought.read {
            // Tallies of messages above `below` that were handed on already reached this view as little as those that were read before.
            Some(read) if !chain_known || state.tallies.is_newer_than(read.as_of.min(read.below)) => return Entered::Stale,
            Some(read) => (Known::AsOf(read.as_of), None),
            None => (Known::Outstanding { floor: brought.floor, ticket }, Some(ticket)),
        };
        let mut out = Outcome::default();
        if !watcher.view.go_live(cursor, beat, &mut out) {
            return Entered::Overflowed;
        }
        watcher.tallies = known;
        reply(&watcher.outbox);
        metrics::frames_delivered(self.emit(watcher, &mut out, state.tallies.flushed(), &mut Round::default()));
        if let Some(voided) = voided.filter(|_| watcher.view.is_live()) {
            watcher.outbox.send(&voided);
        }
        if out.held {
            self.start_repair(state, reader);
        }
        Entered::Live { outstanding }
    }

    /// Live frames arrived. How many frames were queued.
    pub(super) fn apply(self: &Arc<Self>, reader: &Reader, shared: &Arc<Shared>) -> usize {
        let mut state = self.state();
        let voided = state.voids_in(self.id, shared.segment.prev, shared.segment.end);
        let flushed = state.tallies.flushed();
        let (mut held, mut delivered) = (false, 0);
        let (mut out, mut round) = (Outcome::default(), Round::default());
        for watcher in state.watchers.values_mut() {
            watcher.view.apply(shared, &mut out);
            if std::mem::take(&mut out.held) {
                metrics::gap_seen();
                held = true;
            }
            delivered += self.emit(watcher, &mut out, flushed, &mut round);
            void(watcher, voided.as_ref());
        }
        metrics::frames_delivered(delivered);
        if held {
            self.start_repair(&mut state, reader);
        }
        delivered
    }

    /// A beat's word on this room: see [`View::beat`].
    pub(super) fn beat(self: &Arc<Self>, reader: &Reader, beat: u64, score: Option<Position>, seed: Cursor, next: Cursor, grace: bool) {
        let up = score.map_or(seed, |score| score.next().max(seed));
        if self.ask_views(reader, |view| view.beat(beat, up, next, grace)) {
            metrics::beat_repaired();
        }
    }

    /// Everything up to `to` is to be delivered, from wherever it is: the bus is away.
    pub(super) fn catch_up(self: &Arc<Self>, reader: &Reader, to: Cursor) {
        self.ask_views(reader, |view| view.want(to));
    }

    /// Whether the room has ended for a socket of this person.
    pub(super) fn has_departed(&self, user: UserId) -> bool {
        self.state().watchers.values().any(|watcher| watcher.view.user() == user && watcher.view.has_departed())
    }

    /// The person is a member after all: they left and came back. What they missed is read; of the tallies, by whoever has the ticket, for these sockets.
    pub(super) fn come_back(self: &Arc<Self>, reader: &Reader, user: UserId, ticket: Ticket) -> Vec<SocketId> {
        let mut state = self.state();
        let voided = state.voids_in(self.id, Cursor::ZERO, Cursor::LIMIT);
        let (mut sockets, mut held) = (Vec::new(), false);
        for (socket, watcher) in state.watchers.iter_mut().filter(|(_, watcher)| watcher.view.user() == user && watcher.view.has_departed()) {
            held |= watcher.view.come_back();
            watcher.tallies.go_on(ticket);
            void(watcher, voided.as_ref());
            sockets.push(*socket);
        }
        if held {
            self.start_repair(&mut state, reader);
        }
        sockets
    }

    /// Repairs the room if one of the views says that it needs it; whether one did. A client that knows too little of where it is then is told.
    fn ask_views(self: &Arc<Self>, reader: &Reader, mut needs: impl FnMut(&mut View) -> bool) -> bool {
        let mut state = self.state();
        let mut held = false;
        for watcher in state.watchers.values_mut() {
            held |= needs(&mut watcher.view);
            if watcher.view.is_live() && watcher.view.untold() > UNTOLD_MAX {
                watcher.outbox.ask_for_cursors();
            }
        }
        if held {
            self.start_repair(&mut state, reader);
        }
        held
    }

    /// Where the socket's view stands once it is live.
    pub(super) fn cursor(&self, socket: SocketId) -> Option<Cursor> {
        self.with_view(socket, |view| view.cursor())
    }

    /// Where the view stands, the chain of notices having got to `end`; the client is told by the caller.
    pub(super) fn tell(&self, socket: SocketId, end: Cursor) -> Option<Told> {
        self.place(socket, end, View::tell)
    }

    /// Where the client stands, as far as it knows.
    pub(super) fn known(&self, socket: SocketId, end: Cursor) -> Option<Told> {
        self.place(socket, end, View::known)
    }

    fn place(&self, socket: SocketId, end: Cursor, cursor: fn(&mut View) -> Cursor) -> Option<Told> {
        let mut state = self.state();
        let flushed = state.tallies.told(end);
        let watcher = state.watchers.get_mut(&socket).filter(|watcher| watcher.view.is_live())?;
        let as_of = match watcher.tallies {
            Known::Outstanding { floor, .. } => floor,
            Known::AsOf(as_of) => as_of.max(flushed),
        };
        Some(Told { room: self.id, cursor: cursor(&mut watcher.view), as_of })
    }

    /// Who watches.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.state().watchers.values().map(|watcher| watcher.view.user()).collect()
    }

    /// The store refused what live frames showed at these positions.
    pub(super) fn voided(&self, positions: Vec<Position>) {
        let mut state = self.state();
        state.remember_voids(positions.iter().copied());
        let frame = ServerFrame::Voided { room: self.id, positions };
        state.watchers.values().for_each(|watcher| void(watcher, Some(&frame)));
    }

    /// Runs `queue` if the socket's cursor is still `cursor` and no tally changed since `as_of`.
    pub(super) fn at_cursor(&self, socket: SocketId, cursor: Cursor, as_of: Cursor, queue: impl FnOnce(&Outbox)) -> Result<(), NotNow> {
        let mut state = self.state();
        let is_stale = state.tallies.is_newer_than(as_of);
        let watcher = state.watchers.get_mut(&socket).filter(|watcher| watcher.view.is_live()).ok_or(NotNow::NotReceived)?;
        if watcher.view.cursor() != cursor && !planted(PlantedBug::PageBeforeCursor) {
            return Err(NotNow::Moved(watcher.view.cursor()));
        }
        if is_stale {
            return Err(NotNow::Stale);
        }
        queue(&watcher.outbox);
        watcher.tallies.lower(as_of);
        Ok(())
    }

    fn with_view<T>(&self, socket: SocketId, look: impl FnOnce(&mut View) -> T) -> Option<T> {
        let mut state = self.state();
        state.watchers.get_mut(&socket).filter(|watcher| watcher.view.is_live()).map(|watcher| look(&mut watcher.view))
    }

    /// Queues what the view gave; how many frames.
    fn emit(&self, watcher: &mut Watcher, out: &mut Outcome, flushed: Cursor, round: &mut Round) -> usize {
        let count = out.frames.len();
        for frame in out.frames.drain(..) {
            round.push(&watcher.outbox, frame);
        }
        if std::mem::take(&mut out.departed) {
            watcher.tallies.stop(flushed);
            self.departures.seen(watcher.view.user(), self.id);
        }
        count
    }
}

/// Tells a client that is shown the room what of it the store refused.
fn void(watcher: &Watcher, voided: Option<&ServerFrame>) {
    if let Some(voided) = voided.filter(|_| watcher.view.is_live()) {
        watcher.outbox.send(voided);
    }
}
