//! Rights that ended, told to every gateway at once over the bus. What is lost on the way is found by the sockets' own checks, at most 15 s later.

use bytes::Bytes;
use parley_engines::bus::{BusChannels, Channel};
use parley_proto::{RoomId, SessionId, UserId};
use serde::{Deserialize, Serialize};

/// An ended right, as JSON on [`Channel::Control`]. Which fields are there says what ended:
/// a session (`session`: sign-out, a stolen refresh token), everything of a person (`user`), a membership (`user` and `room`), a room for everybody (`room`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Revocation {
    /// This session's sockets close with 4501.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The person that lost the right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The room that they, or all, lost.
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

    /// Reads what [`announce`] wrote; `None` for anything else.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}

/// Tells all gateways. The right has ended in the store already, so a bus that is away only delays the sockets' notice of it: it is logged, not returned.
pub async fn announce(bus: &dyn BusChannels, revocation: Revocation) {
    let payload = match serde_json::to_vec(&revocation) {
        Ok(payload) => Bytes::from(payload),
        Err(error) => {
            tracing::error!(error = %error, "revocation.not_encoded");
            return;
        }
    };
    if let Err(error) = bus.announce(Channel::Control, payload).await {
        tracing::warn!(error = %error, "revocation.not_announced");
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
