//! Senders are told when what they sent is stored. Nobody else is: everybody sees that a message is in the log, only its sender wonders.

use std::collections::{HashMap, HashSet};

use parley_proto::{Cursor, PartitionId, Position, RoomId, notice::Notice};

use super::SocketId;
use crate::metrics;

/// Acked messages that may wait for their notice, per partition; what is beyond is shown as stored when it is read again.
const WAITING_MAX: usize = 65_536;

/// Who waits for what.
#[derive(Debug, Default)]
pub(super) struct Stored {
    partitions: HashMap<PartitionId, Partition>,
}

#[derive(Debug, Default)]
struct Partition {
    /// The store's `next`, as the last notice said it.
    next: Cursor,
    waiting: Vec<(Position, SocketId, RoomId)>,
}

/// Everything of a room below a cursor is stored: to be told to a socket.
pub(super) type Telling = (SocketId, RoomId, Cursor);

impl Stored {
    /// A message was acked at this position or before; what can be told at once.
    pub(super) fn acked(&mut self, socket: SocketId, room: RoomId, at_most: Position) -> Option<Telling> {
        let partition = self.partitions.entry(room.partition()).or_default();
        if at_most.at() < partition.next {
            return Some((socket, room, partition.next));
        }
        if partition.waiting.len() < WAITING_MAX {
            partition.waiting.push((at_most, socket, room));
        } else {
            metrics::limited("stored_waiting");
        }
        None
    }

    /// What a notice makes known; an idle one counts as well.
    pub(super) fn notice(&mut self, notice: &Notice) -> Vec<Telling> {
        let partition = self.partitions.entry(notice.partition).or_default();
        partition.next = notice.to;
        let mut told: HashSet<(SocketId, RoomId)> = HashSet::new();
        partition.waiting.retain(|(position, socket, room)| {
            let stored = position.at() < notice.to;
            if stored {
                told.insert((*socket, *room));
            }
            !stored
        });
        told.into_iter().map(|(socket, room)| (socket, room, notice.to)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_told_once_whichever_comes_first_ack_or_notice() {
        let room = RoomId::new(PartitionId(2), [1; 16]);
        let socket = SocketId(7);
        let notice = |to| Notice { from: Cursor(0), ..Notice::tick(PartitionId(2), Cursor(to)) };
        let mut stored = Stored::default();
        assert_eq!(stored.acked(socket, room, Position(4)), None);
        assert_eq!(stored.acked(socket, room, Position(5)), None);
        assert_eq!(stored.acked(socket, room, Position(9)), None);
        assert_eq!(stored.notice(&notice(6)), [(socket, room, Cursor(6))]);
        assert_eq!(stored.notice(&notice(6)), []);
        assert_eq!(stored.notice(&notice(10)), [(socket, room, Cursor(10))]);
        assert_eq!(stored.acked(socket, room, Position(8)), Some((socket, room, Cursor(10))));
    }
}
