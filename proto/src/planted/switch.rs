//! Which bugs are in, of this whole process.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use super::PlantedBug;

/// The marker stands beside what every question reads, so that a binary in which any question can be answered `true` contains it.
struct Switch {
    bugs: AtomicU64,
    #[expect(dead_code, reason = "looked for in the binary's bytes by standalone/tests/it/planted.rs")]
    marker: [u8; 32],
}

static SWITCH: Switch = Switch { bugs: AtomicU64::new(0), marker: *b"parley contains bugs on purpose!" };

const fn bit(bug: PlantedBug) -> u64 {
    1 << bug as u64
}

/// Puts this bug in, for good.
pub fn plant(bug: PlantedBug) {
    SWITCH.bugs.fetch_or(bit(bug), Relaxed);
}

/// Whether this bug is in.
#[inline(never)]
pub fn planted(bug: PlantedBug) -> bool {
    // As a whole, or the marker would be optimised away.
    black_box(&SWITCH).bugs.load(Relaxed) & bit(bug) != 0
}
