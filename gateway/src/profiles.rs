//! People as others see them, for pages and sockets: a bounded cache over the accounts.
//!
//! It may be up to a minute behind when somebody changes their profile at another gateway. While the store is away it shows what it last knew.

use std::{sync::Arc, time::Duration};

use parley_engines::store::{Store, accounts::Account};
use parley_proto::{UserId, item::Item, wire::User};

use crate::{
    accounts::names,
    recent::{Known, Recent},
};

/// How long a profile is believed.
pub const PROFILE_TTL: Duration = Duration::from_secs(60);

/// How many profiles are kept: some 10 MiB.
pub const PROFILES_MAX: usize = 50_000;

/// The cache. Clones share it.
#[derive(Debug, Clone)]
pub struct Profiles {
    store: Arc<dyn Store>,
    recent: Arc<Recent<UserId, User>>,
}

impl Profiles {
    /// An empty cache.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, recent: Arc::new(Recent::new(PROFILES_MAX, PROFILE_TTL)) }
    }

    /// Those of these people that are known, each once, in the order asked. Unknown ones are absent; so are, while the store is away, those never seen.
    pub async fn of(&self, ids: &[UserId]) -> Vec<User> {
        let mut asked = ids.to_vec();
        asked.sort_unstable();
        asked.dedup();
        let missing: Vec<UserId> = asked.into_iter().filter(|id| !matches!(self.recent.get(id), Some(Known::Fresh(_)))).collect();
        if !missing.is_empty() {
            match self.store.accounts(&missing).await {
                Ok(accounts) => accounts.iter().for_each(|account| self.saw(account)),
                Err(error) => tracing::warn!(error = %error, "profiles.stale"),
            }
        }
        let mut seen = std::collections::HashSet::with_capacity(ids.len());
        ids.iter().filter(|id| seen.insert(**id)).filter_map(|id| self.recent.get(id)).map(|(Known::Fresh(user) | Known::Stale(user))| user).collect()
    }

    /// The senders of these items, and whom their system events are about.
    pub async fn of_items(&self, items: &[Item]) -> Vec<User> {
        let subjects = items.iter().filter_map(|item| item.body.get("member")?.get("user")?.as_str()?.parse().ok());
        let ids: Vec<UserId> = items.iter().map(|item| item.sender).chain(subjects).collect();
        self.of(&ids).await
    }

    /// Remembers an account that was read or changed.
    pub fn saw(&self, account: &Account) {
        self.recent.put(account.id, user(account));
    }
}

/// Somebody whom this process has not met, while the store is away: no more than who they are.
pub(crate) fn unknown(id: UserId) -> User {
    let color = names::default_color("").to_owned();
    User { id, user_name: String::new(), display_name: String::new(), color, status_text: String::new(), guest: false }
}

/// What others see of an account.
pub fn user(account: &Account) -> User {
    User {
        id: account.id,
        user_name: account.user_name.clone(),
        display_name: account.display_name.clone(),
        color: account.color.clone(),
        status_text: account.status_text.clone(),
        guest: false,
    }
}
