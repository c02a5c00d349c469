//! Who may read and write a room: asked before every append and every page.
//!
//! What the store said is asked for anew after 15 s and dropped at once when a revocation arrives. It counts on for as long as the person's rights are
//! [`verified`] otherwise, and nobody waits for the new answer: a store that hangs must not hold up what is said.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parley_engines::store::{Store, StoreUnavailable, rooms::Membership};
use parley_proto::{ErrorCode, RoomId, UnixMillis, UserId, event::Role};
use tokio::time::Instant;

use crate::{
    recent::{Known, Recent},
    refusal::Refusal,
    revocation::Revocation,
};

pub(crate) mod verified;

use verified::Verified;

/// A look at everybody's rights takes no longer; see `hub::recheck`.
pub(crate) const LOOK_DEADLINE: Duration = Duration::from_secs(5);
/// Memberships that are asked for anew at the same time, behind what counts on.
const RENEWALS_MAX: usize = 64;
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
    renewals: Arc<Mutex<HashSet<(RoomId, UserId)>>>,
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
        let members = Arc::new(Recent::new(MEMBERSHIPS_MAX, RECHECK));
        Self { store, members, verified: Arc::default(), renewals: Arc::default(), revocations: Arc::default() }
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
        match held.filter(|held| self.verified.covers(user, held.asked_at, asked_at)) {
            Some(held) => {
                self.renew(room, user, asked_at);
                Ok(held.membership)
            }
            None => self.ask(room, user, asked_at).await,
        }
    }

    /// The membership as the store has it now, whatever it said before.
    ///
    /// # Errors
    /// As [`Rights::member`].
    pub(crate) async fn member_anew(&self, room: RoomId, user: UserId) -> Result<Membership, Refusal> {
        self.ask(room, user, Instant::now()).await
    }

    /// All memberships of a person, asked for at `asked_at`. What is held of them is as new as that.
    pub(crate) async fn memberships(&self, user: UserId, asked_at: Instant) -> Result<Vec<Membership>, StoreUnavailable> {
        let heard = self.revocations();
        let memberships = self.store.memberships(user).await?;
        for membership in &memberships {
            let Some(Known::Fresh(held) | Known::Stale(held)) = self.members.get(&(membership.room, user)) else { continue };
            if held.asked_at <= asked_at {
                self.keep(*membership, asked_at, heard);
            }
        }
        Ok(memberships)
    }

    /// How many revocations were heard.
    pub(crate) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }

    /// While the store is away a resume token stands in for it: the person is a member of its rooms, if it was signed by this version of their rights and the bus,
    /// asked at `begun`, says that this is the newest. `heard`: the revocations at that time.
    pub(crate) fn vouched(&self, user: UserId, rooms: &[RoomId], version: u64, begun: Instant, heard: u64) -> bool {
        if !self.verified.vouched(user, version, begun) {
            return false;
        }
        for room in rooms {
            let membership = match self.members.get(&(*room, user)) {
                Some(Known::Fresh(_)) => continue,
                Some(Known::Stale(held)) => held.membership,
                // No more than the least that they may be.
                None => Membership { room: *room, user, role: Role::Member, joined_at: UnixMillis(0), version: 0 },
            };
            self.keep(membership, begun, heard);
        }
        true
    }

    /// Keeps what the store said, unless a revocation was heard since `heard`: then nobody knows which of the two is newer.
    fn keep(&self, membership: Membership, asked_at: Instant, heard: u64) {
        let key = (membership.room, membership.user);
        // Looked at afterwards: a revocation that comes in between would find nothing to forget.
        self.members.put(key, Held { membership, asked_at });
        if self.revocations() != heard {
            self.members.forget(&key);
        }
    }

    /// Asks behind what counts on, unless that is under way.
    fn renew(&self, room: RoomId, user: UserId, asked_at: Instant) {
        {
            let mut renewals = self.renewals();
            if renewals.len() >= RENEWALS_MAX || !renewals.insert((room, user)) {
                return;
            }
        }
        let rights = self.clone();
        tokio::spawn(async move {
            if let Err(refusal) = rights.ask(room, user, asked_at).await {
                tracing::debug!(?refusal, "rights.renew");
            }
            rights.renewals().remove(&(room, user));
        });
    }

    fn renewals(&self) -> MutexGuard<'_, HashSet<(RoomId, UserId)>> {
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, room: RoomId, user: UserId, asked_at: Instant) -> Result<Membership, Refusal> {
        let heard = self.revocations();
        match self.store.membership(room, user).await? {
            Some(membership) => {
                self.keep(membership, asked_at, heard);
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

#[cfg(test)]
mod tests {
    use parley_engines::store::sqlite::SqliteStore;
    use parley_proto::PartitionId;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn what_was_asked_before_a_revocation_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let rights = Rights::new(Arc::new(SqliteStore::open(folder.path().join("store.db")).await.unwrap()));
        let (room, user) = (RoomId::new(PartitionId(1), [1; 16]), UserId(Uuid::from_u128(1)));
        let membership = Membership { room, user, role: Role::Member, joined_at: UnixMillis(1), version: 1 };
        let heard = rights.revocations();
        rights.keep(membership, Instant::now(), heard);
        assert!(rights.members.get(&(room, user)).is_some());
        // It comes while the store is asked, before there is an answer to forget.
        rights.revoked(&Revocation::of_member(user, room));
        rights.keep(membership, Instant::now(), heard);
        assert!(rights.members.get(&(room, user)).is_none());
    }
}
