//! A gateway's own people: which socket is whose, in which rooms they are, what was not told yet. No I/O, no clock.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use parley_proto::{RoomId, UserId};

use super::Seen;
use crate::{frame::Frame, hub::SocketId, outbox::Outbox};

/// Rooms in which one socket makes its person seen; whoever is in more is offline in the others.
const ROOMS_MAX: usize = 1_000;

/// Everybody with a socket here.
#[derive(Debug, Default)]
pub(super) struct People {
    sockets: HashMap<SocketId, Socket>,
    /// How many sockets each person has here, per room of theirs.
    here: HashMap<RoomId, HashMap<UserId, usize>>,
    /// Who came or went since the bus was told.
    changed: HashMap<RoomId, HashSet<UserId>>,
    /// Their rooms, in the order in which they are told: none waits for ever behind others.
    waiting: VecDeque<RoomId>,
    /// Sockets that receive a room, and what each was told last.
    watchers: HashMap<RoomId, HashMap<SocketId, Option<Arc<Seen>>>>,
}

#[derive(Debug)]
struct Socket {
    user: UserId,
    outbox: Outbox,
    rooms: HashSet<RoomId>,
}

impl People {
    pub(super) fn open(&mut self, socket: SocketId, user: UserId, outbox: Outbox) {
        self.sockets.insert(socket, Socket { user, outbox, rooms: HashSet::new() });
    }

    pub(super) fn close(&mut self, socket: SocketId) {
        let rooms: Vec<RoomId> = self.sockets.get(&socket).map(|entry| entry.rooms.iter().copied().collect()).unwrap_or_default();
        for room in rooms {
            self.unwatch(socket, room);
            self.leave(socket, room);
        }
        self.sockets.remove(&socket);
    }

    pub(super) fn enter(&mut self, socket: SocketId, room: RoomId) {
        let Some(entry) = self.sockets.get_mut(&socket) else { return };
        if entry.rooms.len() < ROOMS_MAX && entry.rooms.insert(room) {
            let sockets = self.here.entry(room).or_default().entry(entry.user).or_default();
            *sockets += 1;
            if *sockets == 1 {
                let user = entry.user;
                self.changed(room, [user]);
            }
        }
    }

    pub(super) fn leave(&mut self, socket: SocketId, room: RoomId) {
        let Some(entry) = self.sockets.get_mut(&socket) else { return };
        if !entry.rooms.remove(&room) {
            return;
        }
        let user = entry.user;
        let Some(users) = self.here.get_mut(&room) else { return };
        let Some(sockets) = users.get_mut(&user) else { return };
        *sockets -= 1;
        if *sockets > 0 {
            return;
        }
        users.remove(&user);
        if users.is_empty() {
            self.here.remove(&room);
        }
        self.changed(room, [user]);
    }

    pub(super) fn watch(&mut self, socket: SocketId, room: RoomId) {
        if self.sockets.get(&socket).is_some_and(|entry| entry.rooms.contains(&room)) {
            self.watchers.entry(room).or_default().insert(socket, None);
        }
    }

    pub(super) fn unwatch(&mut self, socket: SocketId, room: RoomId) {
        if let Some(watchers) = self.watchers.get_mut(&room) {
            watchers.remove(&socket);
            if watchers.is_empty() {
                self.watchers.remove(&room);
            }
        }
    }

    pub(super) fn watched(&self) -> Vec<RoomId> {
        self.watchers.keys().copied().collect()
    }

    /// Tells the sockets that were told something else, or nothing, and whose outbox has nothing better to do.
    pub(super) fn tell(&mut self, room: RoomId, seen: &Arc<Seen>, frame: &Frame) {
        for (socket, told) in self.watchers.get_mut(&room).into_iter().flatten() {
            let Some(entry) = self.sockets.get(socket) else { continue };
            if told.as_ref() != Some(seen) && entry.outbox.push_if_idle(frame) {
                *told = Some(Arc::clone(seen));
            }
        }
    }

    /// Of so many rooms: who came, who is gone.
    pub(super) fn take_changes(&mut self, rooms: usize) -> Vec<(RoomId, Vec<UserId>, Vec<UserId>)> {
        let some: Vec<RoomId> = self.waiting.drain(..rooms.min(self.waiting.len())).collect();
        some.into_iter()
            .filter_map(|room| {
                let users = self.changed.remove(&room)?;
                let here = self.here.get(&room);
                let (come, gone) = users.into_iter().partition(|user| here.is_some_and(|here| here.contains_key(user)));
                Some((room, come, gone))
            })
            .collect()
    }

    /// These have to be told again.
    pub(super) fn changed(&mut self, room: RoomId, users: impl IntoIterator<Item = UserId>) {
        let changed = self.changed.entry(room).or_default();
        if changed.is_empty() {
            self.waiting.push_back(room);
        }
        changed.extend(users);
    }

    /// Everybody has to be told again.
    pub(super) fn repeat(&mut self) {
        let here: Vec<(RoomId, Vec<UserId>)> = self.here.iter().map(|(room, users)| (*room, users.keys().copied().collect())).collect();
        for (room, users) in here {
            self.changed(room, users);
        }
    }
}

#[cfg(test)]
mod tests {
    use parley_proto::PartitionId;
    use uuid::Uuid;

    use super::*;
    use crate::outbox::OutboxLimits;

    fn room(n: u8) -> RoomId {
        RoomId::new(PartitionId(0), [n; 16])
    }

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn open(people: &mut People, socket: u64, of: u128, rooms: &[u8]) -> Outbox {
        let outbox = Outbox::new(OutboxLimits { frames: 4, bytes: 1_000 });
        people.open(SocketId::of(socket), user(of), outbox.clone());
        rooms.iter().for_each(|n| people.enter(SocketId::of(socket), room(*n)));
        outbox
    }

    fn changes(people: &mut People) -> Vec<(RoomId, Vec<UserId>, Vec<UserId>)> {
        let mut changes = people.take_changes(usize::MAX);
        changes.sort_unstable();
        changes
    }

    #[test]
    fn somebody_with_two_sockets_is_gone_when_both_are() {
        let mut people = People::default();
        open(&mut people, 1, 7, &[1, 2]);
        open(&mut people, 2, 7, &[1]);
        assert_eq!(changes(&mut people), [(room(1), vec![user(7)], vec![]), (room(2), vec![user(7)], vec![])]);
        people.close(SocketId::of(1));
        assert_eq!(changes(&mut people), [(room(2), vec![], vec![user(7)])]);
        people.repeat();
        assert_eq!(changes(&mut people), [(room(1), vec![user(7)], vec![])]);
        people.leave(SocketId::of(2), room(1));
        assert_eq!(changes(&mut people), [(room(1), vec![], vec![user(7)])]);
        people.close(SocketId::of(2));
        assert!(changes(&mut people).is_empty() && people.here.is_empty() && people.sockets.is_empty());
    }

    #[test]
    fn who_came_and_went_between_two_turns_makes_one_change() {
        let mut people = People::default();
        for socket in 0..100 {
            open(&mut people, socket, 7, &[1]);
            people.close(SocketId::of(socket));
        }
        assert_eq!(changes(&mut people), [(room(1), vec![], vec![user(7)])]);
    }

    #[test]
    fn each_room_has_its_turn_however_often_all_are_told_again() {
        let mut people = People::default();
        open(&mut people, 1, 7, &[1, 2, 3, 4, 5]);
        let mut told = HashSet::new();
        for _ in 0..3 {
            told.extend(people.take_changes(2).into_iter().map(|(room, ..)| room));
            people.repeat();
        }
        assert_eq!(told.len(), 5);
    }

    #[test]
    fn a_socket_is_told_what_is_new_and_only_while_it_has_nothing_better_to_do() {
        let mut people = People::default();
        let (idle, busy) = (open(&mut people, 1, 1, &[1]), open(&mut people, 2, 2, &[1]));
        open(&mut people, 3, 3, &[1]);
        people.watch(SocketId::of(1), room(1));
        people.watch(SocketId::of(2), room(1));
        (0..3).for_each(|_| busy.push("a message".into()));
        for _ in 0..3 {
            people.tell(room(1), &Arc::new(Seen { online: 3, users: None }), &"presence".into());
        }
        assert_eq!((idle.len(), busy.len()), (1, 3), "once; and not at all");
        people.tell(room(1), &Arc::new(Seen { online: 2, users: None }), &"presence".into());
        assert_eq!(idle.len(), 2);
        people.close(SocketId::of(1));
        people.close(SocketId::of(2));
        assert!(people.watched().is_empty());
    }
}
