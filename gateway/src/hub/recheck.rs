//! Ended rights reach the sockets: at once where somebody says so, and by a look at everybody's rights every ten seconds for what was lost on the way.
//!
//! The store is asked first: one statement for all the people of this gateway, by the version that grows with each right that ends. The bus keeps those versions and
//! stands in while the store is away. Whom neither vouches for receives nothing more, and goes on where they stood once one of them does.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::StreamExt;
use parley_engines::{
    bus::RIGHTS_BATCH,
    store::{StoreUnavailable, accounts::Session},
};
use parley_proto::{
    RoomId, SessionId, UnixMillis, UserId,
    planted::{PlantedBug, planted},
    wire::CloseCode,
};
use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::{Instant, timeout},
};

use super::{Inner, Socket, SocketId, SocketInfo};
use crate::{clock, metrics, revocation::Revocation, rights::LOOK_DEADLINE};

/// Between two looks at everybody's rights.
pub(super) const LOOK: Duration = Duration::from_secs(10);
/// Between two looks while somebody's rights are in doubt.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// How often it is judged who receives.
pub(crate) const JUDGE: Duration = Duration::from_secs(1);
/// People whose rights are read at a time.
const READ_AT_ONCE: usize = 8;

impl Inner {
    /// What this gateway ended itself needs no bus.
    pub(super) async fn hear_ourselves(self: Arc<Self>, mut here: broadcast::Receiver<Revocation>) {
        loop {
            match here.recv().await {
                Ok(revocation) => self.revoke(&revocation).await,
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "hub.revocations.lagged"),
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    /// A right ended: nothing more goes to the sockets that had it.
    pub(super) async fn revoke(&self, revocation: &Revocation) {
        if (revocation.session.is_none() && revocation.user.is_none()) || planted(PlantedBug::RevocationIgnored) {
            return;
        }
        self.rights.revoked(revocation);
        if let Some(session) = revocation.session {
            self.sessions.ended(session);
        }
        let affected: Vec<(SocketId, SocketInfo)> = {
            let sockets = Self::lock(&self.sockets);
            let theirs: Box<dyn Iterator<Item = (SocketId, &Socket)>> = match revocation.user {
                Some(user) => Box::new(sockets.of(user)),
                None => Box::new(sockets.iter()),
            };
            theirs
                .filter(|(_, socket)| revocation.session.is_none_or(|session| session == socket.info.session))
                .map(|(id, socket)| (id, socket.info.clone()))
                .collect()
        };
        for (socket, info) in affected {
            match revocation.room {
                None => info.outbox.end(CloseCode::SessionEnded),
                Some(room) => self.expel(socket, room).await,
            }
        }
    }

    async fn expel(&self, socket: SocketId, room: RoomId) {
        if let Some(entry) = Self::lock(&self.sockets).get_mut(socket) {
            entry.rooms.remove(room);
        }
        Self::lock(&self.activity).remove(socket, room);
        self.presence.leave(socket, room);
        if let Some(entry) = self.room(room) {
            entry.expel(socket);
            self.release(&entry).await;
        }
    }

    /// Looks at everybody's rights again and again, and judges who receives.
    pub(super) async fn keep_checking(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(JUDGE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut next_look = Instant::now() + LOOK;
        loop {
            ticks.tick().await;
            if self.look_soon.swap(false, Ordering::Relaxed) || Instant::now() >= next_look {
                let is_everybody_verified = timeout(LOOK_DEADLINE, self.look()).await.unwrap_or(false);
                next_look = Instant::now() + if is_everybody_verified { LOOK } else { LOOK_AGAIN };
            }
            self.settle_departures().await;
            self.judge();
        }
    }

    /// Asks after everybody who has a socket. Returns whether all were vouched for.
    async fn look(&self) -> bool {
        let begun = Instant::now();
        let people = Self::lock(&self.sockets).people();
        self.rights.verified().present(&people, begun);
        let mut all = true;
        for some in people.into_iter().collect::<Vec<_>>().chunks(RIGHTS_BATCH) {
            all &= self.look_at(some, begun).await;
        }
        self.close_expired(clock::now());
        all
    }

    async fn look_at(&self, people: &[UserId], begun: Instant) -> bool {
        let verified = self.rights.verified();
        match self.store.rights_versions(people).await {
            Ok(versions) => {
                metrics::rights_checked("store", people.len());
                let changed = verified.store_said(&versions, begun);
                let reading = futures::stream::iter(changed).map(|(user, version)| self.read_rights(user, version, begun)).buffer_unordered(READ_AT_ONCE);
                // The bus is told for the time when the store is away, whether or not that comes before everything is read.
                let (raised, read) = tokio::join!(self.bus.raise_rights(&versions), reading.collect::<Vec<Result<(), StoreUnavailable>>>());
                if let Err(error) = raised {
                    tracing::debug!(%error, "hub.rights.raise");
                }
                read.iter().all(Result::is_ok)
            }
            Err(error) => {
                tracing::debug!(%error, "hub.rights.store");
                verified.store_is_away();
                self.look_on_the_bus(people, begun).await;
                false
            }
        }
    }

    async fn look_on_the_bus(&self, people: &[UserId], begun: Instant) {
        match self.bus.rights(people).await {
            Ok(versions) => {
                metrics::rights_checked("bus", people.len());
                for (user, version) in people.iter().zip(versions) {
                    self.rights.verified().bus_said(*user, version, begun);
                }
            }
            Err(error) => {
                metrics::rights_checked("nobody", people.len());
                tracing::debug!(%error, "hub.rights.bus");
            }
        }
    }

    /// Something of this person's has ended since their rights were read last, or they were never read here.
    async fn read_rights(&self, user: UserId, version: u64, begun: Instant) -> Result<(), StoreUnavailable> {
        // Looked at first: what is joined while the store is asked is judged by whoever lets it in.
        let (sessions, rooms) = self.held_by(user);
        let mut ended = Vec::new();
        for id in sessions {
            match self.store.session(id).await?.filter(|session| is_live(session, user, clock::now())) {
                Some(session) => self.session_lives_until(user, id, session.expires_at),
                None => ended.push(Revocation::of_session(id)),
            }
        }
        let heard = self.rights.revocations();
        let memberships: HashSet<RoomId> = self.rights.memberships(user, begun).await?.into_iter().map(|membership| membership.room).collect();
        self.tell_of(user, &memberships, heard);
        ended.extend(rooms.difference(&memberships).map(|room| Revocation::of_member(user, *room)));
        for revocation in &ended {
            metrics::revocation_found();
            self.revoke(revocation).await;
        }
        self.rights.verified().read(user, version, begun);
        Ok(())
    }

    /// A socket that was opened while the store was away is told of its person's rooms from now on, unless a right was revoked since `heard`: the next look does it then.
    fn tell_of(&self, user: UserId, memberships: &HashSet<RoomId>, heard: u64) {
        let ids: Vec<SocketId> = Self::lock(&self.sockets).of(user).map(|(id, _)| id).collect();
        for id in ids {
            let new: Vec<RoomId> = {
                let mut activity = Self::lock(&self.activity);
                let known: HashSet<RoomId> = activity.rooms(id).collect();
                let new: Vec<RoomId> = memberships.difference(&known).copied().collect();
                activity.add(id, new.iter().copied());
                new
            };
            self.presence.enter(id, new.iter().copied());
            // Looked at afterwards: a revocation that came in between, or the socket's end, found nothing to end.
            if Self::lock(&self.sockets).get(id).is_none() {
                Self::lock(&self.activity).remove_socket(id);
            } else if self.rights.revocations() != heard {
                for room in new {
                    Self::lock(&self.activity).remove(id, room);
                    self.presence.leave(id, room);
                }
            }
        }
    }

    /// The sessions of a person's sockets, and the rooms that they receive or are told of.
    fn held_by(&self, user: UserId) -> (HashSet<SessionId>, HashSet<RoomId>) {
        let (mut sessions, mut rooms, mut ids) = (HashSet::new(), HashSet::new(), Vec::new());
        for (id, socket) in Self::lock(&self.sockets).of(user) {
            sessions.insert(socket.info.session);
            rooms.extend(socket.rooms.iter());
            ids.push(id);
        }
        let activity = Self::lock(&self.activity);
        rooms.extend(ids.into_iter().flat_map(|id| activity.rooms(id)));
        (sessions, rooms)
    }

    fn session_lives_until(&self, user: UserId, session: SessionId, expires_at: UnixMillis) {
        let mut sockets = Self::lock(&self.sockets);
        let ids: Vec<_> = sockets.of(user).filter(|(_, socket)| socket.info.session == session).map(|(id, _)| id).collect();
        for id in ids {
            if let Some(socket) = sockets.get_mut(id) {
                socket.expires_at = Some(expires_at);
            }
        }
    }

    fn close_expired(&self, now: UnixMillis) {
        for socket in Self::lock(&self.sockets).values().filter(|socket| socket.expires_at.is_some_and(|at| at.0 <= now.0)) {
            socket.info.outbox.end(CloseCode::SessionEnded);
        }
    }

    /// Tells the sockets whose people became overdue, or are vouched for again.
    fn judge(&self) {
        let now = Instant::now();
        let mut overdue: HashMap<UserId, bool> = HashMap::new();
        let mut stopped = 0;
        for socket in Self::lock(&self.sockets).values() {
            let user = socket.info.user;
            let is_overdue = *overdue.entry(user).or_insert_with(|| self.rights.verified().is_overdue(user, now));
            stopped += usize::from(is_overdue);
            socket.info.outbox.set_in_doubt(is_overdue);
        }
        metrics::sockets_unverified(stopped);
    }
}

fn is_live(session: &Session, user: UserId, now: UnixMillis) -> bool {
    !session.ended && session.user == user && now.0 < session.expires_at.0
}
