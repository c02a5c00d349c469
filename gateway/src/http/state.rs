//! What handlers work with.

use std::sync::Arc;

use axum::extract::FromRef;
use parley_engines::{bus::BusChannels, store::Store};

use crate::{
    accounts::{Accounts, AccountsParts},
    chat::Chat,
    config::GatewayConfig,
    passwords::{HashError, Passwords},
    profiles::Profiles,
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
    pub tokens: Tokens,
    /// The root of signed blobs; derive one per purpose.
    pub signer: Signer,
    pub cursors: Cursors,
}

impl AppState {
    /// Builds accounts, rooms and tokens over the ports.
    ///
    /// # Errors
    /// If argon2 refuses our parameters.
    pub fn new(
        config: Arc<GatewayConfig>,
        store: Arc<dyn Store>,
        bus: Arc<dyn BusChannels>,
        chat: Chat,
        rights: Rights,
        profiles: Profiles,
    ) -> Result<Self, HashError> {
        let previous = config.token_key_previous.as_ref();
        let tokens = Tokens::new(&config.token_key, previous, config.access_lifetime);
        let signer = Signer::new(&config.token_key, previous);
        let accounts = Accounts::new(AccountsParts {
            store: Arc::clone(&store),
            bus: Arc::clone(&bus),
            tokens: tokens.clone(),
            passwords: Passwords::new(config.passwords)?,
            profiles: profiles.clone(),
            refresh_lifetime: config.refresh_lifetime,
        });
        let rooms = Rooms::new(store, bus, profiles.clone(), rights.clone());
        let cursors = Cursors::new(&signer);
        Ok(Self { config, accounts, rooms, chat, rights, profiles, tokens, signer, cursors })
    }
}

impl FromRef<AppState> for Arc<GatewayConfig> {
    fn from_ref(state: &AppState) -> Self {
        Self::clone(&state.config)
    }
}
