//! Rights that ended, told to every gateway at once: to this one directly, to the others over the bus. What is lost on the way is found by the hub's own checks,
//! at most 15 s later.

use std::sync::Arc;

use bytes::Bytes;
use parley_engines::{
    bus::{Bus, BusUnavailable, Channel},
    store::Store,
};
use parley_proto::{RoomId, SessionId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;

/// What waits for this gateway's hub, at most; beyond it the hub's own checks find what ended.
const HERE_MAX: usize = 1_024;

/// An ended right, as JSON on [`Channel::Control`]. Which fields are there says what ended:
/// a session (`session`: sign-out, a stolen refresh token), everything of a person (`user`), a membership (`user` and `room`). Without any of the first two it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Revocation {
    /// This session's sockets close with 4501.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The person that lost the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The room that they lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
}

impl Revocation {
    /// The session ended.
    pub fn of_session(session: SessionId) -> Self {
        Self { session: Some(session), ..Self::default() }
    }

    /// The membership ended.
    pub fn of_member(user: UserId, room: RoomId) -> Self {
        Self { user: Some(user), room: Some(room), ..Self::default() }
    }

    /// Reads what [`Revocations::tell`] wrote; `None` for anything else.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

/// Where ended rights are told. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Revocations {
    bus: Arc<dyn Bus>,
    store: Arc<dyn Store>,
    here: broadcast::Sender<Revocation>,
}

impl Revocations {
    pub(crate) fn new(bus: Arc<dyn Bus>, store: Arc<dyn Store>) -> Self {
        Self { bus, store, here: broadcast::Sender::new(HERE_MAX) }
    }

    /// What this gateway itself ended.
    pub(crate) fn here(&self) -> broadcast::Receiver<Revocation> {
        self.here.subscribe()
    }

    /// Tells of rights of `user` that have ended in the store already: a bus that is away only delays the other gateways' notice of it, so it is logged, not returned.
    pub(crate) async fn tell(&self, user: UserId, ended: &[Revocation]) {
        for revocation in ended {
            // Without a hub there is no socket that could have the right.
            let _no_hub = self.here.send(*revocation);
        }
        if let Err(error) = self.tell_others(user, ended).await {
            tracing::warn!(error = %error, "revocation.not_announced");
        }
    }

    async fn tell_others(&self, user: UserId, ended: &[Revocation]) -> Result<(), BusUnavailable> {
        for revocation in ended {
            let payload = serde_json::to_vec(revocation).map_err(|error| BusUnavailable(error.to_string()))?;
            self.bus.announce(Channel::Control, Bytes::from(payload)).await?;
        }
        // A gateway that can't ask the store sees by the version that it missed something.
        match self.store.rights_versions(&[user]).await {
            Ok(versions) => self.bus.raise_rights(&versions).await,
            Err(error) => {
                tracing::debug!(%error, "revocation.version");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_is_read_as_it_was_written() {
        for revocation in [Revocation::of_session(SessionId::NIL), Revocation::of_member(UserId::NIL, RoomId::NIL)] {
            assert_eq!(Revocation::parse(&serde_json::to_vec(&revocation).unwrap()), Some(revocation));
        }
        assert_eq!(Revocation::parse(b"nonsense"), None);
    }
}
