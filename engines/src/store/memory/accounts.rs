//! Accounts and sessions in memory.

use async_trait::async_trait;
use parley_proto::{SessionId, UnixMillis, UserId};

use super::{MemoryStore, Tables, refresh_key};
use crate::store::{
    StoreUnavailable,
    accounts::{Account, AccountCreated, Accounts, ProfileChange, RefreshHash, Rotation, Session, Sessions},
    numbers::fold_case,
};

/// How far a refresh token is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spent {
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
        if spent == Spent::Spent {
            session.ended = true;
            return Rotation::Reused(session.clone());
        }
        let session = session.clone();
        for (of, state) in self.refresh.values_mut().filter(|(of, _)| *of == id) {
            debug_assert_eq!(*of, id);
            *state = if *state == Spent::Current && spent == Spent::Current { Spent::Replaced } else { Spent::Spent };
        }
        self.refresh.insert(refresh_key(new), (id, Spent::Current));
        Rotation::Rotated(session)
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
}

#[async_trait]
impl Sessions for MemoryStore {
    async fn create_session(&self, session: &Session, refresh: RefreshHash) -> Result<(), StoreUnavailable> {
        self.call(|tables| {
            tables.sessions.insert(session.id, session.clone());
            tables.refresh.insert(refresh_key(refresh), (session.id, Spent::Current));
        })
        .await
    }

    async fn rotate(&self, presented: RefreshHash, new: RefreshHash, now: UnixMillis) -> Result<Rotation, StoreUnavailable> {
        self.call(|tables| tables.rotate(presented, new, now)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreUnavailable> {
        self.call(|tables| tables.sessions.get(&id).cloned()).await
    }

    async fn end_session(&self, id: SessionId) -> Result<(), StoreUnavailable> {
        self.call(|tables| {
            if let Some(session) = tables.sessions.get_mut(&id) {
                session.ended = true;
            }
        })
        .await
    }
}
