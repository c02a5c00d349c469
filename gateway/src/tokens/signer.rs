//! Signed blobs: what a client carries for us and brings back unchanged. Signed, not encrypted: nothing secret goes in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::Mac;

use super::key::{TokenKey, hasher, mac};

/// The signature, in bytes: HMAC-SHA256 cut to 128 bits.
const TAG_BYTES: usize = 16;

/// A longer blob is refused unread: a resume token of 100 rooms is below this.
const SIGNED_CHARS_MAX: usize = 16 * 1024;

/// Signs and verifies blobs of one purpose; those of another purpose don't verify.
#[derive(Clone)]
pub struct Signer {
    /// The first signs, all are accepted.
    keys: Vec<[u8; 32]>,
}

impl Signer {
    /// The root, of which signers are derived.
    pub fn new(current: &TokenKey, previous: Option<&TokenKey>) -> Self {
        Self { keys: std::iter::once(current).chain(previous).map(|key| key.derive("signer")).collect() }
    }

    /// A signer for one purpose (`resume`, or a list's name and owner). Costs one HMAC per live key.
    #[must_use]
    pub fn derive(&self, purpose: &str) -> Self {
        Self { keys: self.keys.iter().map(|key| mac(key, purpose.as_bytes())).collect() }
    }

    /// The payload and its signature as base64url.
    pub fn sign(&self, payload: &[u8]) -> String {
        let tag = self.keys.first().map(|key| mac(key, payload)).unwrap_or_default();
        let mut blob = Vec::with_capacity(payload.len() + TAG_BYTES);
        blob.extend_from_slice(payload);
        blob.extend_from_slice(&tag[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(blob)
    }

    /// The payload of what [`Signer::sign`] made for the same purpose; `None` for anything else.
    pub fn verify(&self, text: &str) -> Option<Vec<u8>> {
        if text.len() > SIGNED_CHARS_MAX {
            return None;
        }
        let mut blob = URL_SAFE_NO_PAD.decode(text).ok()?;
        let tag = blob.split_off(blob.len().checked_sub(TAG_BYTES)?);
        let ours = self.keys.iter().any(|key| hasher(key).chain_update(&blob).verify_truncated_left(&tag).is_ok());
        ours.then_some(blob)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("keys", &self.keys.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> TokenKey {
        TokenKey::new(&format!("a long enough secret named {name}, 0123456789")).unwrap()
    }

    #[test]
    fn a_blob_verifies_for_its_purpose_only() {
        let root = Signer::new(&key("one"), None);
        for payload in [&b""[..], b"x", &[0xFF; 300]] {
            let text = root.derive("resume").sign(payload);
            assert_eq!(root.derive("resume").verify(&text).as_deref(), Some(payload));
            assert_eq!(root.derive("cursor").verify(&text), None);
            assert_eq!(root.verify(&text), None);
        }
    }

    #[test]
    fn what_is_forged_cut_or_huge_is_refused() {
        let signer = Signer::new(&key("one"), None).derive("resume");
        let text = signer.sign(b"payload");
        let mut changed = text.clone().into_bytes();
        changed[0] ^= 1;
        for wrong in
            [String::from_utf8(changed).unwrap(), text[..text.len() - 2].to_owned(), String::new(), "AAAA".to_owned(), "A".repeat(100_000), format!("{text}=")]
        {
            assert_eq!(signer.verify(&wrong), None, "{wrong:.40}");
        }
    }

    #[test]
    fn a_key_can_be_changed_without_a_break() {
        let text = Signer::new(&key("one"), None).derive("resume").sign(b"payload");
        let rotated = Signer::new(&key("two"), Some(&key("one"))).derive("resume");
        assert_eq!(rotated.verify(&text).as_deref(), Some(&b"payload"[..]));
        assert_eq!(Signer::new(&key("two"), None).derive("resume").verify(&text), None);
    }
}
