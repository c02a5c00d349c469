//! The hub: which sockets receive which rooms, fed by one subscriber connection to the bus.
//!
//! A frame is encoded once and shared by all sockets of a room. What may have been lost on the way is found by gaps and beats and read again.

mod activity;
mod beat;
mod chain;
mod departures;
mod notices;
mod receiving;
mod recheck;
mod room;
mod room_set;
mod sockets;
mod stored;
pub(crate) mod tallies;
mod watcher;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use parley_engines::{
    bus::{Bus, Channel},
    store::{Snapshot, Store, StoreUnavailable, votes::ChangedTallies},
};
use parley_proto::{
    Cursor, PartitionId, Position, RoomId, UserId,
    wire::{CloseCode, ServerFrame},
};
use tokio::{sync::RwLock, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    accounts::sessions::Sessions,
    ends::Ends,
    metrics,
    outbox::{Outbox, Round},
    presence::Presence,
    reader::Reader,
    revocation::Revocations,
    rights::Rights,
};
use activity::Activity;
use beat::{BEAT, Beats};
use departures::Departures;
use notices::Notices;
use receiving::Connection;
pub(crate) use recheck::JUDGE;
use room::Room;
pub(crate) use room::{Entered, NotNow, Told};
use sockets::{Socket, Sockets};
pub use sockets::{SocketId, SocketInfo};
use stored::{Stored, Telling};
use tallies::{Brought, Ticket};

/// Sockets that are told before others have their turn: whoever waits for an ack does not wait until all are told.
const TOLD_AT_ONCE: usize = 64;

/// The hub. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}

struct Inner {
    bus: Arc<dyn Bus>,
    reader: Reader,
    ends: Ends,
    rights: Rights,
    sessions: Sessions,
    partitions: u16,
    rooms: Mutex<HashMap<RoomId, Arc<Room>>>,
    sockets: Mutex<Sockets>,
    next_socket: AtomicU64,
    connection: RwLock<Option<Connection>>,
    beats: Vec<Mutex<Beats>>,
    activity: Mutex<Activity>,
    stored: Mutex<Stored>,
    store: Arc<dyn Store>,
    presence: Presence,
    /// One per partition.
    notices: Vec<Notices>,
    next_ticket: AtomicU64,
    departures: Departures,
    /// Somebody's rights should not wait for the next look.
    look_soon: AtomicBool,
}

/// What a hub works on.
#[derive(Debug)]
pub(crate) struct HubParts {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) partitions: u16,
    pub(crate) reader: Reader,
    pub(crate) ends: Ends,
    /// Told of sockets and their rooms.
    pub(crate) presence: Presence,
    /// Told of ended memberships.
    pub(crate) rights: Rights,
    /// Told of ended sessions.
    pub(crate) sessions: Sessions,
    /// Where this gateway's own are told.
    pub(crate) revocations: Revocations,
}

impl Hub {
    /// A hub that receives from `bus` until `stop`.
    pub(crate) fn start(tasks: &TaskTracker, parts: HubParts, stop: &CancellationToken) -> Self {
        let HubParts { bus, store, partitions, reader, ends, presence, rights, sessions, revocations } = parts;
        let inner = Arc::new(Inner {
            bus,
            reader,
            ends,
            rights,
            sessions,
            partitions,
            rooms: Mutex::default(),
            sockets: Mutex::default(),
            next_socket: AtomicU64::new(1),
            connection: RwLock::default(),
            beats: (0..partitions).map(|_| Mutex::default()).collect(),
            activity: Mutex::default(),
            stored: Mutex::default(),
            store,
            presence,
            notices: (0..partitions).map(|_| Notices::new()).collect(),
            next_ticket: AtomicU64::new(1),
            departures: Departures::default(),
            look_soon: AtomicBool::new(false),
        });
        for task in [Task::Receive, Task::Beat, Task::Chains, Task::Check, Task::HearOurselves] {
            let (inner, stop, here) = (Arc::clone(&inner), stop.clone(), revocations.here());
            tasks.spawn(async move {
                let work = async {
                    match task {
                        Task::Receive => inner.receive().await,
                        Task::Beat => inner.keep_beating().await,
                        Task::Chains => inner.keep_chains().await,
                        Task::Check => inner.keep_checking().await,
                        Task::HearOurselves => inner.hear_ourselves(here).await,
                    }
                };
                tokio::select! {
                    () = work => {}
                    () = stop.cancelled() => {}
                }
            });
        }
        Self { inner }
    }

    /// A new socket. `memberships` are the rooms whose activity it is told of.
    pub fn open(&self, info: SocketInfo, memberships: impl IntoIterator<Item = RoomId>) -> SocketId {
        let id = SocketId(self.inner.next_socket.fetch_add(1, Ordering::Relaxed));
        let memberships: Vec<RoomId> = memberships.into_iter().collect();
        self.inner.presence.open(id, info.user, info.outbox.clone(), memberships.iter().copied());
        Inner::lock(&self.inner.activity).add(id, memberships);
        if self.inner.rights.verified().came(info.user, Instant::now(), recheck::LOOK) {
            self.inner.look_soon.store(true, Ordering::Relaxed);
        }
        Inner::lock(&self.inner.sockets).insert(id, info);
        metrics::sockets(1.0);
        id
    }

    /// The socket is gone.
    pub async fn close(&self, socket: SocketId) {
        let Some(gone) = Inner::lock(&self.inner.sockets).remove(socket) else { return };
        // Nobody writes any more: what waits for room in the outbox ends.
        gone.info.outbox.end(CloseCode::GoingAway);
        metrics::sockets(-1.0);
        Inner::lock(&self.inner.activity).remove_socket(socket);
        self.inner.presence.close(socket);
        for room in gone.rooms.into_vec() {
            self.inner.leave(socket, room).await;
        }
    }

    /// Starts to receive `room` on `socket`: from the return on live frames wait for [`Hub::go_live`]. `false`: it receives as many rooms as it may.
    pub async fn join(&self, socket: SocketId, room: RoomId, most: usize) -> bool {
        let info = {
            let mut sockets = Inner::lock(&self.inner.sockets);
            let Some(entry) = sockets.get_mut(socket) else { return true };
            if !entry.rooms.contains(room) && entry.rooms.len() >= most {
                return false;
            }
            entry.rooms.insert(room);
            entry.info.clone()
        };
        Inner::lock(&self.inner.activity).add(socket, [room]);
        self.inner.presence.watch(socket, room);
        loop {
            let entry = Arc::clone(Inner::lock(&self.inner.rooms).entry(room).or_insert_with(|| Room::new(room, self.inner.departures.clone())));
            // Joined before the channel is looked at: a room with a watcher is never taken out.
            entry.join(socket, info.user, info.outbox.clone());
            if self.inner.subscribe(&entry).await {
                break;
            }
        }
        let (is_open, is_wanted) = {
            let sockets = Inner::lock(&self.inner.sockets);
            let entry = sockets.get(socket);
            (entry.is_some(), entry.is_some_and(|entry| entry.rooms.contains(room)))
        };
        // Whoever closed the socket, or took the room from it meanwhile, could not end what was not there yet.
        if !is_open {
            Inner::lock(&self.inner.activity).remove_socket(socket);
        }
        if !is_wanted {
            self.inner.leave(socket, room).await;
        }
        true
    }

    /// The first answer covers everything below `cursor`, and of the tallies what `brought` says: queues it with `reply`, then what waited.
    pub(crate) fn go_live(&self, socket: SocketId, room: RoomId, cursor: Cursor, brought: Brought, reply: impl FnOnce(&Outbox)) -> Entered {
        const GONE: Entered = Entered::Live { outstanding: None };
        let Some(entry) = self.inner.room(room) else { return GONE };
        let partition = usize::from(room.partition().0);
        let (Some(beats), Some(notices)) = (self.inner.beats.get(partition), self.inner.notices.get(partition)) else { return GONE };
        let ticket = self.inner.ticket();
        // Under this lock the view goes live either before a beat's call is made or after it.
        let mut beats = Inner::lock(beats);
        let beat = beats.view_went_live(cursor);
        let entering = room::Entering { socket, cursor, beat, brought, ticket, chain_known: notices.end().is_some(), voids: notices.voids(room) };
        entry.go_live(&self.inner.reader, entering, reply)
    }

    /// Stops receiving `room`. Returns whether it was received.
    pub async fn leave(&self, socket: SocketId, room: RoomId) -> bool {
        if let Some(entry) = Inner::lock(&self.inner.sockets).get_mut(socket) {
            entry.rooms.remove(room);
        }
        self.inner.presence.unwatch(socket, room);
        self.inner.leave(socket, room).await
    }

    /// Stops receiving everything; where the socket stood in what was live.
    pub(crate) async fn leave_all(&self, socket: SocketId) -> Vec<Told> {
        let places = self.places(socket, Room::known);
        for room in self.inner.rooms_received(socket) {
            self.leave(socket, room.id).await;
        }
        places
    }

    /// Queues something for a room that the socket still receives. `false`: it does not any more, nothing was queued.
    pub(crate) fn queue(&self, socket: SocketId, room: RoomId, frame: &ServerFrame) -> bool {
        self.inner.room(room).is_some_and(|room| room.queue(socket, frame))
    }

    /// Whether the socket receives the room, or will again once it is known that its person still may.
    pub(crate) fn receives(&self, socket: SocketId, room: RoomId) -> bool {
        self.inner.room(room).is_some_and(|room| room.receives(socket))
    }

    /// The newest version of somebody's rights, as the bus has it.
    pub(crate) async fn rights_version(&self, user: UserId) -> Option<u64> {
        self.inner.bus.rights(&[user]).await.ok()?.pop().flatten()
    }

    /// Where the socket stands in a room that it receives.
    pub fn cursor(&self, socket: SocketId, room: RoomId) -> Option<Cursor> {
        self.inner.room(room)?.cursor(socket)
    }

    /// Queues a page that is right only at `cursor` and whose tallies are as of `as_of`; else says why it is not right any more.
    pub(crate) fn at_cursor(&self, socket: SocketId, room: RoomId, cursor: Cursor, as_of: Cursor, queue: impl FnOnce(&Outbox)) -> Result<(), NotNow> {
        self.inner.room(room).ok_or(NotNow::NotReceived)?.at_cursor(socket, cursor, as_of, queue)
    }

    /// Where the socket stands in all of its rooms, tallies included; from now on the client knows.
    pub(crate) fn tell_cursors(&self, socket: SocketId) -> Vec<Told> {
        self.places(socket, Room::tell)
    }

    fn places(&self, socket: SocketId, place: fn(&Room, SocketId, Cursor) -> Option<Told>) -> Vec<Told> {
        let place = |room: Arc<Room>| {
            // Looked at first: what is handed on meanwhile is not counted.
            let end = self.inner.notices.get(usize::from(room.id.partition().0))?.end();
            place(&room, socket, end.unwrap_or_default())
        };
        let mut places: Vec<_> = self.inner.rooms_received(socket).into_iter().filter_map(place).collect();
        places.sort_by_key(|place| place.room);
        places
    }

    /// What changed of a room's tallies from `from` on, with the reader's own changed votes, as of the snapshot's `next`.
    pub(crate) async fn changed_tallies(&self, room: RoomId, reader: UserId, from: Cursor) -> Result<Snapshot<ChangedTallies>, StoreUnavailable> {
        self.inner.changed_tallies(room, reader, from).await
    }

    /// Reads what a first answer left out until the socket's client knows all of it, or has gone.
    pub(crate) fn follow_tallies(&self, socket: SocketId, user: UserId, room: RoomId, ticket: Ticket) -> impl Future<Output = ()> + use<> {
        Arc::clone(&self.inner).follow_tallies(socket, user, room, ticket)
    }

    /// A send of this socket was acked: it is told once the message is stored.
    pub(crate) fn acked(&self, socket: SocketId, room: RoomId, at_most: Position) {
        if let Some(told) = Inner::lock(&self.inner.stored).acked(socket, room, at_most) {
            self.inner.tell_stored(&[told]);
        }
    }

    /// How many sockets there are.
    pub fn sockets(&self) -> usize {
        Inner::lock(&self.inner.sockets).len()
    }
}

#[derive(Debug, Clone, Copy)]
enum Task {
    Receive,
    Beat,
    Chains,
    Check,
    HearOurselves,
}

/// Takes a room that nobody watches out of the hub when it is dropped, whether or not the unsubscribing came to its end.
struct TakenOut<'a> {
    inner: &'a Inner,
    room: RoomId,
}

impl Drop for TakenOut<'_> {
    fn drop(&mut self) {
        Inner::lock(&self.inner.rooms).remove(&self.room);
    }
}

impl Inner {
    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new one.
    fn ticket(&self) -> Ticket {
        Ticket(self.next_ticket.fetch_add(1, Ordering::Relaxed))
    }

    fn room(&self, room: RoomId) -> Option<Arc<Room>> {
        Self::lock(&self.rooms).get(&room).cloned()
    }

    fn rooms_of(&self, partition: PartitionId) -> Vec<Arc<Room>> {
        Self::lock(&self.rooms).values().filter(|room| room.id.partition() == partition).cloned().collect()
    }

    fn rooms_received(&self, socket: SocketId) -> Vec<Arc<Room>> {
        let ids: Vec<_> = Self::lock(&self.sockets).get(socket).map(|entry| entry.rooms.iter().collect()).unwrap_or_default();
        let rooms = Self::lock(&self.rooms);
        ids.iter().filter_map(|id| rooms.get(id).cloned()).collect()
    }

    async fn leave(&self, socket: SocketId, room: RoomId) -> bool {
        let Some(entry) = self.room(room) else { return false };
        let left = entry.leave(socket);
        self.release(&entry).await;
        left
    }

    /// Ends what a room without sockets needs.
    async fn release(&self, entry: &Room) {
        let room = entry.id;
        let mut channel = entry.channel.lock().await;
        if channel.gone || !entry.is_empty() {
            return;
        }
        channel.gone = true;
        // Whoever comes now finds this entry, and the channel held: they subscribe after it is unsubscribed, never before.
        let _taken_out = TakenOut { inner: self, room };
        let connection = self.connection.read().await;
        if let Some(connection) = &*connection
            && channel.subscribed_on == Some(connection.number)
            && let Err(error) = connection.bus.unsubscribe(&[Channel::Room(room)]).await
        {
            tracing::debug!(%error, %room, "hub.unsubscribe");
        }
    }

    async fn keep_beating(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(BEAT);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let beats = (0..self.partitions).map(|partition| self.beat(PartitionId(partition), true));
            futures::future::join_all(beats).await;
            self.tell_activity().await;
            self.tell_reads();
        }
    }

    fn tell_stored(&self, told: &[Telling]) {
        let sockets = Self::lock(&self.sockets);
        for (socket, room, cursor) in told {
            if let Some(entry) = sockets.get(*socket) {
                entry.info.outbox.send(&ServerFrame::Stored { room: *room, cursor: *cursor });
            }
        }
    }

    async fn tell_activity(&self) {
        let told = Self::lock(&self.activity).take();
        for some in told.chunks(TOLD_AT_ONCE) {
            {
                let (sockets, mut round) = (Self::lock(&self.sockets), Round::default());
                for (socket, news) in some {
                    let Some(Socket { info, rooms, .. }) = sockets.get(*socket) else { continue };
                    news.iter().filter(|(room, _)| !rooms.contains(*room)).for_each(|(_, frame)| round.push(&info.outbox, frame.clone()));
                }
            }
            tokio::task::yield_now().await;
        }
    }

    fn tell_reads(&self) {
        let reads = Self::lock(&self.activity).take_reads();
        if reads.is_empty() {
            return;
        }
        let sockets = Self::lock(&self.sockets);
        for (user, rooms) in reads {
            for (_, socket) in sockets.of(user) {
                for (room, seq) in &rooms {
                    socket.info.outbox.send(&ServerFrame::Read { room: *room, seq: *seq });
                }
            }
        }
    }
}
