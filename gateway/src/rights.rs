//! Who may read and write a room: asked before every append and every page.
//!
//! What the store said is kept for at most 15 s and dropped at once when a revocation arrives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parley_engines::store::{Store, rooms::Membership};
use parley_proto::{RoomId, UserId};

use crate::{
    recent::{Known, Recent},
    refusal::Refusal,
    revocation::Revocation,
};

/// After this long the store is asked again.
const RECHECK: Duration = Duration::from_secs(15);
/// Memberships kept.
const MEMBERSHIPS_MAX: usize = 200_000;

/// Memberships as this gateway knows them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rights {
    store: Arc<dyn Store>,
    members: Arc<Recent<(RoomId, UserId), Membership>>,
    /// How many revocations were heard: what was read before one is not kept after it.
    revocations: Arc<AtomicU64>,
}

impl Rights {
    /// Knows nothing yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, members: Arc::new(Recent::new(MEMBERSHIPS_MAX, RECHECK)), revocations: Arc::default() }
    }

    /// The membership, or `not_found`: a private room can't be told from a missing one.
    ///
    /// # Errors
    /// `not_found`; `unavailable` if the store is away and nothing recent is known.
    pub async fn member(&self, room: RoomId, user: UserId) -> Result<Membership, Refusal> {
        if let Some(Known::Fresh(membership)) = self.members.get(&(room, user)) {
            return Ok(membership);
        }
        let heard = self.revocations.load(Ordering::Acquire);
        match self.store.membership(room, user).await? {
            Some(membership) => {
                self.members.put((room, user), membership);
                if self.revocations.load(Ordering::Acquire) != heard {
                    self.members.forget(&(room, user));
                }
                Ok(membership)
            }
            None => {
                self.members.forget(&(room, user));
                Err(Refusal::not_found())
            }
        }
    }

    /// A right ended: what is known of it counts no more.
    pub fn revoked(&self, revocation: &Revocation) {
        if let (Some(room), Some(user)) = (revocation.room, revocation.user) {
            self.revocations.fetch_add(1, Ordering::AcqRel);
            self.members.forget(&(room, user));
        }
    }
}
