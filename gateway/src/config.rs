//! What an operator can set about a gateway.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{passwords::PasswordLimits, tokens::TokenKey};

/// A gateway's configuration. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where the web app, REST and the socket are served.
    pub listen: SocketAddr,
    /// Exactly as browsers send them: `scheme://host[:port]`. Empty: only a loopback host's own origin counts.
    pub public_origins: Vec<String>,
    /// The built web app.
    pub web_dir: Option<PathBuf>,
    /// Signs tokens and cursors.
    pub token_key: TokenKey,
    /// Still accepted.
    pub token_key_previous: Option<TokenKey>,
    /// How long an access token is good; at most ten minutes.
    pub access_lifetime: Duration,
    /// How long a session lives, from sign-in.
    pub refresh_lifetime: Duration,
    /// This gateway's name.
    pub gateway: String,
    pub http: HttpLimits,
    pub passwords: PasswordLimits,
}

/// Bounds of REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// A request's body, in bytes; more is 413.
    pub body_bytes: usize,
    /// Requests under way in this process; more is 503.
    pub in_flight: usize,
    /// A request's time, its body included; more is 503.
    pub timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self { body_bytes: 64 * 1024, in_flight: 1_024, timeout: Duration::from_secs(10) }
    }
}

impl GatewayConfig {
    /// All defaults around a secret.
    pub fn new(token_key: TokenKey) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            public_origins: Vec::new(),
            web_dir: None,
            token_key,
            token_key_previous: None,
            access_lifetime: Duration::from_secs(600),
            refresh_lifetime: Duration::from_secs(30 * 24 * 3_600),
            gateway: "gateway-1".to_owned(),
            http: HttpLimits::default(),
            passwords: PasswordLimits::default(),
        }
    }

    /// Whether cookies get their `__Host-` and `__Secure-` names and the `Secure` mark: when people come by https.
    pub fn secure_cookies(&self) -> bool {
        self.public_origins.iter().any(|origin| origin.starts_with("https://"))
    }
}
