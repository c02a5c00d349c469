//! Something happened in rooms that a socket does not receive in full, or its person has read elsewhere: told once a second, coalesced, as the persister's
//! notices say it. Nobody looks after a lost notice here: lists of rooms say both.

use std::collections::{HashMap, HashSet};

use parley_proto::{Position, RoomId, UserId, notice::Notice, wire::ServerFrame};

use super::{SocketId, room_set::RoomSet};
use crate::frame::Frame;

/// Who is interested in which rooms, and what they were not told yet.
#[derive(Debug, Default)]
pub(super) struct Activity {
    sockets: HashMap<RoomId, HashSet<SocketId>>,
    rooms: HashMap<SocketId, RoomSet>,
    news: HashMap<RoomId, (Position, u64)>,
    reads: HashMap<UserId, HashMap<RoomId, u64>>,
}

impl Activity {
    pub(super) fn add(&mut self, socket: SocketId, rooms: impl IntoIterator<Item = RoomId>) {
        for room in rooms {
            self.sockets.entry(room).or_default().insert(socket);
            self.rooms.entry(socket).or_default().insert(room);
        }
    }

    pub(super) fn remove(&mut self, socket: SocketId, room: RoomId) {
        if let Some(sockets) = self.sockets.get_mut(&room) {
            sockets.remove(&socket);
            if sockets.is_empty() {
                self.sockets.remove(&room);
                self.news.remove(&room);
            }
        }
        if let Some(rooms) = self.rooms.get_mut(&socket) {
            rooms.remove(room);
        }
    }

    pub(super) fn remove_socket(&mut self, socket: SocketId) {
        for room in self.rooms.remove(&socket).unwrap_or_default().into_vec() {
            self.remove(socket, room);
        }
    }

    /// What the socket is told of.
    pub(super) fn rooms(&self, socket: SocketId) -> impl Iterator<Item = RoomId> {
        self.rooms.get(&socket).into_iter().flat_map(RoomSet::iter)
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        for (room, seq) in &notice.rooms {
            if self.sockets.contains_key(room) {
                self.news.insert(*room, (Position(notice.to.0.saturating_sub(1)), *seq));
            }
        }
        for (room, user, seq) in &notice.reads {
            self.reads.entry(*user).or_default().insert(*room, *seq);
        }
    }

    /// How far people have read, as it is to be told now to each person's sockets.
    pub(super) fn take_reads(&mut self) -> HashMap<UserId, HashMap<RoomId, u64>> {
        std::mem::take(&mut self.reads)
    }

    /// What each socket is to be told now, encoded once for all that are told the same.
    pub(super) fn take(&mut self) -> Vec<(SocketId, Vec<(RoomId, Frame)>)> {
        let mut told: HashMap<SocketId, Vec<(RoomId, Frame)>> = HashMap::new();
        for (room, (position, seq)) in std::mem::take(&mut self.news) {
            let Some(frame) = Frame::of(&ServerFrame::RoomActivity { room, position, seq }) else { continue };
            for socket in self.sockets.get(&room).into_iter().flatten() {
                told.entry(*socket).or_default().push((room, frame.clone()));
            }
        }
        told.into_iter().collect()
    }
}
