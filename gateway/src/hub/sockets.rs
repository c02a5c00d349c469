//! The sockets of this process, by id and by person: what happens to one person costs nothing for all the others.

use std::collections::{BTreeSet, HashMap, HashSet};

use parley_proto::{SessionId, UnixMillis, UserId};

use super::room_set::RoomSet;
use crate::outbox::Outbox;

/// A socket of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub(super) u64);

#[cfg(test)]
impl SocketId {
    pub(crate) fn of(number: u64) -> Self {
        Self(number)
    }
}

/// Who is behind a socket.
#[derive(Debug, Clone)]
pub struct SocketInfo {
    pub user: UserId,
    pub session: SessionId,
    pub outbox: Outbox,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) info: SocketInfo,
    /// What it receives.
    pub(super) rooms: RoomSet,
    /// Of its session, once it was read.
    pub(super) expires_at: Option<UnixMillis>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    sockets: HashMap<SocketId, Socket>,
    of: BTreeSet<(UserId, SocketId)>,
}

impl Sockets {
    pub(super) fn insert(&mut self, id: SocketId, info: SocketInfo) {
        self.of.insert((info.user, id));
        self.sockets.insert(id, Socket { info, rooms: RoomSet::default(), expires_at: None });
    }

    pub(super) fn remove(&mut self, id: SocketId) -> Option<Socket> {
        let gone = self.sockets.remove(&id)?;
        self.of.remove(&(gone.info.user, id));
        Some(gone)
    }

    pub(super) fn get(&self, id: SocketId) -> Option<&Socket> {
        self.sockets.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SocketId) -> Option<&mut Socket> {
        self.sockets.get_mut(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.sockets.len()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Socket> {
        self.sockets.values()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SocketId, &Socket)> {
        self.sockets.iter().map(|(id, socket)| (*id, socket))
    }

    /// A person's.
    pub(super) fn of(&self, user: UserId) -> impl Iterator<Item = (SocketId, &Socket)> {
        let ids = self.of.range((user, SocketId(u64::MIN))..=(user, SocketId(u64::MAX)));
        ids.filter_map(|(_, id)| Some((*id, self.sockets.get(id)?)))
    }

    /// Of everybody who has a socket, each once.
    pub(super) fn people(&self) -> HashSet<UserId> {
        self.of.iter().map(|(user, _)| *user).collect()
    }
}
