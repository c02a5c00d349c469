//! Rules for what a person is called.

use parley_proto::{ErrorCode, limits, text};

use crate::refusal::Refusal;

/// Nobody may sign up with these: they would speak with an authority that they don't have, or mean something in an address or a mention.
const RESERVED: &[&str] = &[
    "about",
    "account",
    "accounts",
    "admin",
    "administrator",
    "all",
    "anonymous",
    "api",
    "app",
    "assets",
    "assistant",
    "auth",
    "bot",
    "channel",
    "deleted",
    "everyone",
    "guest",
    "help",
    "here",
    "info",
    "me",
    "mod",
    "moderator",
    "moderators",
    "nobody",
    "noreply",
    "null",
    "official",
    "owner",
    "parley",
    "postmaster",
    "room",
    "root",
    "security",
    "self",
    "server",
    "settings",
    "sign-in",
    "sign-out",
    "sign-up",
    "staff",
    "status",
    "support",
    "sysadmin",
    "system",
    "team",
    "undefined",
    "unknown",
    "user",
    "users",
    "webhook",
    "webmaster",
    "www",
];

/// Dark enough for white text and light enough for none to be black: each has at least 4.5 : 1 against white.
const PALETTE: &[&str] =
    &["#b91c1c", "#c2410c", "#a16207", "#4d7c0f", "#15803d", "#0f766e", "#0e7490", "#0369a1", "#1d4ed8", "#4338ca", "#6d28d9", "#a21caf", "#be185d", "#57534e"];

/// A user name in its one form: lower case, 2 to 32 of `[a-z0-9_.-]`.
pub fn user_name(typed: &str) -> Result<String, Refusal> {
    let name = typed.trim().to_ascii_lowercase();
    let allowed = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-'));
    if allowed && limits::USER_NAME.contains(&name.len()) { Ok(name) } else { Err(Refusal::new(ErrorCode::UsernameInvalid).at("user_name")) }
}

/// Whether nobody may have this name; separators don't make it another one (`ad.min`).
pub fn is_reserved(user_name: &str) -> bool {
    let bare: String = user_name.chars().filter(char::is_ascii_alphanumeric).collect();
    bare.is_empty() || RESERVED.iter().any(|reserved| *reserved == user_name || *reserved == bare)
}

/// A display name: free, but one line that can't turn itself around.
pub fn display_name(typed: &str) -> Result<String, Refusal> {
    text::clean_label(typed, 1, limits::DISPLAY_NAME).map_err(|error| Refusal::new(ErrorCode::DisplayNameInvalid).detail(error.to_string()).at("display_name"))
}

/// A status text; may be empty.
pub fn status_text(typed: &str) -> Result<String, Refusal> {
    text::clean_label(typed, 0, limits::STATUS_TEXT).map_err(|error| Refusal::new(ErrorCode::StatusTextTooLong).detail(error.to_string()).at("status_text"))
}

/// `#rrggbb`, lower case.
pub fn color(typed: &str) -> Result<String, Refusal> {
    let digits = typed.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    digits.map(|digits| format!("#{}", digits.to_ascii_lowercase())).ok_or_else(|| Refusal::new(ErrorCode::ColorInvalid).at("color"))
}

/// The colour of somebody who did not choose: always the same one for a name (FNV-1a over it).
pub fn default_color(user_name: &str) -> &'static str {
    let hash = user_name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    PALETTE[usize::try_from(hash % PALETTE.len() as u64).unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_have_one_form() {
        assert_eq!(user_name("Ada.Lovelace").as_deref(), Ok("ada.lovelace"));
        assert_eq!(user_name(" x_ ").as_deref(), Ok("x_"));
        assert_eq!(user_name(&"a".repeat(32)).map(|name| name.len()), Ok(32));
        for wrong in ["", "a", "ü2", "a b", "a/b", "a\nb", "<b>", "a'--", "ａｂｃ", "İstanbul", &"a".repeat(33)] {
            let refusal = user_name(wrong).unwrap_err();
            assert_eq!((refusal.code, refusal.path.as_deref()), (ErrorCode::UsernameInvalid, Some("user_name")), "{wrong:?}");
        }
    }

    #[test]
    fn separators_do_not_free_a_reserved_name() {
        for reserved in ["admin", "ad.min", "_admin_", "sign-in", "...", "-_"] {
            assert!(is_reserved(reserved), "{reserved}");
        }
        assert!(!is_reserved("administrate"));
    }

    #[test]
    fn a_colour_is_six_digits() {
        assert_eq!(color("#A1b2C3").as_deref(), Ok("#a1b2c3"));
        for wrong in ["", "red", "#fff", "#a1b2c3d4", "a1b2c3", "#a1b2cg", "#a1b2c\u{e9}", "url(x)"] {
            assert_eq!(color(wrong).map_err(|refusal| refusal.code), Err(ErrorCode::ColorInvalid), "{wrong}");
        }
    }

    #[test]
    fn white_text_can_be_read_on_every_default_colour() {
        for colour in PALETTE {
            let channel = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            let linear = |c: f64| if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
            let luminance = 0.2126 * linear(channel(1)) + 0.7152 * linear(channel(3)) + 0.0722 * linear(channel(5));
            assert!(1.05 / (luminance + 0.05) >= 4.5, "{colour}");
        }
        assert_eq!(default_color("ada"), default_color("ada"));
    }

    #[test]
    fn labels_keep_to_their_lengths() {
        assert_eq!(display_name(&"é".repeat(64)).map(|name| name.chars().count()), Ok(64));
        assert_eq!(display_name(&"é".repeat(65)).map_err(|refusal| refusal.code), Err(ErrorCode::DisplayNameInvalid));
        assert_eq!(display_name("a\u{202E}b").map_err(|refusal| refusal.code), Err(ErrorCode::DisplayNameInvalid));
        assert_eq!(status_text("").as_deref(), Ok(""));
        assert_eq!(status_text(&"x".repeat(101)).map_err(|refusal| refusal.code), Err(ErrorCode::StatusTextTooLong));
    }
}
