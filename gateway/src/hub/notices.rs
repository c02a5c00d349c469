//! What the persister tells after each commit: tallies and voided records are handed on to the rooms' sockets, and what a lost notice said is read from the store.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use parley_engines::store::{StoreUnavailable, votes::ChangedQuery};
use parley_proto::{
    Cursor, PartitionId, Position, RoomId, UserId, WINDOW, check,
    notice::{ChangedTally, Notice},
};
use tokio::{sync::watch, time::Instant};

use super::{
    Inner,
    chain::{Chain, Heard},
    room::{Room, VOIDS_MAX},
};
use crate::metrics;

/// How often a silent or broken chain is looked for.
const LOOK: Duration = Duration::from_millis(250);
/// Tallies that one read of the store brings, at most.
const READ_TALLIES: usize = 1_000;
/// Dead letters that one read of the store brings, at most.
const READ_VOIDS: usize = 100;
/// How often a read is made again because more rooms are watched than it asked for; then the next look tries.
const READ_ATTEMPTS: usize = 8;

/// One partition's notices.
#[derive(Debug)]
pub(super) struct Notices {
    chain: Mutex<Chain>,
    /// The chain's end, for those who must not wait for its lock.
    end: watch::Sender<Option<Cursor>>,
    /// The newest of what the store refused: the bus' tails and the log still have it.
    voids: Mutex<VecDeque<(RoomId, Position)>>,
}

impl Notices {
    pub(super) fn new() -> Self {
        Self { chain: Mutex::new(Chain::new(Instant::now())), end: watch::Sender::new(None), voids: Mutex::default() }
    }

    /// What the store is known to have refused in this room.
    pub(super) fn voids(&self, room: RoomId) -> Vec<Position> {
        Inner::lock(&self.voids).iter().filter(|(of, _)| *of == room).map(|(_, position)| *position).collect()
    }

    fn remember_voids(&self, voids: &[(RoomId, Position)]) {
        let mut known = Inner::lock(&self.voids);
        known.extend(voids);
        let excess = known.len().saturating_sub(VOIDS_MAX);
        known.drain(..excess);
    }

    /// Every change below this was handed on to the rooms.
    pub(super) fn end(&self) -> Option<Cursor> {
        *self.end.borrow()
    }

    /// Waits until the chain has an end.
    pub(super) async fn known(&self) {
        // The sender is here: it can't be dropped meanwhile.
        let _ = self.end.subscribe().wait_for(Option::is_some).await;
    }
}

/// What changed while a chain went from one cursor to another.
struct Change {
    partition: PartitionId,
    from: Cursor,
    to: Cursor,
    tallies: Vec<ChangedTally>,
    voids: Vec<(RoomId, Position)>,
}

impl Inner {
    pub(super) fn notice(self: &Arc<Self>, notice: Notice) {
        let Notice { partition, from, to, tallies, voids, .. } = notice;
        let Some(notices) = self.notices.get(usize::from(partition.0)) else { return };
        let mut chain = Self::lock(&notices.chain);
        match chain.notice(from, to, Instant::now()) {
            Heard::Next => {
                self.hand_on(Change { partition, from, to, tallies, voids });
                chain.handed_on(to);
                notices.end.send_replace(chain.end());
            }
            Heard::Gap => {
                metrics::notice_gap();
                tokio::spawn(Arc::clone(self).read_changes(partition));
            }
            Heard::Nothing => {}
        }
    }

    /// Looks after chains that nobody continues.
    pub(super) async fn keep_chains(self: Arc<Self>) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for (partition, notices) in (0..).map(PartitionId).zip(&self.notices) {
                if Self::lock(&notices.chain).is_short(Instant::now()) {
                    tokio::spawn(Arc::clone(&self).read_changes(partition));
                }
            }
        }
    }

    fn hand_on(&self, change: Change) {
        let Change { partition, from, to, tallies, voids } = change;
        if let Some(notices) = self.notices.get(usize::from(partition.0)) {
            notices.remember_voids(&voids);
        }
        let mut by_room: HashMap<RoomId, Vec<ChangedTally>> = HashMap::new();
        for tally in tallies {
            by_room.entry(tally.room).or_default().push(tally);
        }
        for (room, tallies) in by_room {
            if let Some(room) = self.room(room) {
                room.tallies_changed(from, to, tallies);
            }
        }
        let mut by_room: HashMap<RoomId, Vec<Position>> = HashMap::new();
        for (room, position) in voids {
            by_room.entry(room).or_default().push(position);
        }
        for (room, positions) in by_room {
            if let Some(room) = self.room(room) {
                room.voided(positions);
            }
        }
    }

    /// Reads what changed since the chain's end, piece by piece, until it reaches what notices have said meanwhile.
    async fn read_changes(self: Arc<Self>, partition: PartitionId) {
        let Some(notices) = self.notices.get(usize::from(partition.0)) else { return };
        let Some(mut from) = Self::lock(&notices.chain).begin_read() else { return };
        for _ in 0..READ_ATTEMPTS {
            let rooms: HashMap<RoomId, HashSet<UserId>> = self.rooms_of(partition).iter().map(|room| (room.id, room.users().into_iter().collect())).collect();
            let read = match self.read_change(partition, from, &rooms).await {
                Ok(read) => read,
                Err(error) => {
                    tracing::debug!(partition = partition.0, %error, "hub.notices.read");
                    break;
                }
            };
            let mut chain = Self::lock(&notices.chain);
            // Who came after the question would miss what the answer does not say: a room its tallies, a person in it their own votes.
            let asked = |room: &Room| rooms.get(&room.id).is_some_and(|users| room.users().iter().all(|user| users.contains(user)));
            if from.is_some() && !self.rooms_of(partition).iter().all(|room| asked(room)) {
                continue;
            }
            let (change, next) = read;
            let to = change.to;
            self.hand_on(change);
            let again = chain.read(to, next, Instant::now());
            notices.end.send_replace(chain.end());
            if !again {
                return;
            }
            from = chain.end();
        }
        Self::lock(&notices.chain).read_failed();
    }

    /// One piece, and the store's `next`. Without `from` no tallies: only what was refused not long ago.
    async fn read_change(
        &self,
        partition: PartitionId,
        from: Option<Cursor>,
        rooms: &HashMap<RoomId, HashSet<UserId>>,
    ) -> Result<(Change, Cursor), StoreUnavailable> {
        let ids: Vec<RoomId> = if from.is_some() { rooms.keys().copied().collect() } else { Vec::new() };
        let voters: HashSet<UserId> = rooms.values().flatten().copied().collect();
        let voters: Vec<UserId> = voters.into_iter().collect();
        let start = from.unwrap_or_default();
        let query = ChangedQuery { partition, rooms: &ids, voters: &voters, from: start, limit: READ_TALLIES };
        let snapshot = self.store.changed_tallies(query).await?;
        let voids = self.store.dead_letters(partition, from.unwrap_or_else(|| snapshot.next.back(WINDOW)), READ_VOIDS).await?;
        // What the check refuses was never shown.
        let shown =
            |letter: &parley_engines::store::projection::DeadLetter| check::check(&letter.bytes, partition).ok().map(|record| (record.room, letter.position));
        let change =
            Change { partition, from: start, to: snapshot.value.complete_to, tallies: snapshot.value.items, voids: voids.iter().filter_map(shown).collect() };
        Ok((change, snapshot.next))
    }
}
