//! What becomes of a socket while neither store nor bus vouches for its person's rights: it receives nothing, and goes on where it stood once one of them does.

use std::time::Duration;

use parley_proto::ErrorCode;

use super::requests::Signed;
use crate::{hub::JUDGE, refusal::Refusal};

/// When it may be known again.
const RETRY: Duration = Duration::from_secs(2);

impl Signed {
    /// Nobody vouches for this socket's person.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.outbox.is_in_doubt()
    }

    /// The answer to whatever would bring something of a room.
    pub(super) fn doubt() -> Refusal {
        Refusal::new(ErrorCode::AuthUnverified).retry_after(RETRY)
    }

    /// Nothing more of any room. The client keeps what it holds: it is told that a pause begins, and what it missed when it is over.
    pub(super) async fn stop(&self) {
        let places = self.shared.hub.leave_all(self.socket).await;
        self.stopped().extend(places);
        self.refuse(None, Self::doubt());
    }

    /// A room did not go on for want of somebody who vouches. If that is over before anybody judged this socket, nobody will say so: it looks itself.
    pub(super) async fn look_again(self) {
        tokio::time::sleep(JUDGE).await;
        if !self.is_in_doubt() && !self.outbox.is_closed() {
            self.go_on();
        }
    }

    /// Somebody vouches again.
    pub(super) fn go_on(&self) {
        let places = std::mem::take(&mut *self.stopped());
        self.shared.tasks.spawn(self.clone().resume(places, None));
    }

    /// Answers with a code what a revocation, or a doubt, has cut short.
    pub(super) fn cut_short(&self) -> Refusal {
        if self.is_in_doubt() { Self::doubt() } else { Refusal::not_found() }
    }
}
