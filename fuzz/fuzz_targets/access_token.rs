//! An access token: as it comes, and as header and claims (with a NUL between) that are signed with the right key, so that what lies behind the signature is read.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use libfuzzer_sys::fuzz_target;
use parley_gateway::tokens::{RefreshToken, TokenKey, Tokens};
use parley_proto::UnixMillis;
use sha2::Sha256;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

static KEY: LazyLock<TokenKey> = LazyLock::new(|| TokenKey::new("a long enough secret, 0123456789 abc").expect("it is long enough"));
static TOKENS: LazyLock<Tokens> = LazyLock::new(|| Tokens::new(&KEY, None, Duration::from_secs(600)));

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    assert_eq!(TOKENS.verify(&text, NOW), None, "nobody signed it");
    if let Some(token) = RefreshToken::parse(&text) {
        assert_eq!(token.reveal(), text);
    }
    let Some(middle) = data.iter().position(|byte| *byte == 0) else { return };
    let signed = sign(&data[..middle], &data[middle + 1..]);
    if let Some(access) = TOKENS.verify(&signed, NOW) {
        let (again, _) = TOKENS.issue(access, NOW).expect("whom it speaks for can have another one");
        assert_eq!(TOKENS.verify(&again, NOW), Some(access));
    }
});

fn sign(header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(&KEY.derive("access")).expect("a key of any length will do");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}
