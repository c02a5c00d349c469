//! The scripts of PROTOCOL section 4 over one partition's state, as a pure structure: no I/O, no clock, no lock. The embedded bus runs them under a
//! lock; the Redis engine's Lua is the same logic and is tested against this.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    time::Duration,
};

use parley_proto::{
    Cursor, Position, RoomId, limits,
    planted::{PlantedBug, planted},
    segment::{Group, Segment},
};
use tokio::time::Instant;

use super::{Beat, Incarnation, Published, Tail};

/// One room's frames in one publish, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomGroup {
    pub room: RoomId,
    /// The position of the last frame.
    pub last: Position,
    pub group: Group,
}

/// How much of a room is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TailCap {
    pub entries: usize,
    /// A tail to which nothing was added for this long is gone, as a whole.
    pub ttl: Duration,
}

impl Default for TailCap {
    fn default() -> Self {
        Self { entries: limits::TAIL_ENTRIES, ttl: limits::TAIL_TTL }
    }
}

/// A partition's keys: the sorted set, which is there as a whole or not at all, and the rooms' tails, each of which may vanish by itself.
#[derive(Debug, Clone, Default)]
pub struct PartitionState {
    set: Option<SortedSet>,
    tails: HashMap<(Incarnation, RoomId), Entries>,
    sweep_at: Option<Instant>,
}

#[derive(Debug, Clone)]
struct SortedSet {
    next: Cursor,
    seed: Cursor,
    incarnation: Incarnation,
    scores: HashMap<RoomId, Position>,
    by_score: BTreeSet<(Position, RoomId)>,
}

#[derive(Debug, Clone)]
struct Entries {
    segments: VecDeque<Segment>,
    expires_at: Instant,
}

impl SortedSet {
    fn seeded(end: Cursor, incarnation: Incarnation) -> Self {
        Self { next: end, seed: end, incarnation, scores: HashMap::new(), by_score: BTreeSet::new() }
    }

    /// Of the tails that belong to this state.
    fn tail_incarnation(&self) -> Incarnation {
        if planted(PlantedBug::TailWithoutIncarnation) { Incarnation(0) } else { self.incarnation }
    }

    /// Everything of the room that was published lies below this.
    fn published_to(&self, room: RoomId) -> Cursor {
        self.scores.get(&room).map_or(self.seed, |score| score.next().max(self.seed))
    }

    fn set_score(&mut self, room: RoomId, score: Position) {
        if let Some(old) = self.scores.insert(room, score) {
            self.by_score.remove(&(old, room));
        }
        self.by_score.insert((score, room));
    }
}

impl PartitionState {
    /// `publish`: a compare-and-set on where the last publish ended. What it adds to `sent` has to reach the rooms' channels before the next call.
    pub fn publish(&mut self, now: Instant, from: Cursor, to: Cursor, cap: TailCap, rooms: Vec<RoomGroup>, sent: &mut Vec<(RoomId, Segment)>) -> Published {
        if self.set.is_none() && planted(PlantedBug::PublishOnEmptyBus) {
            self.set = Some(SortedSet { next: from, ..SortedSet::seeded(Cursor::ZERO, Incarnation(1)) });
        }
        let Some(set) = &mut self.set else { return Published::Unseeded };
        if set.next != from && !planted(PlantedBug::PublishWithoutFrom) {
            return Published::Moved { next: set.next, incarnation: set.incarnation };
        }
        for RoomGroup { room, last, group } in rooms {
            let segment = Segment { prev: set.published_to(room), end: last.next(), group };
            set.set_score(room, last);
            let tail = self.tails.entry((set.tail_incarnation(), room)).or_insert_with(|| Entries { segments: VecDeque::new(), expires_at: now });
            if tail.expires_at <= now {
                tail.segments.clear();
            }
            tail.segments.push_back(segment.clone());
            while tail.segments.len() > cap.entries {
                tail.segments.pop_front();
            }
            tail.expires_at = now + cap.ttl;
            sent.push((room, segment));
        }
        set.next = to;
        self.sweep(now, cap.ttl);
        Published::Ok
    }

    /// `seed`: only where the state is absent, or for a new epoch where it is still of the incarnation that the caller knows.
    pub fn seed(&mut self, end: Cursor, incarnation: Incarnation, expected: Option<Incarnation>) -> bool {
        if self.set.as_ref().map(|set| set.incarnation) != expected {
            return false;
        }
        self.set = Some(SortedSet::seeded(end, incarnation));
        true
    }

    /// `tail`: all of the room's published records in [floor, next).
    pub fn tail(&self, now: Instant, room: RoomId) -> Tail {
        let Some(set) = &self.set else { return Tail::Unseeded };
        let segments: Vec<_> = match self.tails.get(&(set.tail_incarnation(), room)) {
            Some(tail) if tail.expires_at > now => tail.segments.iter().cloned().collect(),
            _ => Vec::new(),
        };
        let floor = segments.first().map_or_else(|| set.published_to(room), |first| first.prev);
        Tail::Frames { next: set.next, floor, segments }
    }

    /// `beat`: where the partition stands, and every room whose score is at or above `since`.
    pub fn beat(&self, since: Cursor) -> Beat {
        let Some(set) = &self.set else { return Beat::Unseeded };
        let rooms = set.by_score.range((since.position(), RoomId::NIL)..).map(|(score, room)| (*room, *score)).collect();
        Beat::State { next: set.next, seed: set.seed, incarnation: set.incarnation, rooms }
    }

    /// Loses the sorted set, as an eviction does; tails stay, out of reach of the next incarnation.
    pub fn evict_set(&mut self) {
        self.set = None;
    }

    /// Loses one room's tail, as an eviction does.
    pub fn evict_tail(&mut self, room: RoomId) {
        self.tails.retain(|(_, of), _| *of != room);
    }

    /// How many tails are held, also those that nobody can reach any more until they expire.
    pub fn tails_held(&self) -> usize {
        self.tails.len()
    }

    /// Lets go of expired tails, once per `every`, so that quiet rooms cost nothing.
    fn sweep(&mut self, now: Instant, every: Duration) {
        if self.sweep_at.is_none_or(|at| at <= now) {
            self.tails.retain(|_, tail| tail.expires_at > now);
            self.sweep_at = Some(now + every);
        }
    }
}

#[cfg(test)]
mod tests {
    use parley_proto::PartitionId;
    use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

    use super::*;

    const CAP: TailCap = TailCap { entries: 128, ttl: Duration::from_secs(600) };

    fn room(n: u8) -> RoomId {
        RoomId::new(PartitionId(0), [n; 16])
    }

    fn rooms(of: &[(u8, u64)]) -> Vec<RoomGroup> {
        of.iter().map(|(n, last)| RoomGroup { room: room(*n), last: Position(*last), group: Group::empty() }).collect()
    }

    fn seeded(at: u64) -> PartitionState {
        let mut state = PartitionState::default();
        assert!(state.seed(Cursor(at), Incarnation(1), None));
        state
    }

    fn publish(state: &mut PartitionState, now: Instant, from: u64, to: u64, of: &[(u8, u64)]) -> Published {
        state.publish(now, Cursor(from), Cursor(to), CAP, rooms(of), &mut Vec::new())
    }

    fn floor_and_entries(tail: Tail) -> (u64, usize) {
        match tail {
            Tail::Unseeded => panic!("unseeded"),
            Tail::Frames { floor, segments, .. } => (floor.0, segments.len()),
        }
    }

    #[test]
    fn a_tail_is_gone_ten_minutes_after_its_last_entry_and_its_floor_rises_to_the_room_s_end() {
        let now = Instant::now();
        let mut state = seeded(5);
        publish(&mut state, now, 5, 8, &[(1, 6)]);
        let later = now + Duration::from_secs(599);
        assert_eq!(floor_and_entries(state.tail(later, room(1))), (5, 1));
        publish(&mut state, later, 8, 9, &[(1, 8)]);
        assert_eq!(floor_and_entries(state.tail(later + Duration::from_secs(599), room(1))), (5, 2), "each entry keeps the whole tail alive");
        assert_eq!(floor_and_entries(state.tail(later + Duration::from_secs(600), room(1))), (9, 0));
    }

    #[test]
    fn the_first_entry_after_an_expired_tail_starts_where_the_room_ended() {
        let now = Instant::now();
        let mut state = seeded(0);
        publish(&mut state, now, 0, 3, &[(1, 1)]);
        let later = now + Duration::from_secs(700);
        publish(&mut state, later, 3, 4, &[(1, 3)]);
        assert_eq!(floor_and_entries(state.tail(later, room(1))), (2, 1));
    }

    #[test]
    fn expired_tails_are_let_go() {
        let now = Instant::now();
        let mut state = seeded(0);
        publish(&mut state, now, 0, 3, &[(1, 0), (2, 1), (3, 2)]);
        assert_eq!(state.tails_held(), 3);
        publish(&mut state, now + Duration::from_secs(700), 3, 4, &[(1, 3)]);
        assert_eq!(state.tails_held(), 1);
    }

    #[test]
    fn a_tail_that_was_evicted_is_never_taken_for_nothing_happened() {
        let now = Instant::now();
        let mut state = seeded(0);
        publish(&mut state, now, 0, 3, &[(1, 2)]);
        state.evict_tail(room(1));
        assert_eq!(floor_and_entries(state.tail(now, room(1))), (3, 0));
        publish(&mut state, now, 3, 6, &[(1, 5)]);
        assert_eq!(floor_and_entries(state.tail(now, room(1))), (3, 1));
    }

    #[test]
    fn a_room_twice_in_one_call_is_two_entries_that_join() {
        let now = Instant::now();
        let mut state = seeded(0);
        let mut sent = Vec::new();
        state.publish(now, Cursor(0), Cursor(9), CAP, rooms(&[(1, 3), (1, 7)]), &mut sent);
        assert_eq!(sent.iter().map(|(_, segment)| (segment.prev.0, segment.end.0)).collect::<Vec<_>>(), [(0, 4), (4, 8)]);
    }

    #[test]
    fn a_seed_above_a_room_s_score_wins() {
        let mut state = seeded(0);
        let now = Instant::now();
        publish(&mut state, now, 0, 3, &[(1, 2)]);
        assert!(state.seed(Cursor(1 << 40), Incarnation(2), Some(Incarnation(1))));
        assert_eq!(floor_and_entries(state.tail(now, room(1))), (1 << 40, 0));
    }

    /// Whatever is published, lost, re-seeded or evicted: a tail holds all of the room's published records in [floor, next), each once, and each
    /// entry begins where the one before it ended.
    #[test]
    fn a_tail_is_complete_from_its_floor_on_whatever_happens() {
        for seed in 0..200 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut now = Instant::now();
            let mut state = PartitionState::default();
            let cap = TailCap { entries: 4, ttl: Duration::from_secs(10) };
            // Per position of the log its room; each publish covers a piece of it.
            let log: Vec<u8> = (0..400).map(|_| random.random_range(0..5)).collect();
            let mut next = 0;
            let mut incarnation = 0;
            for _ in 0..300 {
                now += Duration::from_millis(random.random_range(0..3_000));
                match random.random_range(0..20) {
                    0 => state.evict_set(),
                    1 => state.evict_tail(room(random.random_range(0..5))),
                    2 => state = PartitionState::default(),
                    _ => {}
                }
                let to = (next + random.random_range(0..6)).min(log.len());
                let mut groups: Vec<RoomGroup> = Vec::new();
                for (position, n) in log[next..to].iter().enumerate() {
                    let last = Position((next + position) as u64);
                    match groups.iter_mut().find(|group| group.room == room(*n)) {
                        Some(group) => group.last = last,
                        None => groups.push(RoomGroup { room: room(*n), last, group: Group::empty() }),
                    }
                }
                let wrong_from = [0, 1].choose(&mut random).is_some_and(|n| *n == 1).then_some(next + 1);
                let from = Cursor(wrong_from.unwrap_or(next) as u64);
                match state.publish(now, from, Cursor(to as u64), cap, groups, &mut Vec::new()) {
                    Published::Ok => next = to,
                    Published::Moved { next: at, .. } => assert!(wrong_from.is_some() && at.0 == next as u64),
                    Published::Unseeded => {
                        incarnation += 1;
                        next = to;
                        assert!(state.seed(Cursor(next as u64), Incarnation(incarnation), None));
                    }
                }
                for n in 0..5 {
                    let Tail::Frames { next: at, floor, segments } = state.tail(now, room(n)) else { continue };
                    assert_eq!(at.0, next as u64);
                    assert!(segments.len() <= cap.entries);
                    let mut reached = floor;
                    for segment in &segments {
                        assert_eq!(segment.prev, reached, "seed {seed}: entries join");
                        let last = segment.end.0 as usize - 1;
                        assert_eq!(log[last], n, "seed {seed}: a frame of the room itself");
                        reached = segment.end;
                    }
                    let unpublished = (reached.0 as usize..next).filter(|position| log[*position] == n).count();
                    assert_eq!(unpublished, 0, "seed {seed}: nothing of the room lies between its last entry and next");
                }
            }
        }
    }
}
