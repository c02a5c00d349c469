//! The bus in one process: the scripts of [`super::script`] under one lock per partition, and channels in memory. Everything is lost when the process
//! ends, which is what the protocol expects of any bus.
//!
//! Locks are taken in the order partition, then subscribers; a publish hands its events to the subscribers before it lets its partition go, so
//! that each of them gets a partition's events in publish order. No lock is held across an await.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parley_proto::{
    Cursor, PartitionId, RoomId, UserId,
    segment::{Group, MalformedGroup, Segment},
};
use tokio::{
    sync::mpsc::{self, OwnedPermit, error::TrySendError},
    time::Instant,
};

use super::{
    Beat, BusChannels, BusConnection, BusEvent, BusLeases, BusPublish, BusRead, BusRights, BusUnavailable, Channel, Incarnation, Published, RoomFrames, Tail,
    metrics,
    script::{PartitionState, RoomGroup, TailCap},
};

mod limits;
mod presence;

use limits::Limits;
use presence::People;

/// The in-process bus. Clones are the same bus.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedBus(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    partitions: Mutex<HashMap<PartitionId, Arc<Mutex<PartitionState>>>>,
    subscribers: Mutex<Subscribers>,
    /// Gateway → until when it lives.
    gateways: Mutex<BTreeMap<String, Instant>>,
    limits: Limits,
    people: People,
    /// Versions of people's rights. They are kept for as long as the process lives, like its accounts.
    rights: Mutex<HashMap<UserId, u64>>,
    away: AtomicBool,
}

impl EmbeddedBus {
    /// A bus that knows nothing: every partition is unseeded.
    pub fn new() -> Self {
        Self::default()
    }

    fn partition(&self, partition: PartitionId) -> Result<Arc<Mutex<PartitionState>>, BusUnavailable> {
        self.check_away()?;
        Ok(Arc::clone(lock(&self.0.partitions).entry(partition).or_default()))
    }

    fn check_away(&self) -> Result<(), BusUnavailable> {
        if self.0.away.load(Ordering::Relaxed) { Err(BusUnavailable("it was told to be away".to_owned())) } else { Ok(()) }
    }
}

/// Faults, for tests: what a bus in a process of its own does by itself.
impl EmbeddedBus {
    /// Loses everything but the connections, like a server that restarts without its data.
    pub fn empty(&self) {
        for state in lock(&self.0.partitions).values() {
            *lock(state) = PartitionState::default();
        }
        lock(&self.0.gateways).clear();
        self.0.limits.clear();
        self.0.people.clear();
        lock(&self.0.rights).clear();
    }

    /// Loses a partition's state; its rooms' tails stay.
    pub fn evict_partition(&self, partition: PartitionId) {
        if let Some(state) = lock(&self.0.partitions).get(&partition) {
            lock(state).evict_set();
        }
    }

    /// Loses one room's tail.
    pub fn evict_tail(&self, room: RoomId) {
        if let Some(state) = lock(&self.0.partitions).get(&room.partition()) {
            lock(state).evict_tail(room);
        }
    }

    /// A partition's state, to be put back later with [`EmbeddedBus::roll_back`].
    pub fn snapshot(&self, partition: PartitionId) -> PartitionState {
        lock(&self.0.partitions).get(&partition).map(|state| lock(state).clone()).unwrap_or_default()
    }

    /// Puts an older state back, like a fail-over to a replica that lagged behind.
    pub fn roll_back(&self, partition: PartitionId, to: PartitionState) {
        *lock(lock(&self.0.partitions).entry(partition).or_default()) = to;
    }

    /// Cuts every subscriber connection.
    pub fn cut_subscribers(&self) {
        lock(&self.0.subscribers).cut_all();
    }

    /// The next `events` events of this channel reach nobody, and nobody is told.
    pub fn lose_events(&self, channel: Channel, events: usize) {
        lock(&self.0.subscribers).to_lose.insert(channel, events);
    }

    /// While away, every call fails; going away cuts the subscribers.
    pub fn set_away(&self, away: bool) {
        self.0.away.store(away, Ordering::Relaxed);
        if away {
            self.cut_subscribers();
        }
    }
}

#[async_trait]
impl BusPublish for EmbeddedBus {
    async fn publish(&self, partition: PartitionId, from: Cursor, to: Cursor, rooms: Vec<RoomFrames>) -> Result<Published, BusUnavailable> {
        let groups = rooms.into_iter().map(decode).collect::<Result<Vec<_>, _>>().map_err(|error| BusUnavailable(error.to_string()))?;
        let state = self.partition(partition)?;
        let mut state = lock(&state);
        let mut sent = Vec::with_capacity(groups.len());
        let published = state.publish(Instant::now(), from, to, TailCap::default(), groups, &mut sent);
        if !sent.is_empty() {
            lock(&self.0.subscribers).frames(sent);
        }
        Ok(published)
    }

    async fn seed(&self, partition: PartitionId, end: Cursor, incarnation: Incarnation, expected: Option<Incarnation>) -> Result<bool, BusUnavailable> {
        Ok(lock(&*self.partition(partition)?).seed(end, incarnation, expected))
    }
}

#[async_trait]
impl BusRead for EmbeddedBus {
    async fn tail(&self, room: RoomId) -> Result<Tail, BusUnavailable> {
        Ok(lock(&*self.partition(room.partition())?).tail(Instant::now(), room))
    }

    async fn beat(&self, partition: PartitionId, since: Cursor) -> Result<Beat, BusUnavailable> {
        Ok(lock(&*self.partition(partition)?).beat(since))
    }
}

#[async_trait]
impl BusChannels for EmbeddedBus {
    async fn connect(&self, capacity: usize) -> Result<(Box<dyn BusConnection>, mpsc::Receiver<BusEvent>), BusUnavailable> {
        self.check_away()?;
        // One place more than the subscriber's: the last one is kept for telling it that it was cut.
        let (sender, receiver) = mpsc::channel(capacity.max(1) + 1);
        let id = lock(&self.0.subscribers).connect(sender);
        Ok((Box::new(EmbeddedConnection { bus: self.clone(), id }), receiver))
    }

    async fn announce(&self, channel: Channel, payload: Bytes) -> Result<(), BusUnavailable> {
        self.check_away()?;
        if let Channel::Room(_) = channel {
            return Err(BusUnavailable("frames are published, not announced".to_owned()));
        }
        lock(&self.0.subscribers).deliver(channel, &BusEvent::Payload { channel, payload });
        Ok(())
    }
}

#[async_trait]
impl BusRights for EmbeddedBus {
    async fn raise_rights(&self, versions: &[(UserId, u64)]) -> Result<(), BusUnavailable> {
        self.check_away()?;
        let mut rights = lock(&self.0.rights);
        for (user, version) in versions {
            rights.entry(*user).and_modify(|known| *known = (*known).max(*version)).or_insert(*version);
        }
        Ok(())
    }

    async fn rights(&self, users: &[UserId]) -> Result<Vec<Option<u64>>, BusUnavailable> {
        self.check_away()?;
        let rights = lock(&self.0.rights);
        Ok(users.iter().map(|user| rights.get(user).copied()).collect())
    }
}

#[async_trait]
impl BusLeases for EmbeddedBus {
    async fn renew_gateway(&self, gateway: &str, ttl: Duration) -> Result<Vec<String>, BusUnavailable> {
        self.check_away()?;
        let now = Instant::now();
        let mut gateways = lock(&self.0.gateways);
        gateways.insert(gateway.to_owned(), now + ttl);
        gateways.retain(|_, until| *until > now);
        Ok(gateways.keys().cloned().collect())
    }

    async fn remove_gateway(&self, gateway: &str) -> Result<(), BusUnavailable> {
        self.check_away()?;
        lock(&self.0.gateways).remove(gateway);
        Ok(())
    }
}

#[derive(Debug)]
struct EmbeddedConnection {
    bus: EmbeddedBus,
    id: ConnectionId,
}

#[async_trait]
impl BusConnection for EmbeddedConnection {
    async fn subscribe(&self, channels: &[Channel]) -> Result<(), BusUnavailable> {
        self.bus.check_away()?;
        lock(&self.bus.0.subscribers).subscribe(self.id, channels)
    }

    async fn unsubscribe(&self, channels: &[Channel]) -> Result<(), BusUnavailable> {
        self.bus.check_away()?;
        lock(&self.bus.0.subscribers).unsubscribe(self.id, channels);
        Ok(())
    }
}

impl Drop for EmbeddedConnection {
    fn drop(&mut self) {
        lock(&self.bus.0.subscribers).disconnect(self.id);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct ConnectionId(u64);

/// Who hears what.
#[derive(Debug, Default)]
struct Subscribers {
    connections: HashMap<ConnectionId, Connection>,
    by_channel: HashMap<Channel, Vec<ConnectionId>>,
    last_id: u64,
    /// Events still to be lost, for tests.
    to_lose: HashMap<Channel, usize>,
}

#[derive(Debug)]
struct Connection {
    sender: mpsc::Sender<BusEvent>,
    /// The place for [`BusEvent::Cut`]; none from the cut until there is a place again.
    cut: Option<OwnedPermit<BusEvent>>,
    channels: HashSet<Channel>,
}

impl Subscribers {
    fn connect(&mut self, sender: mpsc::Sender<BusEvent>) -> ConnectionId {
        self.last_id += 1;
        let id = ConnectionId(self.last_id);
        let cut = sender.clone().try_reserve_owned().ok();
        self.connections.insert(id, Connection { sender, cut, channels: HashSet::new() });
        id
    }

    fn disconnect(&mut self, id: ConnectionId) {
        self.forget_channels(id);
        self.connections.remove(&id);
    }

    fn subscribe(&mut self, id: ConnectionId, channels: &[Channel]) -> Result<(), BusUnavailable> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Err(BusUnavailable("nobody receives this connection's events".to_owned()));
        };
        if connection.cut.is_none() {
            let place = connection.sender.clone().try_reserve_owned();
            connection.cut = Some(place.map_err(|_| BusUnavailable("this connection was cut and its events are still unread".to_owned()))?);
        }
        for channel in channels {
            if connection.channels.insert(*channel) {
                self.by_channel.entry(*channel).or_default().push(id);
            }
        }
        Ok(())
    }

    fn unsubscribe(&mut self, id: ConnectionId, channels: &[Channel]) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        for channel in channels {
            if connection.channels.remove(channel) {
                remove_from(&mut self.by_channel, *channel, id);
            }
        }
    }

    fn frames(&mut self, sent: Vec<(RoomId, Segment)>) {
        for (room, segment) in sent {
            self.deliver(Channel::Room(room), &BusEvent::Frames { room, segment });
        }
    }

    fn deliver(&mut self, channel: Channel, event: &BusEvent) {
        if let Some(events @ 1..) = self.to_lose.get_mut(&channel) {
            *events -= 1;
            return;
        }
        let Some(ids) = self.by_channel.get(&channel) else { return };
        let mut slow = Vec::new();
        let mut gone = Vec::new();
        for id in ids {
            let Some(connection) = self.connections.get(id) else { continue };
            match connection.sender.try_send(event.clone()) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => slow.push(*id),
                Err(TrySendError::Closed(_)) => gone.push(*id),
            }
        }
        slow.into_iter().for_each(|id| self.cut(id));
        gone.into_iter().for_each(|id| self.disconnect(id));
    }

    fn cut_all(&mut self) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        ids.into_iter().for_each(|id| self.cut(id));
    }

    /// Ends all of the connection's subscriptions and says so behind what is queued already.
    fn cut(&mut self, id: ConnectionId) {
        self.forget_channels(id);
        if let Some(place) = self.connections.get_mut(&id).and_then(|connection| connection.cut.take()) {
            place.send(BusEvent::Cut);
            metrics::subscriber_cut();
        }
    }

    fn forget_channels(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        for channel in connection.channels.drain() {
            remove_from(&mut self.by_channel, channel, id);
        }
    }
}

fn remove_from(by_channel: &mut HashMap<Channel, Vec<ConnectionId>>, channel: Channel, id: ConnectionId) {
    if let Some(ids) = by_channel.get_mut(&channel) {
        ids.retain(|other| *other != id);
        if ids.is_empty() {
            by_channel.remove(&channel);
        }
    }
}

fn decode(rooms: RoomFrames) -> Result<RoomGroup, MalformedGroup> {
    Ok(RoomGroup { room: rooms.room, last: rooms.last, group: Group::from_bytes(rooms.frames)? })
}

/// None of these locks guards a state that a panic could leave half changed and harmful: the protocol repairs what is lost.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
