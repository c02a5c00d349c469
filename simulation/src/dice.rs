//! Draws of one part of a run. Each part has its own, so that leaving one out does not change what the others draw.

use std::{ops::Range, sync::Mutex, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// A source of draws that is shared by reference.
#[derive(Debug)]
pub(crate) struct Dice(Mutex<StdRng>);

impl Dice {
    /// The draws of the part named `part` in the run of `seed`.
    pub(crate) fn new(seed: u64, part: &str) -> Self {
        let mixed = part.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(Mutex::new(StdRng::seed_from_u64(mixed)))
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    pub(crate) fn chance(&self, probability: f64) -> bool {
        probability > 0.0 && self.draw(|random| random.random_bool(probability.min(1.0)))
    }

    pub(crate) fn number(&self, range: Range<u64>) -> u64 {
        self.draw(|random| random.random_range(range))
    }

    pub(crate) fn below(&self, count: usize) -> usize {
        self.draw(|random| random.random_range(0..count))
    }

    pub(crate) fn millis(&self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.number(range))
    }

    pub(crate) fn bytes16(&self) -> [u8; 16] {
        self.draw(|random| random.random())
    }

    /// What a call over a network takes: mostly next to nothing.
    pub(crate) fn latency(&self) -> Duration {
        match self.number(0..10) {
            0..5 => Duration::ZERO,
            5..9 => self.millis(1..4),
            _ => self.millis(4..30),
        }
    }
}

/// Lets others run; zero is a turn of the scheduler.
pub(crate) async fn take(time: Duration) {
    if time.is_zero() { tokio::task::yield_now().await } else { tokio::time::sleep(time).await }
}
