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
    pub is_admin: bool,
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

/// A new password, judged against the old one by whoever asks.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordChange {
    pub user: UserId,
    /// The hash that the current password was compared with.
    pub from: String,
    pub to: String,
    /// The session that goes on; all others end.
    pub keep: SessionId,
}

impl std::fmt::Debug for PasswordChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordChange").field("user", &self.user).finish_non_exhaustive()
    }
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

    /// Replaces the password and ends all other sessions, at once; which ones. `None`: the password is another one by now, nothing changed.
    async fn change_password(&self, change: &PasswordChange) -> Result<Option<Vec<SessionId>>, StoreUnavailable>;

    /// Returns whether there is such an account.
    async fn set_admin(&self, user_name: &str, is_admin: bool) -> Result<bool, StoreUnavailable>;

    /// In order of their names.
    async fn admins(&self) -> Result<Vec<Account>, StoreUnavailable>;
}

/// SHA-256 of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RefreshHash(pub [u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub created_at: UnixMillis,
    /// When its tokens were last renewed.
    pub last_seen_at: UnixMillis,
    pub expires_at: UnixMillis,
    pub ended: bool,
    /// Which program signed in, in a few words.
    pub agent: String,
}

/// So many sessions of a person are listed, those that were seen last.
pub const SESSIONS_LISTED: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionCreated {
    Created,
    /// The password was changed since it was compared.
    PasswordChanged,
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
    /// Only while the account still has this password: a change of it ends every session that was begun before, and none may be begun with the old one after.
    async fn create_session(&self, session: &Session, refresh: RefreshHash, password_hash: Option<&str>) -> Result<SessionCreated, StoreUnavailable>;

    /// Replaces `presented` by `new`, atomically. A token that was replaced already is accepted once more if it was the last one replaced
    /// (its answer may have been lost); any further use ends the session.
    async fn rotate(&self, presented: RefreshHash, new: RefreshHash, now: UnixMillis) -> Result<Rotation, StoreUnavailable>;

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreUnavailable>;

    /// Those that live at `now`, last seen first, [`SESSIONS_LISTED`] at most.
    async fn sessions_of(&self, user: UserId, now: UnixMillis) -> Result<Vec<Session>, StoreUnavailable>;

    /// Idempotent.
    async fn end_session(&self, id: SessionId) -> Result<(), StoreUnavailable>;

    /// Ends all sessions of a person but one; which ones.
    async fn end_other_sessions(&self, user: UserId, keep: SessionId) -> Result<Vec<SessionId>, StoreUnavailable>;

    /// A number for each of these people that exist. It grows in the transaction that ends a session or a membership of theirs: while it stands still, no right has ended.
    async fn rights_versions(&self, users: &[UserId]) -> Result<Vec<(UserId, u64)>, StoreUnavailable>;
}
