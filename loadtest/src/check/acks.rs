//! What was acked when: the highest line of a room that was acked before some moment.

use std::collections::HashMap;

use parley_proto::{MessageId, Position, RoomId};

use super::{sends::Acked, truth::Truth};
use crate::history::Micros;

/// Per room: times of acks, each with the highest line acked until then.
#[derive(Debug, Default)]
pub(super) struct Acks {
    rooms: HashMap<RoomId, Vec<(Micros, Position, MessageId)>>,
}

impl Acks {
    /// Of everything that was acked and makes a line.
    pub(super) fn new(acked: &[Acked], truth: &Truth) -> Self {
        let mut rooms: HashMap<RoomId, Vec<(Micros, Position, MessageId)>> = HashMap::new();
        for Acked { room, at, id } in acked {
            let line = truth.taken(*id).filter(|taken| truth.line(*room, taken.position).is_some());
            if let Some(taken) = line {
                rooms.entry(*room).or_default().push((*at, taken.position, *id));
            }
        }
        for acks in rooms.values_mut() {
            acks.sort_unstable_by_key(|(at, ..)| *at);
            let mut highest = (Position(0), MessageId::NIL);
            for (_, position, id) in acks {
                highest = highest.max((*position, *id));
                (*position, *id) = highest;
            }
        }
        Self { rooms }
    }

    /// The highest line that was acked before `at`.
    pub(super) fn highest_before(&self, room: RoomId, at: Micros) -> Option<(Position, MessageId)> {
        let acks = self.rooms.get(&room)?;
        let count = acks.partition_point(|(acked, ..)| *acked < at);
        count.checked_sub(1).map(|last| (acks[last].1, acks[last].2))
    }
}
