//! Tallies that go with a socket's first answer, or follow it.
//!
//! A page leaves with its tallies where the store says them soon. Where it does not, or where more changes than can be kept up with, it leaves without, and they
//! follow: until then the token says that they are outstanding.

use std::time::Duration;

use parley_engines::store::votes::ChangedTallies;
use parley_proto::{
    Cursor, MessageId, RoomId,
    wire::{NewestPage, ServerFrame, Tallies},
};

use super::requests::Signed;
use crate::{
    hub::{
        Entered,
        tallies::{Brought, ReadTallies, seen_by},
    },
    outbox::Outbox,
};

/// A page does not wait longer for its tallies.
const PATIENCE: Duration = Duration::from_millis(250);
/// How often tallies are read again because some changed meanwhile.
const ATTEMPTS: usize = 3;

/// What a resume says of the tallies.
#[derive(Debug)]
pub(super) enum Missed {
    /// All that changed.
    Read(ChangedTallies, Cursor),
    /// They can't be read now: they follow.
    Later,
    /// More than a resume brings.
    TooMany,
}

impl Signed {
    /// Goes live with a newest page. `false`: too much waited, put the page together again.
    pub(super) async fn enter_with_page(&self, room: RoomId, mut page: NewestPage, frame: impl Fn(NewestPage) -> ServerFrame) -> bool {
        let (floor, below) = (page.start, page.cursor);
        let ids: Vec<MessageId> = page.items.iter().map(|item| item.id).collect();
        for _ in 0..ATTEMPTS {
            let read = tokio::time::timeout(PATIENCE, self.shared.chat.tallies(room, &ids, self.caller.user)).await;
            let Ok(Ok(tallies)) = read else { break };
            let brought = Brought { floor, read: Some(ReadTallies { as_of: tallies.as_of, below }) };
            page.tallies = Some(tallies);
            let whole = frame(page.clone());
            match self.shared.hub.go_live(self.socket, room, below, brought, |outbox| outbox.send(&whole)) {
                Entered::Live { .. } => return true,
                Entered::Overflowed => return false,
                Entered::Stale => {}
            }
        }
        page.tallies = None;
        // A token that the client has already may say of this room that its tallies are known: who comes back with that one would never get those of this page.
        self.tell_cursors();
        let bare = frame(page);
        self.enter(room, below, Brought { floor, read: None }, |outbox| outbox.send(&bare))
    }

    /// Goes live; what is outstanding follows. `false`: too much waited.
    pub(super) fn enter(&self, room: RoomId, cursor: Cursor, brought: Brought, reply: impl FnOnce(&Outbox)) -> bool {
        match self.shared.hub.go_live(self.socket, room, cursor, brought, reply) {
            Entered::Live { outstanding } => {
                if let Some(ticket) = outstanding {
                    self.shared.tasks.spawn(self.shared.hub.follow_tallies(self.socket, self.caller.user, room, ticket));
                }
                true
            }
            Entered::Overflowed | Entered::Stale => false,
        }
    }

    /// What changed since the token's `as_of`.
    pub(super) async fn missed_tallies(&self, room: RoomId, as_of: Cursor) -> Missed {
        match tokio::time::timeout(PATIENCE, self.shared.hub.changed_tallies(room, self.caller.user, as_of)).await {
            Ok(Ok(read)) if read.value.complete_to < read.next => Missed::TooMany,
            Ok(Ok(read)) => Missed::Read(read.value, read.next),
            Ok(Err(_)) | Err(_) => Missed::Later,
        }
    }

    /// Goes live with the last piece of a replay and the tallies that changed. `false`: too much waited.
    pub(super) async fn enter_with_replay(&self, room: RoomId, cursor: Cursor, as_of: Cursor, mut missed: Missed, last_piece: &ServerFrame) -> bool {
        for _ in 0..ATTEMPTS {
            let Missed::Read(read, next) = missed else { break };
            let brought = Brought { floor: as_of, read: Some(ReadTallies { as_of: next, below: next }) };
            let items = read.items.iter().map(|changed| seen_by(self.caller.user, changed)).collect::<Vec<_>>();
            let entered = self.shared.hub.go_live(self.socket, room, cursor, brought, |outbox| {
                outbox.send(last_piece);
                if !items.is_empty() {
                    outbox.send(&ServerFrame::Tallies { room, tallies: Tallies { items, as_of: next } });
                }
            });
            match entered {
                Entered::Live { .. } => return true,
                Entered::Overflowed => return false,
                Entered::Stale => missed = self.missed_tallies(room, as_of).await,
            }
        }
        self.enter(room, cursor, Brought { floor: as_of, read: None }, |outbox| outbox.send(last_piece))
    }
}
