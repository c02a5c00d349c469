//! The secret that everything is derived from.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// At least 32 bytes of secret. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey([u8; 32]);

/// Why a secret is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    #[error("has fewer than 32 bytes")]
    TooShort,
    #[error("repeats itself: use random bytes")]
    Repetitive,
}

/// A secret has at least this many bytes.
const TOKEN_KEY_BYTES_MIN: usize = 32;

impl TokenKey {
    /// Takes the secret as configured (any encoding: its characters are the secret).
    pub fn new(secret: &str) -> Result<Self, WeakKey> {
        let bytes = secret.as_bytes();
        if bytes.len() < TOKEN_KEY_BYTES_MIN {
            return Err(WeakKey::TooShort);
        }
        let mut seen = [false; 256];
        bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
        if seen.iter().filter(|seen| **seen).count() < 8 {
            return Err(WeakKey::Repetitive);
        }
        Ok(Self(mac(b"parley", bytes)))
    }

    /// A secret that nobody else has: nothing signed with it outlives the process.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// A key for one purpose.
    pub fn derive(&self, purpose: &str) -> [u8; 32] {
        mac(&self.0, purpose.as_bytes())
    }

    /// The key's public name (`kid`).
    pub fn id(&self) -> String {
        self.derive("id")[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// HMAC-SHA256. HMAC takes keys of any length, so there is no error to pass on.
pub(super) fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    hasher(key).chain_update(message).finalize().into_bytes().into()
}

pub(super) fn hasher(key: &[u8]) -> Hmac<Sha256> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(hasher) => hasher,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_secrets_are_refused_and_none_is_printed() {
        assert_eq!(TokenKey::new("short"), Err(WeakKey::TooShort));
        assert_eq!(TokenKey::new(&"ab".repeat(40)), Err(WeakKey::Repetitive));
        let key = TokenKey::new("0123456789abcdef0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "TokenKey(…)");
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let key = TokenKey::new("0123456789abcdef0123456789abcdef").unwrap();
        assert_ne!(key.derive("access"), key.derive("signer"));
        assert_eq!(key.id().len(), 12);
    }
}
