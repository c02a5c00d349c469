//! Who is online where, in one process.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Mutex,
};

use async_trait::async_trait;
use parley_proto::{RoomId, UserId};

use super::{EmbeddedBus, lock};
use crate::bus::{BusPresence, BusUnavailable, Online, PRESENCE_EXACT};

/// Per room and holder, the people there.
#[derive(Debug, Default)]
pub(super) struct People(Mutex<HashMap<RoomId, HashMap<String, HashSet<UserId>>>>);

impl People {
    pub(super) fn clear(&self) {
        lock(&self.0).clear();
    }
}

#[async_trait]
impl BusPresence for EmbeddedBus {
    async fn appear(&self, room: RoomId, holder: &str, come: &[UserId], gone: &[UserId]) -> Result<(), BusUnavailable> {
        self.check_away()?;
        let mut rooms = lock(&self.0.people.0);
        let people = rooms.entry(room).or_default();
        let at = people.entry(holder.to_owned()).or_default();
        at.extend(come);
        gone.iter().for_each(|user| _ = at.remove(user));
        people.retain(|_, at| !at.is_empty());
        if people.is_empty() {
            rooms.remove(&room);
        }
        Ok(())
    }

    async fn online(&self, room: RoomId, most: usize) -> Result<Online, BusUnavailable> {
        self.check_away()?;
        let now = self.0.limits.now();
        let mut rooms = lock(&self.0.people.0);
        let Some(people) = rooms.get_mut(&room) else { return Ok(Online::default()) };
        let places = lock(&self.0.limits.places);
        people.retain(|holder, _| places.lives(holder, now));
        let count: usize = people.values().map(HashSet::len).sum();
        if count > PRESENCE_EXACT {
            return Ok(Online { count: count as u64, users: Vec::new() });
        }
        let users: BTreeSet<UserId> = people.values().flatten().copied().collect();
        let count = users.len() as u64;
        Ok(Online { count, users: if users.len() > most { Vec::new() } else { users.into_iter().collect() } })
    }
}
