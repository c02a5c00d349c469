//! Which program asks, in a few words for people: what a list of sessions shows. Bounded, and nothing else of the header is kept.

use axum::http::{HeaderMap, header};

/// The words of a program that is no browser are cut to this many characters.
const CHARS_MAX: usize = 40;

/// Tokens and what they are called, the telling ones first: browsers pretend to be each other.
const BROWSERS: &[(&str, &str)] =
    &[("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"), ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];

const SYSTEMS: &[(&str, &str)] =
    &[("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "macOS"), ("CrOS", "ChromeOS"), ("Linux", "Linux")];

/// "Firefox on Linux", or the first word of another program; empty if it says nothing.
pub(super) fn summary(headers: &HeaderMap) -> String {
    let Some(header) = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()) else { return String::new() };
    let named = |table: &[(&str, &'static str)]| table.iter().find(|(token, _)| header.contains(token)).map(|(_, name)| *name);
    match (named(BROWSERS), named(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => header.split_whitespace().next().unwrap_or_default().chars().take(CHARS_MAX).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(agent: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, agent.parse().unwrap());
        summary(&headers)
    }

    #[test]
    fn a_browser_is_named_with_its_system() {
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
        assert_eq!(of(windows), "Chrome on Windows");
        assert_eq!(of(&format!("{windows} Edg/131.0.0.0")), "Edge on Windows");
        assert_eq!(of("Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"), "Firefox on Linux");
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1";
        assert_eq!(of(phone), "Safari on iPhone");
    }

    #[test]
    fn another_program_is_its_first_word_and_nobody_can_write_a_novel() {
        assert_eq!(of("curl/8.9.1 (x86_64)"), "curl/8.9.1");
        assert_eq!(of(&"x".repeat(5_000)).len(), CHARS_MAX);
        assert_eq!(of(" "), "");
        assert_eq!(summary(&HeaderMap::new()), "");
    }
}
