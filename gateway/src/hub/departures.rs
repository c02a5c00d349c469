//! The room's own order says that somebody left. A revocation usually has said so before; where it was lost, the room still ends for them with that item, and the
//! store is asked whether they are really gone: somebody who came back at once may hear of their leaving after they subscribed anew.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use parley_proto::{RoomId, UserId};
use tokio::time::timeout;

use super::Inner;
use crate::{metrics, revocation::Revocation, rights::LOOK_DEADLINE};

/// Who departed from which room, until the store was asked. Of people with a socket in that room alone, so there are no more than those. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Departures(Arc<Mutex<HashSet<(UserId, RoomId)>>>);

impl Departures {
    pub(super) fn seen(&self, user: UserId, room: RoomId) {
        self.set().insert((user, room));
    }

    fn set(&self) -> MutexGuard<'_, HashSet<(UserId, RoomId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Asks the store after everybody who departed. Whom it can't be asked about receives nothing until it can.
    pub(super) async fn settle_departures(self: &Arc<Self>) {
        let mut open: Vec<_> = self.departures.set().drain().collect();
        while let Some(&(user, room)) = open.last() {
            // Who was revoked meanwhile is not there any more.
            if let Some(entry) = self.room(room).filter(|entry| entry.has_departed(user)) {
                match timeout(LOOK_DEADLINE, self.store.membership(room, user)).await {
                    Ok(Ok(None)) => {
                        metrics::revocation_found();
                        self.revoke(&Revocation::of_member(user, room)).await;
                    }
                    Ok(Ok(Some(_))) => {
                        let ticket = self.ticket();
                        for socket in entry.come_back(&self.reader, user, ticket) {
                            tokio::spawn(Arc::clone(self).follow_tallies(socket, user, room, ticket));
                        }
                    }
                    Ok(Err(_)) | Err(_) => return self.departures.set().extend(open),
                }
            }
            open.pop();
        }
    }
}
