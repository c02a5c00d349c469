//! Accounts and sessions in memory.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};

use super::{MemoryStore, Tables, refresh_key};
use crate::store::{
    StoreUnavailable,
    accounts::{Account, AccountCreated, Accounts, PasswordChange, ProfileChange, RefreshHash, Rotation, SESSIONS_LISTED, Session, SessionCreated, Sessions},
    numbers::fold_case,
};

/// How far a refresh token is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Used {
    Current,
    Replaced,
    Spent,
}

impl Tables {
    fn create_account(&mut self, account: &Account) -> AccountCreated {
        let user_name = fold_case(&account.user_name);
        if self.accounts.values().any(|other| other.user_name == user_name) {
            return AccountCreated::NameTaken;
        }
        self.accounts.insert(account.id, Account { user_name, ..account.clone() });
        AccountCreated::Created
    }

    fn rotate(&mut self, presented: RefreshHash, new: RefreshHash, now: UnixMillis) -> Rotation {
        let Some((id, spent)) = self.refresh.get(&refresh_key(presented)).copied() else { return Rotation::Refused };
        let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.ended && session.expires_at > now) else { return Rotation::Refused };
        if spent == Used::Spent {
            let session = session.clone();
            self.end_session(id);
            return Rotation::Reused(Session { ended: true, ..session });
        }
        session.last_seen_at = now;
        let session = session.clone();
        for (of, state) in self.refresh.values_mut().filter(|(of, _)| *of == id) {
            debug_assert_eq!(*of, id);
            *state = if *state == Used::Current && spent == Used::Current { Used::Replaced } else { Used::Spent };
        }
        self.refresh.insert(refresh_key(new), (id, Used::Current));
        Rotation::Rotated(session)
    }

    fn create_session(&mut self, session: &Session, refresh: RefreshHash, password_hash: Option<&str>) -> SessionCreated {
        let same = |account: &Account| account.password_hash.as_deref() == password_hash;
        if !self.accounts.get(&session.user).is_some_and(same) {
            return SessionCreated::PasswordChanged;
        }
        self.sessions.insert(session.id, session.clone());
        self.refresh.insert(refresh_key(refresh), (session.id, Used::Current));
        SessionCreated::Created
    }

    fn end_session(&mut self, id: SessionId) {
        if let Some(session) = self.sessions.get_mut(&id).filter(|session| !session.ended) {
            session.ended = true;
            let user = session.user;
            self.right_ended(user);
        }
    }

    fn end_other_sessions(&mut self, user: UserId, keep: SessionId) -> Vec<SessionId> {
        let others = self.sessions.values().filter(|session| session.user == user && session.id != keep && !session.ended);
        let ended: Vec<_> = others.map(|session| session.id).collect();
        ended.iter().for_each(|id| self.end_session(*id));
        ended
    }

    fn change_password(&mut self, change: &PasswordChange) -> Option<Vec<SessionId>> {
        let account = self.accounts.get_mut(&change.user).filter(|account| account.password_hash.as_deref() == Some(&change.from))?;
        account.password_hash = Some(change.to.clone());
        Some(self.end_other_sessions(change.user, change.keep))
    }

    pub(super) fn right_ended(&mut self, user: UserId) {
        *self.rights_versions.entry(user).or_default() += 1;
    }
}

#[async_trait]
impl Accounts for MemoryStore {
    async fn create_account(&self, account: &Account) -> Result<AccountCreated, StoreUnavailable> {
        self.call(|tables| tables.create_account(account)).await
    }

    async fn import_accounts(&self, accounts: &[Account]) -> Result<usize, StoreUnavailable> {
        self.call(|tables| {
            let fresh = |tables: &mut Tables, account: &Account| {
                !tables.accounts.contains_key(&account.id) && tables.create_account(account) == AccountCreated::Created
            };
            accounts.iter().filter(|account| fresh(tables, account)).count()
        })
        .await
    }

    async fn account_by_name(&self, user_name: &str) -> Result<Option<Account>, StoreUnavailable> {
        let user_name = fold_case(user_name);
        self.call(|tables| tables.accounts.values().find(|account| account.user_name == user_name).cloned()).await
    }

    async fn accounts(&self, ids: &[UserId]) -> Result<Vec<Account>, StoreUnavailable> {
        self.call(|tables| ids.iter().filter_map(|id| tables.accounts.get(id).cloned()).collect()).await
    }

    async fn update_profile(&self, id: UserId, change: &ProfileChange) -> Result<Option<Account>, StoreUnavailable> {
        self.call(|tables| {
            let account = tables.accounts.get_mut(&id)?;
            let ProfileChange { display_name, color, status_text } = change.clone();
            account.display_name = display_name.unwrap_or_else(|| account.display_name.clone());
            account.color = color.unwrap_or_else(|| account.color.clone());
            account.status_text = status_text.unwrap_or_else(|| account.status_text.clone());
            Some(account.clone())
        })
        .await
    }

    async fn set_password(&self, id: UserId, password_hash: &str) -> Result<(), StoreUnavailable> {
        self.call(|tables| {
            if let Some(account) = tables.accounts.get_mut(&id) {
                account.password_hash = Some(password_hash.to_owned());
            }
        })
        .await
    }

    async fn change_password(&self, change: &PasswordChange) -> Result<Option<Vec<SessionId>>, StoreUnavailable> {
        self.call(|tables| tables.change_password(change)).await
    }

    async fn set_admin(&self, user_name: &str, is_admin: bool) -> Result<bool, StoreUnavailable> {
        let user_name = fold_case(user_name);
        self.call(|tables| {
            let account = tables.accounts.values_mut().find(|account| account.user_name == user_name);
            account.map(|account| account.is_admin = is_admin).is_some()
        })
        .await
    }

    async fn admins(&self) -> Result<Vec<Account>, StoreUnavailable> {
        self.call(|tables| {
            let mut admins: Vec<_> = tables.accounts.values().filter(|account| account.is_admin).cloned().collect();
            admins.sort_by(|a, b| a.user_name.cmp(&b.user_name));
            admins
        })
        .await
    }
}

#[async_trait]
impl Sessions for MemoryStore {
    async fn create_session(&self, session: &Session, refresh: RefreshHash, password_hash: Option<&str>) -> Result<SessionCreated, StoreUnavailable> {
        self.call(|tables| tables.create_session(session, refresh, password_hash)).await
    }

    async fn rotate(&self, presented: RefreshHash, new: RefreshHash, now: UnixMillis) -> Result<Rotation, StoreUnavailable> {
        self.call(|tables| tables.rotate(presented, new, now)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreUnavailable> {
        self.call(|tables| tables.sessions.get(&id).cloned()).await
    }

    async fn sessions_of(&self, user: UserId, now: UnixMillis) -> Result<Vec<Session>, StoreUnavailable> {
        self.call(|tables| {
            let live = |session: &&Session| session.user == user && !session.ended && session.expires_at > now;
            let mut sessions: Vec<_> = tables.sessions.values().filter(live).cloned().collect();
            sessions.sort_by_key(|session| (std::cmp::Reverse(session.last_seen_at.0), session.id));
            sessions.truncate(SESSIONS_LISTED);
            sessions
        })
        .await
    }

    async fn end_session(&self, id: SessionId) -> Result<(), StoreUnavailable> {
        self.call(|tables| tables.end_session(id)).await
    }

    async fn end_other_sessions(&self, user: UserId, keep: SessionId) -> Result<Vec<SessionId>, StoreUnavailable> {
        self.call(|tables| tables.end_other_sessions(user, keep)).await
    }

    async fn rights_versions(&self, users: &[UserId]) -> Result<Vec<(UserId, u64)>, StoreUnavailable> {
        self.call(|tables| {
            let known = users.iter().filter(|user| tables.accounts.contains_key(user));
            known.map(|user| (*user, tables.rights_versions.get(user).copied().unwrap_or_default())).collect()
        })
        .await
    }
}
