//! Everything that is signed or secret and travels to clients: access tokens (JWT), refresh tokens (opaque), signed blobs (list cursors, resume tokens).
//!
//! Two keys live at a time: the first signs, both are accepted, so that a key can be changed without signing anybody out.
//! No key is used for two purposes: each is derived from the secret by HMAC-SHA256 over the purpose's name.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto};
use parley_proto::{SessionId, UnixMillis, UserId};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

mod cursors;
mod key;
mod refresh;
mod signer;

pub use cursors::{Cursors, List};
pub use key::{TokenKey, WeakKey};
pub use refresh::RefreshToken;
pub use signer::Signer;

/// Issuer and audience of access tokens.
const PARTY: &str = "parley";

/// A longer access token is refused unread.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 4 * 1024;

/// No access token is good for longer than this, whoever issued it.
pub const ACCESS_LIFETIME_MAX: Duration = Duration::from_secs(600);

/// How far ahead another gateway's clock may be.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Issues and verifies access tokens.
#[derive(Clone)]
pub struct Tokens {
    keys: Vec<AccessKey>,
    lifetime: Duration,
    validation: Validation,
}

#[derive(Clone)]
struct AccessKey {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

/// Who an access token speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    pub user: UserId,
    pub session: SessionId,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    iat: u64,
    exp: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("keys", &self.keys.iter().map(|key| &key.id).collect::<Vec<_>>()).field("lifetime", &self.lifetime).finish()
    }
}

impl Tokens {
    /// `current` signs, both are accepted. A lifetime above [`ACCESS_LIFETIME_MAX`] is cut.
    pub fn new(current: &TokenKey, previous: Option<&TokenKey>, lifetime: Duration) -> Self {
        // jsonwebtoken has no default backend; installing it twice (another Tokens in this process) is refused and harmless.
        let _ = crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[PARTY]);
        validation.set_audience(&[PARTY]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // Expiry is judged below, by the clock that we are handed.
        validation.validate_exp = false;
        let keys = std::iter::once(current).chain(previous).map(AccessKey::of).collect();
        Self { keys, lifetime: lifetime.min(ACCESS_LIFETIME_MAX), validation }
    }

    /// An access token and when it expires.
    pub fn issue(&self, access: Access, now: UnixMillis) -> Result<(String, UnixMillis), Refusal> {
        let iat = seconds(now);
        let exp = iat + self.lifetime.as_secs();
        let claims = Claims { iss: PARTY.to_owned(), aud: PARTY.to_owned(), sub: access.user, sid: access.session, iat, exp };
        let key = self.keys.first().ok_or_else(Refusal::unavailable)?;
        let header = Header { kid: Some(key.id.clone()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &key.encoding).map_err(|error| {
            tracing::error!(error = %error, "tokens.not_signed");
            Refusal::unavailable()
        })?;
        Ok((token, UnixMillis(i64::try_from(exp).unwrap_or(i64::MAX / 1_000).saturating_mul(1_000))))
    }

    /// Whom the token speaks for; `None` for anything but an unexpired token of ours, for whatever reason.
    pub fn verify(&self, token: &str, now: UnixMillis) -> Option<Access> {
        if token.len() > ACCESS_TOKEN_BYTES_MAX {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        let key = self.keys.iter().find(|key| Some(&key.id) == header.kid.as_ref())?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &self.validation).ok()?.claims;
        let now = seconds(now);
        let latest = now + ACCESS_LIFETIME_MAX.as_secs() + CLOCK_SKEW.as_secs();
        (now < claims.exp && claims.exp <= latest).then_some(Access { user: claims.sub, session: claims.sid })
    }
}

impl AccessKey {
    fn of(key: &TokenKey) -> Self {
        let secret = key.derive("access");
        Self { id: key.id(), encoding: EncodingKey::from_secret(&secret), decoding: DecodingKey::from_secret(&secret) }
    }
}

fn seconds(at: UnixMillis) -> u64 {
    u64::try_from(at.0).unwrap_or(0) / 1_000
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_750_000_000_000);

    fn key(name: &str) -> TokenKey {
        TokenKey::new(&format!("a long enough secret named {name}, 0123456789")).unwrap()
    }

    fn tokens() -> Tokens {
        Tokens::new(&key("one"), None, Duration::from_secs(600))
    }

    fn access() -> Access {
        Access { user: UserId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) }
    }

    fn claims() -> Value {
        let seconds = NOW.0 / 1_000;
        json!({"iss": "parley", "aud": "parley", "sub": access().user, "sid": access().session, "iat": seconds, "exp": seconds + 600})
    }

    /// A token of any header and claims, signed with the real key.
    fn forge(algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(algorithm) };
        let _ = crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(&key("one").derive("access"))).unwrap()
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn with(name: &str, value: impl Into<Value>) -> Value {
        let mut claims = claims();
        claims[name] = value.into();
        claims
    }

    #[test]
    fn a_token_speaks_for_whom_it_was_issued_until_it_expires() {
        let (token, expires) = tokens().issue(access(), NOW).unwrap();
        assert_eq!(expires, UnixMillis(NOW.0 + 600_000));
        assert_eq!(tokens().verify(&token, NOW), Some(access()));
        assert_eq!(tokens().verify(&token, UnixMillis(expires.0 - 1)), Some(access()));
        assert_eq!(tokens().verify(&token, expires), None);
    }

    #[test]
    fn the_previous_key_is_still_accepted_and_an_older_one_is_not() {
        let (token, _) = tokens().issue(access(), NOW).unwrap();
        let rotated = Tokens::new(&key("two"), Some(&key("one")), Duration::from_secs(600));
        assert_eq!(rotated.verify(&token, NOW), Some(access()));
        let later = Tokens::new(&key("three"), Some(&key("two")), Duration::from_secs(600));
        assert_eq!(later.verify(&token, NOW), None);
    }

    #[test]
    fn only_our_algorithm_and_our_keys_count() {
        let kid = key("one").id();
        assert_eq!(tokens().verify(&forge(Algorithm::HS256, Some(&kid), &claims()), NOW), Some(access()), "the forge itself works");
        assert_eq!(tokens().verify(&forge(Algorithm::HS512, Some(&kid), &claims()), NOW), None);
        for kid in [None, Some(""), Some("../../dev/null"), Some("other"), Some("' OR 1=1")] {
            assert_eq!(tokens().verify(&forge(Algorithm::HS256, kid, &claims()), NOW), None, "{kid:?}");
        }
    }

    #[test]
    fn alg_none_is_refused() {
        let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
        for alg in ["none", "None", "NONE", "RS256", "ES256"] {
            let header = URL_SAFE_NO_PAD.encode(json!({"alg": alg, "typ": "JWT", "kid": key("one").id()}).to_string());
            for signature in ["", "AAAA"] {
                assert_eq!(tokens().verify(&format!("{header}.{payload}.{signature}"), NOW), None, "{alg}");
            }
        }
    }

    #[test]
    fn every_claim_is_required_and_judged() {
        let far = NOW.0 / 1_000 + 86_400;
        let wrong = [
            without("exp"),
            without("iss"),
            without("aud"),
            without("sub"),
            without("sid"),
            with("exp", far),
            with("exp", "9999999999"),
            with("exp", -1),
            with("aud", "others"),
            with("aud", json!(["others"])),
            with("iss", "others"),
            with("sub", "not a uuid"),
            with("admin", true),
        ];
        for claims in wrong {
            assert_eq!(tokens().verify(&forge(Algorithm::HS256, Some(&key("one").id()), &claims), NOW), None, "{claims}");
        }
    }

    #[test]
    fn what_is_changed_cut_or_huge_is_refused() {
        let (token, _) = tokens().issue(access(), NOW).unwrap();
        let mut changed = token.clone().into_bytes();
        let last_of_claims = token.rfind('.').unwrap() - 1;
        changed[last_of_claims] = if changed[last_of_claims] == b'A' { b'B' } else { b'A' };
        let huge = format!("{token}{}", "A".repeat(1_000_000));
        for token in [String::from_utf8(changed).unwrap(), token[..token.len() - 1].to_owned(), String::new(), "..".to_owned(), "a.b.c".to_owned(), huge] {
            assert_eq!(tokens().verify(&token, NOW), None);
        }
    }
}
