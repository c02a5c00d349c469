//! Who may read and write a room: asked before every append and every page.
//!
//! What the store said is kept for at most 15 s and dropped at once when a revocation arrives. While the store is away, it counts on for as long as the person's
//! rights are [`verified`] otherwise.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parley_engines::store::{Store, rooms::Membership};
use parley_proto::{ErrorCode, RoomId, UserId};
use tokio::time::{Instant, timeout};

use crate::{
    recent::{Known, Recent},
    refusal::Refusal,
    revocation::Revocation,
};

pub(crate) mod verified;

use verified::Verified;

/// A look at everybody's rights takes no longer; see `hub::recheck`.
pub(crate) const LOOK_DEADLINE: Duration = Duration::from_secs(5);
/// Where something else vouches for a membership, the store is not waited for any longer.
const STORE_PATIENCE: Duration = Duration::from_millis(500);
/// After this long the store is asked again.
const RECHECK: Duration = Duration::from_secs(15);
/// What a client is told to wait while nobody vouches for it.
const RETRY: Duration = Duration::from_secs(2);
/// Memberships kept.
const MEMBERSHIPS_MAX: usize = 200_000;

/// Memberships as this gateway knows them. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Rights {
    store: Arc<dyn Store>,
    members: Arc<Recent<(RoomId, UserId), Held>>,
    verified: Arc<Verified>,
    /// How many revocations were heard: what was read before one is not kept after it.
    revocations: Arc<AtomicU64>,
}

/// What the store said, and when it was asked.
#[derive(Debug, Clone, Copy)]
struct Held {
    membership: Membership,
    asked_at: Instant,
}

impl Rights {
    /// Knows nothing yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, members: Arc::new(Recent::new(MEMBERSHIPS_MAX, RECHECK)), verified: Arc::default(), revocations: Arc::default() }
    }

    /// Who is vouched for.
    pub(crate) fn verified(&self) -> &Verified {
        &self.verified
    }

    /// The membership, or `not_found`: a private room can't be told from a missing one.
    ///
    /// # Errors
    /// `not_found`; `unavailable` if the store is away and nothing recent is known; `auth_unverified` if nobody has vouched for a person with sockets for too long.
    pub async fn member(&self, room: RoomId, user: UserId) -> Result<Membership, Refusal> {
        let held = match self.members.get(&(room, user)) {
            Some(Known::Fresh(held)) => return Ok(held.membership),
            Some(Known::Stale(held)) => Some(held),
            None => None,
        };
        let asked_at = Instant::now();
        if self.verified.is_overdue(user, asked_at) {
            return Err(Refusal::new(ErrorCode::AuthUnverified).retry_after(RETRY));
        }
        let Some(held) = held.filter(|held| self.verified.covers(user, held.asked_at, asked_at)) else {
            return self.ask(room, user, asked_at).await;
        };
        match timeout(STORE_PATIENCE, self.ask(room, user, asked_at)).await {
            Ok(Err(refusal)) if refusal.code.status() != 503 => Err(refusal),
            Ok(Ok(membership)) => Ok(membership),
            Ok(Err(_)) | Err(_) if self.members.get(&(room, user)).is_some() => Ok(held.membership),
            Ok(Err(_)) | Err(_) => Err(Refusal::unavailable()),
        }
    }

    async fn ask(&self, room: RoomId, user: UserId, asked_at: Instant) -> Result<Membership, Refusal> {
        let heard = self.revocations.load(Ordering::Acquire);
        match self.store.membership(room, user).await? {
            Some(membership) => {
                self.members.put((room, user), Held { membership, asked_at });
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
