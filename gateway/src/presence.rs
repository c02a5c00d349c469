//! Who is online in which room. Somebody is online in a room of theirs while they have a socket open at any gateway.
//!
//! Each gateway tells the bus who of its people is in which room, together and once a second, and asks about the rooms that its sockets receive, in turns. What a gateway
//! that died has said ends with its lease. All of it is bounded and the first thing that is given up: an outbox with something to say gets no presence.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parley_engines::{
    bus::{BusPresence, Online},
    store::{Store, StoreUnavailable},
};
use parley_proto::{RoomId, UserId, limits, wire::ServerFrame};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{
    frame::Frame,
    hub::SocketId,
    limits::{
        Limits,
        load::{Kind, Load},
        places::Places,
    },
    outbox::Outbox,
    recent::{Known, Recent},
    refusal::Refusal,
};

mod people;

use people::People;

/// Changes are told, and rooms asked about, so often.
const TURN: Duration = Duration::from_secs(1);
/// A room is asked about at most so often.
const ROUND: Duration = Duration::from_secs(3);
/// Rooms that are told or asked about in one turn.
const ROOMS_EACH: usize = 300;
/// A store that did not answer is not asked for so long.
const STORE_REST: Duration = Duration::from_secs(10);
/// How long it counts how many members a room has, and who is online there.
const MEMBERS_TTL: Duration = Duration::from_secs(30);
const ONLINE_TTL: Duration = Duration::from_secs(1);
const ROOMS_KEPT: usize = 10_000;

/// Presence as one gateway sees it. Clones are the same.
#[derive(Debug, Clone)]
pub struct Presence {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bus: Arc<dyn BusPresence>,
    store: Arc<dyn Store>,
    places: Places,
    load: Load,
    people: Mutex<People>,
    members: Recent<RoomId, u64>,
    /// The store did not answer: it is not asked before this.
    store_rests_until: Mutex<Option<Instant>>,
    online: Recent<RoomId, Seen>,
}

/// What is told about a room.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// 0 where nobody can say: whoever asks is online.
    pub online: u64,
    /// In order of ids; `None` in large rooms.
    pub users: Option<Vec<UserId>>,
}

impl Presence {
    /// Nobody is here yet.
    pub fn new(bus: Arc<dyn BusPresence>, store: Arc<dyn Store>, limits: &Limits) -> Self {
        let (members, online) = (Recent::new(ROOMS_KEPT, MEMBERS_TTL), Recent::new(ROOMS_KEPT, ONLINE_TTL));
        let shared = Shared {
            bus,
            store,
            places: limits.places.clone(),
            load: limits.load.clone(),
            people: Mutex::default(),
            members,
            store_rests_until: Mutex::default(),
            online,
        };
        Self { shared: Arc::new(shared) }
    }

    /// A socket of `user`, who is a member of these rooms.
    pub(crate) fn open(&self, socket: SocketId, user: UserId, outbox: Outbox, rooms: impl IntoIterator<Item = RoomId>) {
        self.shared.people().open(socket, user, outbox);
        self.enter(socket, rooms);
    }

    /// The socket's person is a member of these rooms.
    pub(crate) fn enter(&self, socket: SocketId, rooms: impl IntoIterator<Item = RoomId>) {
        let mut people = self.shared.people();
        rooms.into_iter().for_each(|room| people.enter(socket, room));
    }

    /// The socket is gone.
    pub(crate) fn close(&self, socket: SocketId) {
        self.shared.people().close(socket);
    }

    /// The socket receives the room: it is told from now on.
    pub(crate) fn watch(&self, socket: SocketId, room: RoomId) {
        let mut people = self.shared.people();
        people.enter(socket, room);
        people.watch(socket, room);
    }

    /// It receives it no more.
    pub(crate) fn unwatch(&self, socket: SocketId, room: RoomId) {
        self.shared.people().unwatch(socket, room);
    }

    /// Its person is no member any more.
    pub(crate) fn leave(&self, socket: SocketId, room: RoomId) {
        let mut people = self.shared.people();
        people.unwatch(socket, room);
        people.leave(socket, room);
    }

    /// Who is online in the room, for a member (judged by the caller).
    ///
    /// # Errors
    /// `overloaded`, before anything else is refused.
    pub async fn of(&self, room: RoomId) -> Result<Seen, Refusal> {
        let _under_way = self.shared.load.begin(Kind::Presence)?;
        Ok(self.shared.seen(room).await.unwrap_or_default())
    }

    /// Tells and asks until `stop`.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TURN);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut asking, mut round_at, mut repeats) = (Vec::new(), Instant::now(), self.shared.places.repeats());
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let repeated = self.shared.places.repeats();
            if repeated != repeats {
                self.shared.people().repeat();
                repeats = repeated;
            }
            self.shared.tell_bus().await;
            if asking.is_empty() && round_at <= Instant::now() {
                asking = self.shared.people().watched();
                round_at = Instant::now() + ROUND;
            }
            let turn = asking.split_off(asking.len().saturating_sub(ROOMS_EACH));
            self.shared.tell_sockets(turn).await;
        }
    }
}

impl Shared {
    fn people(&self) -> MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell_bus(&self) {
        let mut away = false;
        let changes = self.people().take_changes(ROOMS_EACH);
        for (room, come, gone) in changes {
            if !away {
                match self.bus.appear(room, self.places.holder(), &come, &gone).await {
                    Ok(()) => continue,
                    Err(error) => tracing::debug!(%error, "presence.appear"),
                }
            }
            // The others would fail as well, each after a while: they wait for the next turn.
            away = true;
            self.people().changed(room, come.into_iter().chain(gone));
        }
    }

    async fn tell_sockets(&self, rooms: Vec<RoomId>) {
        let mut away = false;
        for room in rooms {
            let Ok(_under_way) = self.load.begin(Kind::Presence) else { return };
            let seen = if away { None } else { self.seen(room).await };
            away = seen.is_none();
            let seen = seen.unwrap_or_default();
            let Some(frame) = Frame::of(&ServerFrame::Presence { room, online: seen.online, users: seen.users.clone() }) else { return };
            self.people().tell(room, &Arc::new(seen), &frame);
        }
    }

    /// `None`: the bus is away.
    async fn seen(&self, room: RoomId) -> Option<Seen> {
        if let Some(Known::Fresh(seen)) = self.online.get(&room) {
            return Some(seen);
        }
        let most = if self.is_large(room).await { 0 } else { limits::PRESENCE_LIST };
        let Online { count, users } = match self.bus.online(room, most).await {
            Ok(online) => online,
            Err(error) => {
                tracing::debug!(%error, "presence.online");
                return None;
            }
        };
        let seen = Seen { online: count, users: (users.len() as u64 == count && most > 0).then_some(users) };
        self.online.put(room, seen.clone());
        Some(seen)
    }

    /// A room that nobody can say the size of counts as large.
    async fn is_large(&self, room: RoomId) -> bool {
        let known = match self.members.get(&room) {
            Some(Known::Fresh(members)) => Some(members),
            stale => match self.ask_for_members(room).await {
                Ok(found) => found.inspect(|members| self.members.put(room, *members)),
                Err(StoreUnavailable(_)) => stale.map(|(Known::Fresh(members) | Known::Stale(members))| members),
            },
        };
        known.is_none_or(|members| members >= limits::PRESENCE_LIST as u64)
    }

    /// A store that hangs would hold up the rooms one after the other.
    async fn ask_for_members(&self, room: RoomId) -> Result<Option<u64>, StoreUnavailable> {
        let rests_until = *self.store_rests_until();
        if rests_until.is_some_and(|until| Instant::now() < until) {
            return Err(StoreUnavailable("it did not answer a moment ago".to_owned()));
        }
        let found = self.store.room(room).await;
        *self.store_rests_until() = found.is_err().then(|| Instant::now() + STORE_REST);
        Ok(found?.map(|found| found.members))
    }

    fn store_rests_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.store_rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
