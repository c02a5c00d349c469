//! Whether a session is still there: asked of the store at most every 15 s per session, told at once by revocations.

use std::{sync::Arc, time::Duration};

use parley_engines::store::Store;
use parley_proto::{ErrorCode, SessionId, UnixMillis, UserId};

use crate::{
    recent::{Known, Recent},
    refusal::Refusal,
    tokens::Access,
};

/// How long the store's word on a session is believed.
pub const SESSION_TTL: Duration = Duration::from_secs(15);

/// How many sessions are remembered.
pub const SESSIONS_MAX: usize = 100_000;

/// What is known of sessions. Clones share it.
#[derive(Debug, Clone)]
pub struct Sessions {
    store: Arc<dyn Store>,
    recent: Arc<Recent<SessionId, State>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Live { user: UserId, expires_at: UnixMillis },
    Ended,
}

impl Sessions {
    /// Knows nothing yet.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, recent: Arc::new(Recent::new(SESSIONS_MAX, SESSION_TTL)) }
    }

    /// `unauthenticated` for a session that ended, expired, or belongs to somebody else. While the store is away, a session that nobody said had ended is
    /// taken to be there: its access token proves that it was, at most ten minutes ago. Sockets and rooms have their own, stricter clocks.
    pub async fn check(&self, access: Access, now: UnixMillis) -> Result<(), Refusal> {
        let known = self.recent.get(&access.session);
        if let Some(Known::Fresh(state) | Known::Stale(state @ State::Ended)) = known {
            return judge(state, access, now);
        }
        match self.store.session(access.session).await {
            Ok(session) => {
                let state =
                    session.filter(|session| !session.ended).map_or(State::Ended, |session| State::Live { user: session.user, expires_at: session.expires_at });
                // It may have ended while the store was asked; an ended session never comes back.
                self.recent.put_unless(access.session, state, |known| *known == State::Ended);
                let (Known::Fresh(state) | Known::Stale(state)) = self.recent.get(&access.session).unwrap_or(Known::Fresh(state));
                judge(state, access, now)
            }
            Err(error) => {
                tracing::warn!(error = %error, "sessions.unverified");
                Ok(())
            }
        }
    }

    /// Somebody said that it ended: here, or over the bus.
    pub fn ended(&self, session: SessionId) {
        self.recent.put(session, State::Ended);
    }
}

fn judge(state: State, access: Access, now: UnixMillis) -> Result<(), Refusal> {
    match state {
        State::Live { user, expires_at } if user == access.user && now.0 < expires_at.0 => Ok(()),
        State::Live { .. } | State::Ended => Err(Refusal::new(ErrorCode::Unauthenticated)),
    }
}
