//! What all parts of a run share: the engines' true state, the weather, the trace, and what went against a promise.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use parley_engines::{
    bus::embedded::EmbeddedBus,
    store::{memory::MemoryStore, projection::Partitions as _},
};
use parley_proto::{Cursor, MessageId, PartitionId, Position, RoomId};
use tokio::sync::watch;

use crate::{engines::log::Partitions, network::Network, reality, sabotage::Sabotage, truth::Truth};

/// What is wrong just now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    pub(crate) log_silent: bool,
    pub(crate) log_slow: bool,
    pub(crate) appends_uncertain: bool,
    pub(crate) bus_away: bool,
    pub(crate) bus_away_for: BTreeSet<String>,
    pub(crate) frames_lost: bool,
    pub(crate) notices_lost: bool,
    pub(crate) bus_answers_lost: bool,
    pub(crate) bus_slow: bool,
    pub(crate) store_away: bool,
    pub(crate) store_slow: bool,
    pub(crate) store_answers_lost: bool,
    pub(crate) store_refuses: bool,
    /// Grows with each break of all subscriber connections.
    pub(crate) bus_cuts: u64,
}

/// Something that must not be.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) promise: &'static str,
    pub(crate) text: String,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    sabotage: Vec<Sabotage>,
    pub(crate) weather: watch::Sender<Weather>,
    pub(crate) log: Partitions,
    pub(crate) bus: EmbeddedBus,
    pub(crate) store: MemoryStore,
    pub(crate) network: Network,
    pub(crate) rooms: Vec<RoomId>,
    truth: Mutex<Truth>,
    /// What the database said of the rows that it was asked to refuse.
    refused: Mutex<BTreeMap<MessageId, bool>>,
    /// Of each room the highest place that was acked.
    acked: Mutex<BTreeMap<RoomId, Position>>,
    /// When a gateway was paused last, or is.
    paused: Mutex<Duration>,
    trace: Mutex<Trace>,
    violations: Mutex<Vec<Violation>>,
}

/// Lines of what happened; all of them are hashed, the newest are kept.
#[derive(Debug)]
struct Trace {
    hash: u64,
    lines: std::collections::VecDeque<String>,
    aloud: bool,
}

/// Lines that a failing run shows.
const TRACE_LINES: usize = 400;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(seed: u64, partitions: u16, rooms: usize, aloud: bool, sabotage: Vec<Sabotage>) -> Self {
        let room = |number: usize| RoomId::new(PartitionId(u16::try_from(number).unwrap_or(0) % partitions), [0x40 + u8::try_from(number).unwrap_or(0); 16]);
        Self {
            seed,
            sabotage,
            weather: watch::Sender::new(Weather::default()),
            log: Partitions::new(partitions),
            bus: EmbeddedBus::new(),
            store: MemoryStore::default(),
            network: Network::default(),
            rooms: (0..rooms).map(room).collect(),
            truth: Mutex::default(),
            refused: Mutex::default(),
            acked: Mutex::default(),
            paused: Mutex::default(),
            trace: Mutex::new(Trace { hash: 0xcbf2_9ce4_8422_2325, lines: std::collections::VecDeque::new(), aloud }),
            violations: Mutex::default(),
        }
    }

    pub(crate) fn truth(&self) -> MutexGuard<'_, Truth> {
        lock(&self.truth)
    }

    /// Whether this bug is in.
    pub(crate) fn has(&self, sabotage: Sabotage) -> bool {
        self.sabotage.contains(&sabotage)
    }

    pub(crate) fn is(&self, look: impl FnOnce(&Weather) -> bool) -> bool {
        look(&self.weather.borrow())
    }

    /// Returns once the weather is so.
    pub(crate) async fn until(&self, good: impl FnMut(&Weather) -> bool) {
        let _ = self.weather.subscribe().wait_for(good).await;
    }

    /// Whether the database refuses this row; once said, it stays so.
    pub(crate) fn refuses(&self, id: MessageId, draw: impl FnOnce() -> bool) -> bool {
        *lock(&self.refused).entry(id).or_insert_with(draw)
    }

    pub(crate) fn was_refused(&self, id: MessageId) -> bool {
        lock(&self.refused).get(&id) == Some(&true)
    }

    pub(crate) fn was_acked(&self, room: RoomId, position: Position) {
        let mut acked = lock(&self.acked);
        let highest = acked.entry(room).or_insert(position);
        *highest = (*highest).max(position);
    }

    pub(crate) fn acked(&self, room: RoomId) -> Option<Position> {
        lock(&self.acked).get(&room).copied()
    }

    /// Somebody paused a gateway until now, or pauses it from now on.
    pub(crate) fn gateway_is_paused(&self, until: Duration) {
        let mut paused = lock(&self.paused);
        *paused = (*paused).max(until);
    }

    /// Whether no gateway was paused in the last `time`.
    pub(crate) fn gateways_ran_for(&self, time: Duration) -> bool {
        *lock(&self.paused) + time < self.elapsed()
    }

    /// Somebody was told that the room is stored up to here.
    pub(crate) fn is_stored(&self, room: RoomId, cursor: Cursor, what: &str) {
        let next = self.store_next(room.partition());
        if cursor > next {
            self.violated("G1", format!("{what}: the store is at {next}"));
        }
    }

    /// Tells the trace.
    pub(crate) fn tell(&self, line: impl FnOnce() -> String) {
        let at = reality::elapsed_ms();
        let line = format!("{:>7}.{:03} {}", at / 1_000, at % 1_000, line());
        let mut trace = lock(&self.trace);
        trace.hash = line.bytes().fold(trace.hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        if trace.aloud {
            println!("{line}");
        }
        trace.lines.push_back(line);
        if trace.lines.len() > TRACE_LINES {
            trace.lines.pop_front();
        }
    }

    pub(crate) fn trace_hash(&self) -> u64 {
        lock(&self.trace).hash
    }

    pub(crate) fn trace_end(&self) -> Vec<String> {
        lock(&self.trace).lines.iter().cloned().collect()
    }

    /// A promise is broken.
    pub(crate) fn violated(&self, promise: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.tell(|| format!("VIOLATED {promise}: {text}"));
        lock(&self.violations).push(Violation { promise, text });
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        lock(&self.violations).clone()
    }

    pub(crate) fn store_next(&self, partition: PartitionId) -> Cursor {
        let states = self.store.partitions().now_or_never().and_then(Result::ok).unwrap_or_default();
        states.iter().find(|state| state.partition == partition).map_or(Cursor::ZERO, |state| state.next)
    }

    /// How long ago the run began.
    pub(crate) fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::try_from(reality::elapsed_ms()).unwrap_or(0))
    }
}
