//! A socket's rooms. They are few, and every socket has such sets: in order, in one piece of memory.

use parley_proto::RoomId;

#[derive(Debug, Default)]
pub(super) struct RoomSet(Vec<RoomId>);

impl RoomSet {
    pub(super) fn insert(&mut self, room: RoomId) {
        if let Err(at) = self.0.binary_search(&room) {
            self.0.insert(at, room);
        }
    }

    pub(super) fn remove(&mut self, room: RoomId) {
        if let Ok(at) = self.0.binary_search(&room) {
            self.0.remove(at);
        }
    }

    pub(super) fn contains(&self, room: RoomId) -> bool {
        self.0.binary_search(&room).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = RoomId> {
        self.0.iter().copied()
    }

    pub(super) fn into_vec(self) -> Vec<RoomId> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use parley_proto::PartitionId;

    use super::*;

    #[test]
    fn each_room_is_in_it_once_whatever_came_first() {
        let room = |number| RoomId::new(PartitionId(1), [number; 16]);
        let mut rooms = RoomSet::default();
        [3, 1, 2, 3, 1].into_iter().for_each(|number| rooms.insert(room(number)));
        assert!(rooms.len() == 3 && rooms.contains(room(2)) && !rooms.contains(room(4)));
        rooms.remove(room(2));
        rooms.remove(room(4));
        assert!(rooms.iter().eq([room(1), room(3)]) && !rooms.contains(room(2)));
    }
}
