//! A send of unknown outcome holds back later ones of its connection in that room: nothing may overtake it. The client retries or drops it; or the log turns out to
//! have it, which a client whose room shows it does not ask for any more.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use parley_proto::{Cid, RoomId};
use tokio::time::{Duration, Instant};

use super::requests::Signed;
use crate::chat::{SETTLED_PATIENCE, SendOutcome, Sent};

/// Between two looks whether the log has it; and who has waited longer than a look takes is answered without one, so that it is answered in time.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// By room, the first send of unknown outcome.
#[derive(Debug, Default)]
pub(super) struct Holds {
    rooms: Mutex<HashMap<RoomId, Held>>,
}

#[derive(Debug)]
struct Held {
    sent: Sent,
    look_at: Instant,
}

impl Holds {
    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Held>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An outcome is told.
    pub(super) fn told(&self, sent: Sent, outcome: &SendOutcome) {
        match outcome {
            SendOutcome::Unknown { is_final: false, .. } => {
                self.rooms().entry(sent.room).or_insert(Held { sent, look_at: Instant::now() });
            }
            _ => self.end(sent),
        }
    }

    fn end(&self, sent: Sent) {
        let mut rooms = self.rooms();
        if rooms.get(&sent.room).is_some_and(|held| held.sent.cid == sent.cid) {
            rooms.remove(&sent.room);
        }
    }

    /// What holds this one back, and whether it is to be looked for.
    fn before(&self, room: RoomId, cid: Cid, received: Instant) -> Option<(Sent, bool)> {
        let mut rooms = self.rooms();
        let held = rooms.get_mut(&room).filter(|held| held.sent.cid != cid)?;
        let now = Instant::now();
        let is_due = held.look_at <= now && now.duration_since(received) < SETTLED_PATIENCE;
        if is_due {
            held.look_at = now + LOOK_AGAIN;
        }
        Some((held.sent, is_due))
    }
}

impl Signed {
    /// Whether an earlier send's outcome holds back this one.
    pub(super) async fn is_held_back(&self, room: RoomId, cid: Cid, received: Instant) -> bool {
        let Some((sent, is_due)) = self.own.holds.before(room, cid, received) else { return false };
        let is_settled = is_due && self.shared.chat.is_settled(self.caller.user, sent).await;
        if is_settled {
            self.own.holds.end(sent);
        }
        !is_settled
    }
}
