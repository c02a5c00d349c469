//! What all sockets of a gateway share.

use std::{sync::Arc, time::Duration};

use parley_engines::store::Store;
use parley_proto::{LogId, SessionId, UserId};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    accounts::sessions::Sessions, chat::Chat, hub::Hub, limits::Limits, outbox::OutboxLimits, profiles::Profiles, rights::Rights, subscribe::Subscriber,
    tokens::Signer,
};

/// Shared by all sockets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sockets {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) hub: Hub,
    pub(crate) chat: Chat,
    pub(crate) subscriber: Subscriber,
    pub(crate) profiles: Profiles,
    pub(crate) rights: Rights,
    pub(crate) sessions: Sessions,
    pub(crate) store: Arc<dyn Store>,
    /// Signs resume tokens.
    pub(crate) signer: Signer,
    /// Which log positions are of.
    pub(crate) log_id: LogId,
    pub(crate) gateway: String,
    pub(crate) limits: SocketLimits,
    /// Of people, over all their sockets.
    pub(crate) personal: Limits,
    pub(crate) tasks: TaskTracker,
    /// Sockets are told to go elsewhere.
    pub(crate) drain: CancellationToken,
}

/// Bounds of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketLimits {
    pub outbox: OutboxLimits,
    /// Rooms received in full.
    pub subscriptions: usize,
    /// Requests that may be under way; then the socket is not read further.
    pub requests: usize,
    /// A new socket says hello within this time.
    pub hello_deadline: Duration,
    /// A socket that takes nothing for this long is closed as too slow.
    pub write_deadline: Duration,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            outbox: OutboxLimits::default(),
            subscriptions: parley_proto::limits::SUBSCRIPTIONS,
            requests: 64,
            hello_deadline: parley_proto::limits::HELLO_DEADLINE,
            write_deadline: Duration::from_secs(10),
        }
    }
}

/// Who has upgraded to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub user: UserId,
    pub session: SessionId,
}
