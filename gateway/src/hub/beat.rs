//! The beat, once a second per partition: it finds the last lost frame of a quiet room, which no gap would ever show, and keeps quiet rooms' cursors young.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parley_engines::bus::{Beat, Incarnation};
use parley_proto::{Cursor, PartitionId, Position, RoomId};
use tokio::time::Instant;

use super::{Inner, room::Room};
use crate::metrics;

/// How often.
pub(super) const BEAT: Duration = Duration::from_secs(1);
/// A bus that is away or without state for this long is stood in for by the log itself.
const BUS_PATIENCE: Duration = Duration::from_secs(2);

/// What the beats of one partition remember.
#[derive(Debug, Default)]
pub(super) struct Beats {
    /// How many calls were begun.
    pub(super) calls: u64,
    since: Cursor,
    incarnation: Option<Incarnation>,
    /// Of each watched room the greatest position heard of.
    scores: HashMap<RoomId, Position>,
    /// The smallest cursor of a view that went live since the last call.
    new_views: Option<Cursor>,
    bus_away_since: Option<Instant>,
}

impl Beats {
    /// A view went live at `cursor`; returns the number of the last call, which says nothing about it.
    pub(super) fn view_went_live(&mut self, cursor: Cursor) -> u64 {
        self.new_views = Some(self.new_views.map_or(cursor, |least| least.min(cursor)));
        self.calls
    }

    fn begin(&mut self) -> (u64, Cursor, Option<Cursor>) {
        self.calls += 1;
        let new_views = self.new_views.take();
        (self.calls, new_views.map_or(self.since, |least| least.min(self.since)), new_views)
    }

    fn failed(&mut self, new_views: Option<Cursor>) {
        if let Some(cursor) = new_views {
            self.view_went_live(cursor);
        }
    }
}

impl Inner {
    /// One beat of `partition`; `grace`: a room found behind is repaired only when the next beat finds it behind too.
    pub(super) async fn beat(self: &Arc<Self>, partition: PartitionId, grace: bool) {
        let rooms = self.rooms_of(partition);
        let Some(beats) = self.beats.get(usize::from(partition.0)) else { return };
        if rooms.is_empty() {
            let mut beats = Self::lock(beats);
            beats.bus_away_since = None;
            beats.scores.clear();
            return;
        }
        for _ in 0..2 {
            let (number, since, new_views) = Self::lock(beats).begin();
            let answer = self.bus.beat(partition, since).await;
            let (next, seed, incarnation, heard) = match answer {
                Ok(Beat::State { next, seed, incarnation, rooms }) => (next, seed, incarnation, rooms),
                Ok(Beat::Unseeded) | Err(_) => {
                    let away = {
                        let mut beats = Self::lock(beats);
                        beats.failed(new_views);
                        beats.bus_away_since.get_or_insert_with(Instant::now).elapsed()
                    };
                    if away >= BUS_PATIENCE {
                        self.follow_log(partition, &rooms).await;
                    }
                    return;
                }
            };
            let scores = {
                let mut beats = Self::lock(beats);
                beats.bus_away_since = None;
                if beats.incarnation != Some(incarnation) || next < since {
                    // Another life of the bus, or one that went back: what was heard of says nothing any more.
                    beats.incarnation = Some(incarnation);
                    beats.scores.clear();
                    beats.since = Cursor::ZERO;
                    beats.failed(new_views);
                    continue;
                }
                let watched: HashSet<RoomId> = rooms.iter().map(|room| room.id).collect();
                for (room, position) in heard {
                    if watched.contains(&room) {
                        beats.scores.entry(room).and_modify(|score| *score = (*score).max(position)).or_insert(position);
                    }
                }
                beats.scores.retain(|room, _| watched.contains(room));
                beats.since = next;
                rooms.iter().map(|room| beats.scores.get(&room.id).copied()).collect::<Vec<_>>()
            };
            for (room, score) in rooms.iter().zip(scores) {
                room.beat(&self.reader, number, score, seed, next, grace);
            }
            return;
        }
    }

    /// Live delivery outlives the bus: whatever the log has goes to the sockets.
    async fn follow_log(self: &Arc<Self>, partition: PartitionId, rooms: &[Arc<Room>]) {
        match self.ends.fresh(partition).await {
            Ok(end) => {
                metrics::beat_from_log();
                for room in rooms {
                    room.catch_up(&self.reader, end);
                }
            }
            Err(error) => tracing::debug!(partition = partition.0, %error, "hub.beat.log"),
        }
    }
}
