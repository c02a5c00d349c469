//! Which request about a room is a socket's newest. Each is dealt with in a task of its own and may be held up, by the store for instance; one that comes to its turn
//! after a newer one must not take effect: its client waits for the newer one's answer alone, and would miss what the older one's page has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use parley_proto::{
    ErrorCode, RoomId,
    planted::{PlantedBug, planted},
    wire::Ref,
};

use crate::refusal::Refusal;

/// By room, the newest subscribe or unsubscribe under way. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(Arc<Mutex<HashMap<RoomId, Ref>>>);

/// One request. When it is dropped, it is not under way any more.
#[derive(Debug)]
pub(super) struct Wish {
    wanted: Wanted,
    pub(super) room: RoomId,
    pub(super) reference: Ref,
}

impl Wanted {
    /// Called in the order in which requests are read.
    pub(super) fn begin(&self, room: RoomId, reference: Ref) -> Wish {
        self.rooms().insert(room, reference);
        Wish { wanted: self.clone(), room, reference }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Ref>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wish {
    /// An error if a newer one was read since.
    pub(super) fn must_be_newest(&self) -> Result<(), Refusal> {
        if planted(PlantedBug::OvertakenTakesEffect) || self.wanted.rooms().get(&self.room) == Some(&self.reference) {
            return Ok(());
        }
        Err(Refusal::new(ErrorCode::Conflict).detail("a later request about this room came"))
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        let mut rooms = self.wanted.rooms();
        if rooms.get(&self.room) == Some(&self.reference) {
            rooms.remove(&self.room);
        }
    }
}

#[cfg(test)]
mod tests {
    use parley_proto::PartitionId;

    use super::*;

    #[test]
    fn a_newer_request_about_the_same_room_supersedes_an_older_one_even_when_it_is_done() {
        let (wanted, room, other) = (Wanted::default(), RoomId::new(PartitionId(1), [1; 16]), RoomId::new(PartitionId(1), [2; 16]));
        let (older, elsewhere) = (wanted.begin(room, 1), wanted.begin(other, 2));
        let newer = wanted.begin(room, 3);
        assert!(older.must_be_newest().is_err() && newer.must_be_newest().is_ok() && elsewhere.must_be_newest().is_ok());
        drop(newer);
        assert!(older.must_be_newest().is_err(), "its turn does not come back");
        drop((older, elsewhere));
        assert!(wanted.rooms().is_empty());
    }
}
