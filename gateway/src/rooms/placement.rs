//! On which partition a new room is placed: a random one of those that are open.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use parley_engines::store::{Store, projection::Phase};
use parley_proto::PartitionId;
use rand::seq::IndexedRandom;
use tokio::time::Instant;

use crate::refusal::Refusal;

/// Partitions hardly ever open: the store is asked this often.
const KNOWN_AGE_MAX: Duration = Duration::from_secs(5);

/// Which partitions are open. Clones share what is known.
#[derive(Debug, Clone)]
pub(super) struct Placement {
    store: Arc<dyn Store>,
    known: Arc<Mutex<Option<Known>>>,
}

#[derive(Debug, Clone)]
struct Known {
    at: Instant,
    open: Vec<PartitionId>,
}

impl Placement {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Arc::default() }
    }

    /// `unavailable` while none is open.
    pub(super) async fn pick(&self) -> Result<PartitionId, Refusal> {
        let open = self.open().await?;
        open.choose(&mut rand::rng()).copied().ok_or_else(|| Refusal::unavailable().detail("no partition is open yet"))
    }

    async fn open(&self) -> Result<Vec<PartitionId>, Refusal> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Known { at, open }) = known
            && at.elapsed() < KNOWN_AGE_MAX
        {
            return Ok(open);
        }
        let open: Vec<PartitionId> =
            self.store.partitions().await?.into_iter().filter(|state| state.phase == Phase::Open).map(|state| state.partition).collect();
        if !open.is_empty() {
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Known { at: Instant::now(), open: open.clone() });
        }
        Ok(open)
    }
}
