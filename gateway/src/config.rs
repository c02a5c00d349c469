//! What an operator can set about a gateway.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use axum::http::Uri;
use parley_runtime::env::{ByteSize, Env};

use crate::{
    http::is_loopback,
    limits::{LimitsConfig, address::TrustedProxies},
    outbox::OutboxLimits,
    passwords::PasswordLimits,
    session::SocketLimits,
    tokens::{ACCESS_LIFETIME_MAX, TokenKey},
};

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
    /// Of people and addresses.
    pub limits: LimitsConfig,
    /// Of each socket.
    pub sockets: SocketLimits,
    /// Whose word on a client's address counts.
    pub trusted_proxies: TrustedProxies,
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
            limits: LimitsConfig::default(),
            sockets: SocketLimits::default(),
            trusted_proxies: TrustedProxies::default(),
        }
    }

    /// Whether cookies get their `__Host-` and `__Secure-` names and the `Secure` mark: when people come by https.
    pub fn secure_cookies(&self) -> bool {
        self.public_origins.iter().any(|origin| origin.starts_with("https://"))
    }

    /// Reads `PARLEY_*`. Mistakes are kept by `env`, whose `finish` names them all; `None` without a usable key, which is one of them.
    pub fn read(env: &mut Env) -> Option<Self> {
        let key = required_key(env);
        let previous = optional_key(
            env,
            "PARLEY_TOKEN_KEY_PREVIOUS",
            "the key before this one, still accepted; remove it ten minutes after a change, or later: resume tokens that it signed then count no more",
        );
        // Read also without a key, so that every mistake is named; nothing is signed with this one.
        let defaults = Self::new(key.clone().unwrap_or_else(TokenKey::random));
        let config = Self {
            listen: env.parse("PARLEY_LISTEN", defaults.listen, "where the web app, REST and the socket are served"),
            public_origins: read_origins(env),
            web_dir: read_web_dir(env),
            token_key_previous: previous,
            access_lifetime: lifetime(env, "PARLEY_ACCESS_LIFETIME", defaults.access_lifetime, ACCESS_LIFETIME_MAX, "how long an access token is good"),
            refresh_lifetime: lifetime(
                env,
                "PARLEY_SESSION_LIFETIME",
                defaults.refresh_lifetime,
                SESSION_LIFETIME_MAX,
                "how long a session lives, from sign-in",
            ),
            gateway: env.parse("PARLEY_GATEWAY_NAME", defaults.gateway, "this gateway's name; each needs its own"),
            http: HttpLimits {
                body_bytes: env.parse("PARLEY_REQUEST_BODY_MAX", ByteSize(defaults.http.body_bytes as u64), "a request's body; more is 413").as_usize(),
                in_flight: at_least_one(env, "PARLEY_REQUESTS_IN_FLIGHT", defaults.http.in_flight, "requests under way; more is 503"),
                timeout: env.duration("PARLEY_REQUEST_TIMEOUT", defaults.http.timeout, "a request's time, its body included; more is 503"),
            },
            passwords: PasswordLimits {
                in_flight: at_least_one(env, "PARLEY_SIGN_INS_IN_FLIGHT", defaults.passwords.in_flight, "argon2 runs at once; the number of cores by default"),
                queue: env.parse("PARLEY_SIGN_IN_QUEUE", defaults.passwords.queue, "sign-ins that may wait"),
                queue_age: env.duration("PARLEY_SIGN_IN_QUEUE_AGE", defaults.passwords.queue_age, "how long a sign-in may wait"),
            },
            limits: LimitsConfig::read(env),
            sockets: read_sockets(env, defaults.sockets),
            trusted_proxies: env.parse(
                "PARLEY_TRUSTED_PROXIES",
                defaults.trusted_proxies,
                "networks of the proxies whose X-Forwarded-For counts, separated by commas; none trusts nobody",
            ),
            token_key: defaults.token_key,
        };
        key.map(|_| config)
    }
}

/// A session that nobody ends lives at most a year.
const SESSION_LIFETIME_MAX: Duration = Duration::from_secs(365 * 24 * 3_600);

fn read_sockets(env: &mut Env, defaults: SocketLimits) -> SocketLimits {
    let outbox = OutboxLimits {
        frames: at_least_one(env, "PARLEY_OUTBOX_FRAMES", defaults.outbox.frames, "frames that wait for one socket; more closes it as too slow (4008)"),
        bytes: env.parse("PARLEY_OUTBOX_MAX", ByteSize(defaults.outbox.bytes as u64), "bytes that wait for one socket").as_usize(),
    };
    let hello_deadline = env.duration("PARLEY_HELLO_DEADLINE", defaults.hello_deadline, "how long a new socket may say nothing");
    SocketLimits { outbox, hello_deadline, ..defaults }
}

fn required_key(env: &mut Env) -> Option<TokenKey> {
    const NAME: &str = "PARLEY_TOKEN_KEY";
    match env.secret(NAME, "signs tokens and cursors: at least 32 random bytes, the same at every gateway (`openssl rand -base64 48`)") {
        Some(secret) => TokenKey::new(secret.expose()).map_err(|error| env.mistake(NAME, error)).ok(),
        None => {
            env.mistake(NAME, "is not set");
            None
        }
    }
}

fn optional_key(env: &mut Env, name: &'static str, description: &'static str) -> Option<TokenKey> {
    let secret = env.secret(name, description)?;
    TokenKey::new(secret.expose()).map_err(|error| env.mistake(name, error)).ok()
}

fn read_origins(env: &mut Env) -> Vec<String> {
    const NAME: &str = "PARLEY_PUBLIC_ORIGINS";
    let list = env.optional::<String>(NAME, "the addresses that people type, separated by commas: `https://chat.example`; http only on loopback");
    let origins = list.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|origin| !origin.is_empty());
    let mut good = Vec::new();
    for origin in origins {
        match check_origin(origin) {
            Ok(()) => good.push(origin.to_owned()),
            Err(why) => env.mistake(NAME, why),
        }
    }
    let secure = good.iter().filter(|origin| origin.starts_with("https://")).count();
    if secure != 0 && secure != good.len() {
        env.mistake(NAME, "mixes http and https: cookies can be made for one of them only");
    }
    good
}

/// An origin is written exactly as browsers send it, or it would never match.
fn check_origin(origin: &str) -> Result<(), &'static str> {
    let uri: Uri = origin.parse().map_err(|_| "has something that is no origin")?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("has an origin without scheme or host");
    };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    if origin != format!("{scheme}://{authority}")
        || origin != origin.to_ascii_lowercase()
        || authority.as_str().ends_with(default_port)
        || authority.as_str().contains('@')
    {
        return Err("has an origin that no browser sends: scheme://host, lower case, no path, no default port");
    }
    match scheme {
        "https" => Ok(()),
        "http" if is_loopback(authority.as_str()) => Ok(()),
        _ => Err("has an origin that is neither https nor on loopback"),
    }
}

fn read_web_dir(env: &mut Env) -> Option<PathBuf> {
    const NAME: &str = "PARLEY_WEB_DIR";
    let dir = env.optional::<PathBuf>(NAME, "the built web app; without it only the API is served")?;
    if !dir.join("index.html").is_file() {
        env.mistake(NAME, "has no index.html");
    }
    Some(dir)
}

fn lifetime(env: &mut Env, name: &'static str, default: Duration, max: Duration, description: &'static str) -> Duration {
    let lifetime = env.duration(name, default, description);
    if lifetime < Duration::from_secs(1) || lifetime > max {
        env.mistake(name, format_args!("must be 1s to {}s", max.as_secs()));
    }
    lifetime
}

fn at_least_one(env: &mut Env, name: &'static str, default: usize, description: &'static str) -> usize {
    let number = env.parse(name, default, description);
    if number == 0 {
        env.mistake(name, "must be at least 1");
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: (&str, &str) = ("PARLEY_TOKEN_KEY", "a long enough secret, 0123456789 abc");

    fn mistakes(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut env = Env::from_pairs(pairs.iter().copied());
        GatewayConfig::read(&mut env);
        env.finish().err().map_or_else(Vec::new, |errors| errors.mistakes)
    }

    #[test]
    fn with_nothing_but_a_key_it_serves_on_loopback() {
        let mut env = Env::from_pairs([KEY]);
        let config = GatewayConfig::read(&mut env).unwrap();
        assert!(config.listen.ip().is_loopback() && !config.secure_cookies());
        assert_eq!(env.finish(), Ok(()));
        assert!(!format!("{config:?}").contains("enough"));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let pairs = [
            ("PARLEY_TOKEN_KEY", "short"),
            ("PARLEY_LISTEN", "here"),
            ("PARLEY_PUBLIC_ORIGINS", "http://chat.example"),
            ("PARLEY_ACCESS_LIFETIME", "11m"),
            ("PARLEY_SIGN_INS_IN_FLIGHT", "0"),
            ("PARLEY_WEB_DIR", "/nowhere/at/all"),
        ];
        let named = mistakes(&pairs);
        assert_eq!(named.len(), pairs.len(), "{named:?}");
        assert!(pairs.iter().all(|(name, _)| named.iter().any(|mistake| mistake.starts_with(name))), "{named:?}");
        assert_eq!(mistakes(&[]), ["PARLEY_TOKEN_KEY is not set"]);
    }

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        for good in ["https://chat.example", "https://chat.example:8443, https://b.example", "http://localhost:8080", "http://127.0.0.1:8080,http://[::1]:8080"]
        {
            assert_eq!(mistakes(&[KEY, ("PARLEY_PUBLIC_ORIGINS", good)]), Vec::<String>::new(), "{good}");
        }
        for bad in [
            "chat.example",
            "https://chat.example/",
            "https://Chat.example",
            "https://chat.example:443",
            "https://chat.example/app",
            "https://u@chat.example",
            "ftp://localhost",
            "*",
            "null",
            "http://localhost:80",
            "https://a.example,http://localhost:1",
            "http://127.0.0.1.evil.example",
        ] {
            assert_eq!(mistakes(&[KEY, ("PARLEY_PUBLIC_ORIGINS", bad)]).len(), 1, "{bad}");
        }
    }
}
