//! Tallies on their way to those who are shown the room: changes as the notices tell them, and what a first answer could not bring.

use std::sync::Arc;

use parley_engines::store::{
    Snapshot, StoreUnavailable,
    votes::{ChangedQuery, ChangedTallies},
};
use parley_proto::{Cursor, RoomId, UserId, limits, notice::ChangedTally};
use tokio::time::{Duration, Instant, timeout};

use super::{Room, State};
use crate::{
    hub::{
        Inner, SocketId,
        tallies::{Flush, Known, Ticket, frames, seen_by},
    },
    metrics,
    outbox::{Outbox, Round},
};

/// Between attempts to read what a client has not been told.
const RETRY: Duration = Duration::from_secs(1);

impl Room {
    /// Tallies changed while the chain of notices went from `from` to `to`.
    pub(in crate::hub) fn tallies_changed(self: &Arc<Self>, from: Cursor, to: Cursor, changed: Vec<ChangedTally>) {
        let mut state = self.state();
        match state.tallies.change(from, to, changed, Instant::now()) {
            Flush::Now => self.flush(&mut state),
            Flush::After(delay) => {
                let room = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    room.flush(&mut room.state());
                });
            }
            Flush::Waits => {}
        }
    }

    fn flush(&self, state: &mut State) {
        let Some(due) = state.tallies.take(Instant::now()) else { return };
        let shared = due.frames(self.id);
        let (mut sent, mut round) = (0, Round::default());
        for watcher in state.watchers.values().filter(|watcher| watcher.view.is_live()) {
            let own = due.own_frames(self.id, watcher.view.user());
            for frame in own.as_ref().unwrap_or(&shared) {
                round.push(&watcher.outbox, frame.clone());
                sent += 1;
            }
        }
        metrics::tallies_sent(sent);
    }

    /// From where on tallies have to be read for the view that has the ticket.
    fn outstanding(&self, socket: SocketId, ticket: Ticket) -> Option<(Cursor, Outbox)> {
        let state = self.state();
        let watcher = state.watchers.get(&socket).filter(|watcher| !watcher.outbox.is_closed())?;
        match watcher.tallies {
            Known::Outstanding { floor, ticket: theirs } if theirs == ticket => Some((floor, watcher.outbox.clone())),
            _ => None,
        }
    }

    /// What was read from `floor` on. A page that was sent meanwhile may have lowered the floor: then this says too little and is read again.
    fn tallies_read(&self, socket: SocketId, ticket: Ticket, floor: Cursor, as_of: Cursor, read: &ChangedTallies) {
        let mut state = self.state();
        let Some(watcher) = state.watchers.get_mut(&socket).filter(|watcher| watcher.view.is_live()) else { return };
        if watcher.tallies != (Known::Outstanding { floor, ticket }) {
            return;
        }
        let frames = frames(self.id, as_of, read.items.iter().map(|changed| seen_by(watcher.view.user(), changed)));
        metrics::tallies_sent(frames.len());
        frames.into_iter().for_each(|frame| watcher.outbox.push(frame));
        watcher.tallies = if read.complete_to < as_of { Known::Outstanding { floor: read.complete_to, ticket } } else { Known::AsOf(as_of) };
    }
}

impl Inner {
    /// Reads what the view that has the ticket was not told, piece by piece, until it was told everything or is gone.
    pub(in crate::hub) async fn follow_tallies(self: Arc<Self>, socket: SocketId, user: UserId, room: RoomId, ticket: Ticket) {
        let Some(notices) = self.notices.get(usize::from(room.partition().0)) else { return };
        loop {
            // Everything that changes has to be handed on before it is read. Whether that goes on for long, or the socket is gone, is looked at meanwhile.
            let is_known = timeout(RETRY, notices.known()).await.is_ok();
            let Some(room) = self.room(room) else { return };
            let Some((floor, outbox)) = room.outstanding(socket, ticket) else { return };
            if !is_known {
                continue;
            }
            match self.changed_tallies(room.id, user, floor).await {
                Ok(read) => {
                    outbox.half_empty().await;
                    room.tallies_read(socket, ticket, floor, read.next, &read.value);
                }
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    }

    /// See [`Hub::changed_tallies`](crate::hub::Hub::changed_tallies).
    pub(in crate::hub) async fn changed_tallies(&self, room: RoomId, reader: UserId, from: Cursor) -> Result<Snapshot<ChangedTallies>, StoreUnavailable> {
        self.store.changed_tallies(ChangedQuery { partition: room.partition(), rooms: &[room], voters: &[reader], from, limit: limits::REPLAY }).await
    }
}

#[cfg(test)]
mod tests {
    use parley_engines::{
        bus::embedded::EmbeddedBus,
        log::embedded::{EmbeddedLog, EmbeddedLogConfig},
        store::sqlite::SqliteStore,
    };
    use parley_proto::{MessageId, PartitionId, Position, RoomId, UserId, wire::VoteValue};
    use uuid::Uuid;

    use super::*;
    use crate::{
        hub::{
            departures::Departures,
            room::{Entered, Entering, NotNow},
            tallies::{Brought, ReadTallies},
            watcher::tests::with_departure,
        },
        outbox::{Outbox, OutboxLimits},
        reader::Reader,
    };

    const SOCKET: SocketId = SocketId(1);
    const TICKET: Ticket = Ticket(1);

    /// A room with one socket of user 1 that has not gone live yet.
    struct World {
        room: Arc<Room>,
        reader: Reader,
        outbox: Outbox,
        _folder: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(folder.path().join("store.db")).await.unwrap();
            let log = EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 2)).await.unwrap();
            let reader = Reader::new(Arc::new(log), Arc::new(EmbeddedBus::new()), Arc::new(store));
            let (room, outbox) = (Room::new(RoomId::new(PartitionId(1), [1; 16]), Departures::default()), Outbox::new(OutboxLimits::default()));
            room.join(SOCKET, user(1), outbox.clone());
            Self { room, reader, outbox, _folder: folder }
        }

        fn enter(&self, cursor: u64, floor: u64, read: Option<(u64, u64)>) -> Entered {
            let read = read.map(|(as_of, below)| ReadTallies { as_of: Cursor(as_of), below: Cursor(below) });
            let brought = Brought { floor: Cursor(floor), read };
            let entering = Entering { socket: SOCKET, cursor: Cursor(cursor), beat: 0, brought, ticket: TICKET, chain_known: true, voids: Vec::new() };
            self.room.go_live(&self.reader, entering, |outbox| outbox.push("reply".into()))
        }

        fn changed(&self, from: u64, to: u64, up: u64) {
            self.room.tallies_changed(Cursor(from), Cursor(to), vec![changed(up)]);
        }

        fn as_of(&self, end: u64) -> u64 {
            self.room.tell(SOCKET, Cursor(end)).unwrap().as_of.0
        }

        fn outstanding(&self) -> Option<u64> {
            self.room.outstanding(SOCKET, TICKET).map(|(floor, _)| floor.0)
        }

        fn sent(&self) -> usize {
            self.outbox.take().len()
        }
    }

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    fn changed(up: u64) -> ChangedTally {
        let room = RoomId::new(PartitionId(1), [1; 16]);
        ChangedTally { room, target: MessageId(Uuid::from_u128(5)), position: Position(3), up, down: 0, votes: vec![(user(1), VoteValue::UP)] }
    }

    #[tokio::test]
    async fn an_answer_whose_tallies_are_older_than_what_was_handed_on_does_not_leave() {
        for (as_of, below, entered) in
            [(8, 20, Entered::Stale), (20, 8, Entered::Stale), (9, 9, Entered::Live { outstanding: None }), (20, 20, Entered::Live { outstanding: None })]
        {
            let world = World::new().await;
            world.changed(5, 9, 1);
            assert_eq!(world.enter(20, 3, Some((as_of, below))), entered, "{as_of} {below}");
        }
        let world = World::new().await;
        let brought = Brought { floor: Cursor(3), read: Some(ReadTallies { as_of: Cursor(9), below: Cursor(9) }) };
        let entering = Entering { socket: SOCKET, cursor: Cursor(9), beat: 0, brought, ticket: TICKET, chain_known: false, voids: Vec::new() };
        assert_eq!(world.room.go_live(&world.reader, entering, |_| {}), Entered::Stale, "nobody knows yet what is handed on");
    }

    #[tokio::test]
    async fn while_tallies_are_outstanding_the_token_stands_still_and_afterwards_it_rises_with_what_is_flushed() {
        let world = World::new().await;
        assert_eq!(world.enter(20, 3, None), Entered::Live { outstanding: Some(TICKET) });
        world.changed(5, 9, 1);
        assert_eq!((world.as_of(9), world.outstanding()), (3, Some(3)));
        let piece = ChangedTallies { items: vec![changed(2)], complete_to: Cursor(7) };
        world.room.tallies_read(SOCKET, TICKET, Cursor(3), Cursor(12), &piece);
        assert_eq!(world.outstanding(), Some(7), "the first piece is not all");
        let rest = ChangedTallies { items: vec![changed(2)], complete_to: Cursor(12) };
        world.room.tallies_read(SOCKET, TICKET, Cursor(3), Cursor(12), &rest);
        assert_eq!(world.outstanding(), Some(7), "what was read from another floor says nothing");
        world.room.tallies_read(SOCKET, TICKET, Cursor(7), Cursor(12), &rest);
        assert_eq!((world.outstanding(), world.as_of(14)), (None, 14));
        assert_eq!(world.sent(), 4, "the reply, a flush, two pieces");
        // What waits for a flush is not known yet.
        world.changed(14, 16, 3);
        assert_eq!(world.as_of(16), 14);
    }

    #[tokio::test]
    async fn what_the_store_refused_before_a_socket_came_is_taken_away_from_it_too() {
        for after in [false, true] {
            let world = World::new().await;
            if !after {
                world.room.voided(vec![Position(7)]);
            }
            world.enter(20, 3, Some((20, 20)));
            if after {
                world.room.voided(vec![Position(7)]);
            }
            assert_eq!(world.sent(), 2, "the reply, and what is void");
        }
    }

    #[tokio::test]
    async fn a_page_lowers_what_is_outstanding_and_does_not_leave_with_older_tallies() {
        let world = World::new().await;
        world.enter(20, 15, None);
        assert_eq!(world.room.at_cursor(SOCKET, Cursor(20), Cursor(11), |_| {}), Ok(()));
        assert_eq!(world.outstanding(), Some(11));
        world.changed(12, 14, 1);
        assert_eq!(world.room.at_cursor(SOCKET, Cursor(20), Cursor(13), |_| {}), Err(NotNow::Stale));
        assert_eq!(world.room.at_cursor(SOCKET, Cursor(19), Cursor(14), |_| {}), Err(NotNow::Moved(Cursor(20))));
        assert_eq!(world.room.at_cursor(SOCKET, Cursor(20), Cursor(14), |_| {}), Ok(()));
    }

    #[tokio::test]
    async fn who_departed_and_came_back_is_told_what_changed_meanwhile() {
        let (world, back) = (World::new().await, Ticket(2));
        world.enter(5, 3, Some((5, 5)));
        world.changed(5, 9, 1);
        world.room.apply(&world.reader, &with_departure(5, &[5, 6], 6, user(1)));
        world.changed(9, 12, 2);
        assert_eq!(world.room.tell(SOCKET, Cursor(12)), None, "the room is not theirs now");
        assert_eq!(world.room.come_back(&world.reader, user(1), back), [SOCKET]);
        assert_eq!(world.room.outstanding(SOCKET, back).map(|(floor, _)| floor), Some(Cursor(9)), "the last that was flushed before");
        assert_eq!(world.as_of(12), 9, "the token stands still until it is told");
        let read = ChangedTallies { items: vec![changed(2)], complete_to: Cursor(12) };
        world.room.tallies_read(SOCKET, back, Cursor(9), Cursor(12), &read);
        assert_eq!(world.room.outstanding(SOCKET, back).map(|(floor, _)| floor), None);
        assert_eq!(world.sent(), 4, "the reply, a flush, the lines, what changed meanwhile");
    }

    #[tokio::test]
    async fn who_departs_while_coming_in_receives_the_room_until_that_is_settled() {
        let world = World::new().await;
        // It waits for the first answer, and its line takes the room away again.
        world.room.apply(&world.reader, &with_departure(5, &[5, 6], 6, user(1)));
        world.enter(5, 3, Some((5, 5)));
        assert_eq!(world.room.cursor(SOCKET), None);
        assert!(world.room.receives(SOCKET), "they may have come back");
        world.room.expel(SOCKET);
        assert!(!world.room.receives(SOCKET));
        assert_eq!(world.sent(), 3, "the reply, the lines, and the word that it is over");
    }
}
