//! What handlers work with.

use std::sync::Arc;

use axum::extract::FromRef;
use parley_engines::{bus::Bus, store::Store};

use crate::{
    accounts::{Accounts, AccountsParts},
    chat::Chat,
    config::GatewayConfig,
    limits::Limits,
    passwords::{HashError, Passwords},
    presence::Presence,
    profiles::Profiles,
    revocation::Revocations,
    rights::Rights,
    rooms::Rooms,
    tokens::{Cursors, Signer, Tokens},
};

/// The use cases and the configuration. Clones share everything.
#[derive(Debug, Clone)]
pub struct AppState {
    pub config: Arc<GatewayConfig>,
    pub accounts: Accounts,
    pub rooms: Rooms,
    pub chat: Chat,
    pub rights: Rights,
    pub profiles: Profiles,
    pub limits: Limits,
    pub presence: Presence,
    pub tokens: Tokens,
    /// The root of signed blobs; derive one per purpose.
    pub signer: Signer,
    pub cursors: Cursors,
    pub(crate) revocations: Revocations,
}

/// What an [`AppState`] is made of.
#[derive(Debug)]
pub struct AppParts {
    pub config: Arc<GatewayConfig>,
    pub store: Arc<dyn Store>,
    pub bus: Arc<dyn Bus>,
    pub chat: Chat,
    pub rights: Rights,
    pub profiles: Profiles,
    pub limits: Limits,
    pub presence: Presence,
}

impl AppState {
    /// Builds accounts, rooms and tokens over the ports.
    ///
    /// # Errors
    /// If argon2 refuses our parameters.
    pub fn new(parts: AppParts) -> Result<Self, HashError> {
        let AppParts { config, store, bus, chat, rights, profiles, limits, presence } = parts;
        let previous = config.token_key_previous.as_ref();
        let tokens = Tokens::new(&config.token_key, previous, config.access_lifetime);
        let signer = Signer::new(&config.token_key, previous);
        let revocations = Revocations::new(bus, Arc::clone(&store));
        let accounts = Accounts::new(AccountsParts {
            store: Arc::clone(&store),
            revocations: revocations.clone(),
            tokens: tokens.clone(),
            passwords: Passwords::new(config.passwords)?,
            profiles: profiles.clone(),
            limits: limits.clone(),
            refresh_lifetime: config.refresh_lifetime,
        });
        let rooms = Rooms::new(store, revocations.clone(), profiles.clone(), rights.clone(), limits.clone());
        let cursors = Cursors::new(&signer);
        Ok(Self { config, accounts, rooms, chat, rights, profiles, limits, presence, tokens, signer, cursors, revocations })
    }
}

impl FromRef<AppState> for Arc<GatewayConfig> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.config)
    }
}
