//! Views that miss something are held until it was read, by one task for all of a room.

use std::{sync::Arc, time::Duration};

use parley_proto::{Cursor, wire::CloseCode};

use super::{Room, State, void};
use crate::{
    hub::watcher::{Outcome, Shared},
    metrics,
    outbox::Round,
    reader::{ReadError, Reader},
};

/// Between attempts to read what is missing.
const RETRY: Duration = Duration::from_millis(200);

impl Room {
    pub(super) fn start_repair(self: &Arc<Self>, state: &mut State, reader: &Reader) {
        if !std::mem::replace(&mut state.repairing, true) {
            tokio::spawn(Arc::clone(self).repair(reader.clone()));
        }
    }

    /// Reads what held views miss until none is held. Ends with the last watcher.
    async fn repair(self: Arc<Self>, reader: Reader) {
        loop {
            let range = {
                let mut state = self.state();
                let wanted = state.watchers.values().filter(|watcher| !watcher.outbox.is_closed()).filter_map(|watcher| watcher.view.wanted());
                let range = wanted.reduce(|(from, to), (other_from, other_to)| (from.min(other_from), to.max(other_to)));
                state.repairing = range.is_some();
                range
            };
            let Some((from, to)) = range else { return };
            match reader.read(self.id, from, to).await {
                Ok(segment) => {
                    let shared = Shared::read(segment);
                    let mut state = self.state();
                    // What waited behind the repair comes with it.
                    let voided = state.voids_in(self.id, shared.segment.prev, Cursor::LIMIT);
                    let (flushed, mut round) = (state.tallies.flushed(), Round::default());
                    for watcher in state.watchers.values_mut() {
                        let mut out = Outcome::default();
                        watcher.view.repair(&shared, &mut out);
                        metrics::frames_delivered(self.emit(watcher, &mut out, flushed, &mut round));
                        void(watcher, voided.as_ref());
                    }
                }
                Err(ReadError::TooMuch) => {
                    // They come back, resume, and are told to resync.
                    let state = self.state();
                    for watcher in state.watchers.values().filter(|watcher| watcher.view.wanted().is_some_and(|(cursor, _)| cursor == from)) {
                        watcher.outbox.close(CloseCode::Slow);
                    }
                }
                Err(ReadError::Pending) => tokio::time::sleep(RETRY).await,
            }
        }
    }
}
