//! Accounts and sessions. Credentials never enter the log.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};

use super::StoreUnavailable;

/// An account's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub id: UserId,
    /// Lower case; unique.
    pub user_name: String,
    pub display_name: String,
    /// `#rrggbb`.
    pub color: String,
    pub status_text: String,
    /// PHC string; none for accounts that can't sign in by password.
    pub password_hash: Option<String>,
    pub disabled: bool,
    pub created_at: UnixMillis,
}

/// What of a profile is to change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileChange {
    pub display_name: Option<String>,
    pub color: Option<String>,
    pub status_text: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountCreated {
    Created,
    NameTaken,
}

#[async_trait]
pub trait Accounts: Send + Sync + std::fmt::Debug {
    async fn create_account(&self, account: &Account) -> Result<AccountCreated, StoreUnavailable>;

    /// Creates those whose id does not exist yet, in few statements (imports). Returns how many were created.
    async fn import_accounts(&self, accounts: &[Account]) -> Result<usize, StoreUnavailable>;

    async fn account_by_name(&self, user_name: &str) -> Result<Option<Account>, StoreUnavailable>;

    /// Those that exist, in any order.
    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<Account>, StoreUnavailable>;

    /// The account afterwards, `None` if there is none.
    async fn update_profile(&self, id: UserId, change: &ProfileChange) -> Result<Option<Account>, StoreUnavailable>;

    async fn set_password(&self, id: UserId, password_hash: &str) -> Result<(), StoreUnavailable>;
}

/// SHA-256 of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefreshHash(pub [u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub created_at: UnixMillis,
    pub expires_at: UnixMillis,
    pub ended: bool,
}

/// What a presented refresh token was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// The current one, or the one before it for the first time (its answer was lost): replaced by the new one.
    Rotated(Session),
    /// An older one: somebody else has it. The session is ended now.
    Reused(Session),
    /// Unknown, or of an ended or expired session.
    Refused,
}

#[async_trait]
pub trait Sessions: Send + Sync + std::fmt::Debug {
    async fn create_session(&self, session: &Session, refresh: RefreshHash) -> Result<(), StoreUnavailable>;

    /// Replaces `presented` by `new`, atomically. A token that was replaced already is accepted once more if it was the last one replaced
    /// (its answer may have been lost); any further use ends the session.
    async fn rotate(&self, presented: RefreshHash, new: RefreshHash, now: UnixMillis) -> Result<Rotation, StoreUnavailable>;

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreUnavailable>;

    /// Idempotent.
    async fn end_session(&self, id: SessionId) -> Result<(), StoreUnavailable>;
}
