//! Refresh tokens: 256 random bits that mean nothing by themselves. The store knows only their hash.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parley_engines::store::accounts::RefreshHash;
use sha2::{Digest, Sha256};

/// A refresh token as the client holds it. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken([u8; 32]);

impl RefreshToken {
    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// Reads what [`RefreshToken::reveal`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        // 32 bytes are 43 characters; the length is checked before anything is decoded.
        if text.len() != 43 {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// What the client gets.
    pub fn reveal(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// What the store keeps.
    pub fn hash(&self) -> RefreshHash {
        RefreshHash(Sha256::digest(self.0).into())
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RefreshToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is() {
        let token = RefreshToken::random();
        assert_eq!(RefreshToken::parse(&token.reveal()), Some(token.clone()));
        assert_ne!(RefreshToken::random().hash(), token.hash());
        for wrong in [String::new(), "!".repeat(43), "A".repeat(44), "A".repeat(1_000_000)] {
            assert_eq!(RefreshToken::parse(&wrong), None);
        }
    }
}
