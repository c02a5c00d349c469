//! Rules for text that people type.

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::limits;

/// Why a message's body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TextError {
    #[error("nothing but white space")]
    Empty,
    #[error("longer than allowed")]
    TooLong,
    #[error("a character that is not allowed")]
    Invalid,
}

/// A message's body: 1 to 4 000 code points (Unicode scalar values), not only white space, no NUL. Everything else is kept as sent.
pub fn check_body(body: &str) -> Result<(), TextError> {
    if body.chars().count() > limits::BODY_CODE_POINTS {
        return Err(TextError::TooLong);
    }
    if body.contains('\0') {
        return Err(TextError::Invalid);
    }
    if body.chars().all(|c| c.is_whitespace() || is_invisible(c)) {
        return Err(TextError::Empty);
    }
    Ok(())
}

/// A label (display name, room name, topic): NFC, trimmed, `min` to `max` code points, no control characters and no bidi overrides.
pub fn clean_label(text: &str, min: usize, max: usize) -> Result<String, TextError> {
    let text: String = text.trim().nfc().collect();
    let length = text.chars().count();
    if length > max {
        return Err(TextError::TooLong);
    }
    if text.chars().any(|c| c.is_control() || is_bidi_control(c)) {
        return Err(TextError::Invalid);
    }
    if length < min || (min > 0 && text.chars().all(|c| c.is_whitespace() || is_invisible(c))) {
        return Err(TextError::Empty);
    }
    Ok(text)
}

fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Zero-width characters: a text of nothing but these is empty to whoever reads it.
fn is_invisible(c: char) -> bool {
    is_bidi_control(c) || matches!(c, '\u{00AD}' | '\u{034F}' | '\u{180E}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{3164}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_thousand_code_points_pass_and_one_more_does_not() {
        assert_eq!(check_body(&"é".repeat(4_000)), Ok(()));
        assert_eq!(check_body(&"👍".repeat(4_000)), Ok(()));
        assert_eq!(check_body(&"é".repeat(4_001)), Err(TextError::TooLong));
    }

    #[test]
    fn nothing_to_read_is_refused() {
        for empty in ["", " \n\t ", "\u{200B}\u{FEFF}", "\u{3000}"] {
            assert_eq!(check_body(empty), Err(TextError::Empty), "{empty:?}");
        }
        assert_eq!(check_body("a\0b"), Err(TextError::Invalid));
    }

    #[test]
    fn labels_are_normalised_and_can_not_turn_the_line_around() {
        assert_eq!(clean_label("  e\u{301}ric ", 1, 64).as_deref(), Ok("éric"));
        assert_eq!(clean_label("a\u{202E}b", 1, 64), Err(TextError::Invalid));
        assert_eq!(clean_label("a\nb", 1, 64), Err(TextError::Invalid));
        assert_eq!(clean_label("", 0, 64).as_deref(), Ok(""));
        assert_eq!(clean_label(&"x".repeat(65), 1, 64), Err(TextError::TooLong));
    }
}
