//! A watched room: the views of the sockets that receive it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parley_engines::store::votes::ChangedTallies;
use parley_proto::{
    Cursor, Position, RoomId, UserId,
    notice::ChangedTally,
    wire::{CloseCode, ServerFrame},
};
use tokio::time::Instant;

use super::{
    SocketId,
    tallies::{Brought, Flush, Known, RoomTallies, Ticket, frames, seen_by},
    watcher::{Outcome, Shared, View},
};
use crate::{
    metrics,
    outbox::Outbox,
    reader::{ReadError, Reader},
};

/// Refused records of a room that are remembered.
pub(super) const VOIDS_MAX: usize = 1_000;
/// Between attempts to read what is missing.
const REPAIR_RETRY: Duration = Duration::from_millis(200);

/// One socket in one room.
#[derive(Debug)]
struct Watcher {
    user: UserId,
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
    pub(super) fn join(&self, socket: SocketId, user: UserId, outbox: Outbox) {
        let watcher = Watcher { user, outbox, view: View::joining(self.id), tallies: Known::AsOf(Cursor::ZERO) };
        self.state().watchers.insert(socket, watcher);
    }

    /// Returns whether the socket was here.
    pub(super) fn leave(&self, socket: SocketId) -> bool {
        self.state().watchers.remove(&socket).is_some()
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
        let held = out.held;
        metrics::frames_delivered(emit(watcher, out));
        if let Some(voided) = voided {
            watcher.outbox.send(&voided);
        }
        if held {
            self.start_repair(state, reader);
        }
        Entered::Live { outstanding }
    }

    /// Live frames arrived.
    pub(super) fn apply(self: &Arc<Self>, reader: &Reader, shared: &Arc<Shared>) {
        let mut state = self.state();
        let voided = state.voids_in(self.id, shared.segment.prev, shared.segment.end);
        let (mut held, mut delivered) = (false, 0);
        for watcher in state.watchers.values_mut() {
            let mut out = Outcome::default();
            watcher.view.apply(shared, &mut out);
            if out.held {
                metrics::gap_seen();
                held = true;
            }
            delivered += emit(watcher, out);
            void(watcher, voided.as_ref());
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
        for watcher in state.watchers.values_mut() {
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
        for watcher in state.watchers.values_mut() {
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
        self.state().watchers.values().map(|watcher| watcher.user).collect()
    }

    /// Tallies changed while the chain of notices went from `from` to `to`.
    pub(super) fn tallies_changed(self: &Arc<Self>, from: Cursor, to: Cursor, changed: Vec<ChangedTally>) {
        let mut state = self.state();
        match state.tallies.change(from, to, changed, Instant::now()) {
            Flush::Now => self.flush(&mut state),
            Flush::After(delay) => {
                let room = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    room.flush(&mut room.state());
                });
            }
            Flush::Waits => {}
        }
    }

    fn flush(&self, state: &mut State) {
        let Some(due) = state.tallies.take(Instant::now()) else { return };
        let shared = due.frames(self.id);
        let mut sent = 0;
        for watcher in state.watchers.values().filter(|watcher| watcher.view.is_live()) {
            let own = due.own_frames(self.id, watcher.user);
            for frame in own.as_ref().unwrap_or(&shared) {
                watcher.outbox.push(frame.clone());
                sent += 1;
            }
        }
        metrics::tallies_sent(sent);
    }

    /// The store refused what live frames showed at these positions.
    pub(super) fn voided(&self, positions: Vec<Position>) {
        let mut state = self.state();
        state.remember_voids(positions.iter().copied());
        let frame = ServerFrame::Voided { room: self.id, positions };
        state.watchers.values().for_each(|watcher| void(watcher, Some(&frame)));
    }

    /// From where on tallies have to be read for the view that has the ticket.
    pub(super) fn outstanding(&self, socket: SocketId, ticket: Ticket) -> Option<Cursor> {
        let state = self.state();
        let watcher = state.watchers.get(&socket)?;
        match watcher.tallies {
            Known::Outstanding { floor, ticket: theirs } if theirs == ticket => Some(floor),
            _ => None,
        }
    }

    /// What was read from `floor` on. A page that was sent meanwhile may have lowered the floor: then this says too little and is read again.
    pub(super) fn tallies_read(&self, socket: SocketId, ticket: Ticket, floor: Cursor, as_of: Cursor, read: &ChangedTallies) {
        let mut state = self.state();
        let Some(watcher) = state.watchers.get_mut(&socket) else { return };
        if watcher.tallies != (Known::Outstanding { floor, ticket }) {
            return;
        }
        let frames = frames(self.id, as_of, read.items.iter().map(|changed| seen_by(watcher.user, changed)));
        metrics::tallies_sent(frames.len());
        frames.into_iter().for_each(|frame| watcher.outbox.push(frame));
        watcher.tallies = if read.complete_to < as_of { Known::Outstanding { floor: read.complete_to, ticket } } else { Known::AsOf(as_of) };
    }

    /// How far the view's cursor is above what the client knows.
    pub(super) fn untold(&self, socket: SocketId) -> u64 {
        self.with_view(socket, |view| view.untold()).unwrap_or_default()
    }

    /// Runs `queue` if the socket's cursor is still `cursor` and no tally changed since `as_of`.
    pub(super) fn at_cursor(&self, socket: SocketId, cursor: Cursor, as_of: Cursor, queue: impl FnOnce(&Outbox)) -> Result<(), NotNow> {
        let mut state = self.state();
        let is_stale = state.tallies.is_newer_than(as_of);
        let watcher = state.watchers.get_mut(&socket).filter(|watcher| watcher.view.is_live()).ok_or(NotNow::NotReceived)?;
        if watcher.view.cursor() != cursor {
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
                let wanted = state.watchers.values().filter(|watcher| !watcher.outbox.is_closed()).filter_map(|watcher| watcher.view.wanted());
                let range = wanted.reduce(|(from, to), (other_from, other_to)| (from.min(other_from), to.max(other_to)));
                state.repairing = range.is_some();
                range
            };
            let Some((from, to)) = range else { return };
            match reader.read(self.id, from, to).await {
                Ok(segment) => {
                    let shared = Shared::read(segment);
                    let mut state = self.state();
                    // What waited behind the repair comes with it.
                    let voided = state.voids_in(self.id, shared.segment.prev, Cursor::LIMIT);
                    for watcher in state.watchers.values_mut() {
                        let mut out = Outcome::default();
                        watcher.view.repair(&shared, &mut out);
                        metrics::frames_delivered(emit(watcher, out));
                        void(watcher, voided.as_ref());
                    }
                }
                Err(ReadError::TooMuch) => {
                    // They come back, resume, and are told to resync.
                    let state = self.state();
                    for watcher in state.watchers.values().filter(|watcher| watcher.view.wanted().is_some_and(|(cursor, _)| cursor == from)) {
                        watcher.outbox.close(CloseCode::Slow);
                    }
                }
                Err(ReadError::Pending) => tokio::time::sleep(REPAIR_RETRY).await,
            }
        }
    }
}

/// Tells a client that is shown the room what of it the store refused.
fn void(watcher: &Watcher, voided: Option<&ServerFrame>) {
    if let Some(voided) = voided.filter(|_| watcher.view.is_live()) {
        watcher.outbox.send(voided);
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

#[cfg(test)]
mod tests {
    use parley_engines::{
        bus::embedded::EmbeddedBus,
        log::embedded::{EmbeddedLog, EmbeddedLogConfig},
        store::sqlite::SqliteStore,
    };
    use parley_proto::{MessageId, PartitionId, wire::VoteValue};
    use uuid::Uuid;

    use super::{super::tallies::ReadTallies, *};
    use crate::outbox::{OutboxLimits, Outgoing};

    const SOCKET: SocketId = SocketId(1);
    const TICKET: Ticket = Ticket(1);

    /// A room with one socket of user 1 that has not gone live yet.
    struct World {
        room: Arc<Room>,
        reader: Reader,
        outbox: Outbox,
        _folder: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(folder.path().join("store.db")).await.unwrap();
            let log = EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 2)).await.unwrap();
            let reader = Reader::new(Arc::new(log), Arc::new(EmbeddedBus::new()), Arc::new(store));
            let (room, outbox) = (Room::new(RoomId::new(PartitionId(1), [1; 16])), Outbox::new(OutboxLimits::default()));
            room.join(SOCKET, user(1), outbox.clone());
            Self { room, reader, outbox, _folder: folder }
        }

        fn enter(&self, cursor: u64, floor: u64, read: Option<(u64, u64)>) -> Entered {
            let read = read.map(|(as_of, below)| ReadTallies { as_of: Cursor(as_of), below: Cursor(below) });
            let brought = Brought { floor: Cursor(floor), read };
            let entering = Entering { socket: SOCKET, cursor: Cursor(cursor), beat: 0, brought, ticket: TICKET, chain_known: true, voids: Vec::new() };
            self.room.go_live(&self.reader, entering, |outbox| outbox.push("reply".into()))
        }

        fn changed(&self, from: u64, to: u64, up: u64) {
            self.room.tallies_changed(Cursor(from), Cursor(to), vec![changed(up)]);
        }

        fn as_of(&self, end: u64) -> u64 {
            self.room.tell(SOCKET, Cursor(end)).unwrap().as_of.0
        }

        async fn sent(&self) -> usize {
            match self.outbox.take().await {
                Outgoing::Frames(frames) => frames.len(),
                Outgoing::Close(code) => panic!("{code:?}"),
            }
        }
    }

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    fn changed(up: u64) -> ChangedTally {
        let room = RoomId::new(PartitionId(1), [1; 16]);
        ChangedTally { room, target: MessageId(Uuid::from_u128(5)), position: Position(3), up, down: 0, votes: vec![(user(1), VoteValue::UP)] }
    }

    #[tokio::test]
    async fn an_answer_whose_tallies_are_older_than_what_was_handed_on_does_not_leave() {
        for (as_of, below, entered) in
            [(8, 20, Entered::Stale), (20, 8, Entered::Stale), (9, 9, Entered::Live { outstanding: None }), (20, 20, Entered::Live { outstanding: None })]
        {
            let world = World::new().await;
            world.changed(5, 9, 1);
            assert_eq!(world.enter(20, 3, Some((as_of, below))), entered, "{as_of} {below}");
        }
        let world = World::new().await;
        let brought = Brought { floor: Cursor(3), read: Some(ReadTallies { as_of: Cursor(9), below: Cursor(9) }) };
        let entering = Entering { socket: SOCKET, cursor: Cursor(9), beat: 0, brought, ticket: TICKET, chain_known: false, voids: Vec::new() };
        assert_eq!(world.room.go_live(&world.reader, entering, |_| {}), Entered::Stale, "nobody knows yet what is handed on");
    }

    #[tokio::test]
    async fn while_tallies_are_outstanding_the_token_stands_still_and_afterwards_it_rises_with_what_is_flushed() {
        let world = World::new().await;
        assert_eq!(world.enter(20, 3, None), Entered::Live { outstanding: Some(TICKET) });
        world.changed(5, 9, 1);
        assert_eq!((world.as_of(9), world.room.outstanding(SOCKET, TICKET)), (3, Some(Cursor(3))));
        let piece = ChangedTallies { items: vec![changed(2)], complete_to: Cursor(7) };
        world.room.tallies_read(SOCKET, TICKET, Cursor(3), Cursor(12), &piece);
        assert_eq!(world.room.outstanding(SOCKET, TICKET), Some(Cursor(7)), "the first piece is not all");
        let rest = ChangedTallies { items: vec![changed(2)], complete_to: Cursor(12) };
        world.room.tallies_read(SOCKET, TICKET, Cursor(3), Cursor(12), &rest);
        assert_eq!(world.room.outstanding(SOCKET, TICKET), Some(Cursor(7)), "what was read from another floor says nothing");
        world.room.tallies_read(SOCKET, TICKET, Cursor(7), Cursor(12), &rest);
        assert_eq!((world.room.outstanding(SOCKET, TICKET), world.as_of(14)), (None, 14));
        assert_eq!(world.sent().await, 4, "the reply, a flush, two pieces");
        // What waits for a flush is not known yet.
        world.changed(14, 16, 3);
        assert_eq!(world.as_of(16), 14);
    }

    #[tokio::test]
    async fn what_the_store_refused_before_a_socket_came_is_taken_away_from_it_too() {
        for after in [false, true] {
            let world = World::new().await;
            if !after {
                world.room.voided(vec![Position(7)]);
            }
            world.enter(20, 3, Some((20, 20)));
            if after {
                world.room.voided(vec![Position(7)]);
            }
            assert_eq!(world.sent().await, 2, "the reply, and what is void");
        }
    }

    #[tokio::test]
    async fn a_page_lowers_what_is_outstanding_and_does_not_leave_with_older_tallies() {
        let world = World::new().await;
        world.enter(20, 15, None);
        assert_eq!(world.room.at_cursor(SOCKET, Cursor(20), Cursor(11), |_| {}), Ok(()));
        assert_eq!(world.room.outstanding(SOCKET, TICKET), Some(Cursor(11)));
        world.changed(12, 14, 1);
        assert_eq!(world.room.at_cursor(SOCKET, Cursor(20), Cursor(13), |_| {}), Err(NotNow::Stale));
        assert_eq!(world.room.at_cursor(SOCKET, Cursor(19), Cursor(14), |_| {}), Err(NotNow::Moved(Cursor(20))));
        assert_eq!(world.room.at_cursor(SOCKET, Cursor(20), Cursor(14), |_| {}), Ok(()));
    }
}
