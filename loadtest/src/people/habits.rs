//! What people do, and how often. Drawn from a seed: the same seed, the same wishes at the same instants.

use std::time::Duration;

use parley_proto::RoomId;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

/// One thing that somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Say,
    Vote,
    /// Once more what was acked.
    Repeat,
    /// Scroll back.
    History,
    /// Give a room up and subscribe anew.
    Subscribe,
    /// Drop the connection and come back, perhaps to another gateway.
    Move,
    /// Read nothing for a while.
    Stall(Duration),
    /// Leave a room, and join it again a little later.
    Leave,
    SignOut,
}

/// Draws the particulars of a wish.
type Draw = fn(&mut StdRng) -> Wish;

/// How often they want to say something: of each 1 000 wishes seven hundred. More of it makes a longer log with as much of everything else.
pub const SAY: u32 = 700;

/// How often each other wish comes, beside [`SAY`] of the first.
const WEIGHTS: [(u32, Draw); 8] = [
    (180, |_| Wish::Vote),
    (15, |_| Wish::Repeat),
    (25, |_| Wish::History),
    (40, |_| Wish::Subscribe),
    (28, |_| Wish::Move),
    (2, |rng| Wish::Stall(Duration::from_millis(rng.random_range(1_000..14_000)))),
    (8, |_| Wish::Leave),
    (2, |_| Wish::SignOut),
];

/// The next wish, to say something as often as `say` says.
pub(super) fn wish(rng: &mut StdRng, say: u32) -> Wish {
    let others: u32 = WEIGHTS.iter().map(|(weight, _)| weight).sum();
    let mut number = rng.random_range(0..others + say);
    for (weight, make) in WEIGHTS {
        if number < weight {
            return make(rng);
        }
        number -= weight;
    }
    Wish::Say
}

/// Between two wishes: `mean` on average, as if nobody knew of the others.
pub(super) fn pause(rng: &mut StdRng, mean: Duration) -> Duration {
    let uniform: f64 = rng.random_range(0.001..1.0);
    mean.mul_f64((-uniform.ln()).min(6.0))
}

/// Anything that a body may hold: one to some hundreds of characters of several alphabets.
pub(super) fn body(rng: &mut StdRng) -> String {
    const PIECES: [&str; 8] = ["hello", " ", "Ünïcode", "日本語", "👩‍👩‍👧 ", "\"quoted\" \\ ", "\nnext line", "numbers 1234567890"];
    let mut text = format!("{:08x} ", rng.random::<u32>());
    for _ in 0..rng.random_range(0..12) {
        text.push_str(PIECES.choose(rng).copied().unwrap_or_default());
    }
    text.trim_end().to_owned()
}

/// One of them.
pub(super) fn any(rng: &mut StdRng, rooms: &[RoomId]) -> Option<RoomId> {
    rooms.choose(rng).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn every_wish_comes_and_a_seed_repeats_them() {
        let wishes = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (0..20_000).map(|_| wish(&mut rng, SAY)).collect::<Vec<_>>()
        };
        let kinds: HashSet<_> = wishes(1).iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), WEIGHTS.len() + 1);
        assert_eq!(wishes(7), wishes(7));
    }
}
