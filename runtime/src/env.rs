//! Settings from `PARLEY_*` variables. Every mistake is collected, so that a start that fails names all of them at once; a variable nobody reads is a
//! mistake too, since it is most likely a misspelt one.
//!
//! Messages name variables and never show values: a URL may hold a password. An empty variable counts as not set.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    str::FromStr,
    time::Duration,
};

use thiserror::Error;

pub use self::{secret::Secret, units::ByteSize};

mod nearest;
mod secret;
mod units;

/// Only these variables are ours.
const PREFIX: &str = "PARLEY_";

/// The reader. Read everything, then ask [`Env::finish`].
#[derive(Debug, Default)]
pub struct Env {
    values: BTreeMap<String, String>,
    settings: Vec<Setting>,
    mistakes: Vec<String>,
}

/// A variable that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    /// As it would be written; `None` where there is none.
    pub default: Option<String>,
    /// One line.
    pub description: &'static str,
}

/// Every mistake in the settings, one per line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the settings have mistakes:\n  {}", mistakes.join("\n  "))]
pub struct ConfigErrors {
    pub mistakes: Vec<String>,
}

impl Env {
    /// This process' environment.
    pub fn from_process() -> Self {
        let mut env = Self::default();
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => env.insert(name, value),
                Err(_) if name.starts_with(PREFIX) => env.mistake(&name, "is not UTF-8"),
                Err(_) => {}
            }
        }
        env
    }

    /// An environment that is given, for tests and for processes that are started in this one.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut env = Self::default();
        for (name, value) in pairs {
            env.insert(name.into(), value.into());
        }
        env
    }

    fn insert(&mut self, name: String, value: String) {
        if name.starts_with(PREFIX) {
            self.values.insert(name, value);
        }
    }

    /// The value, or `default` where it is not set (or wrong, which [`Env::finish`] tells).
    pub fn parse<T>(&mut self, name: &'static str, default: T, description: &'static str) -> T
    where
        T: FromStr<Err: Display> + Display,
    {
        self.declare(name, Some(default.to_string()), description);
        self.value(name).unwrap_or(default)
    }

    /// The value, if it is set (and right, see [`Env::finish`]).
    pub fn optional<T: FromStr<Err: Display>>(&mut self, name: &'static str, description: &'static str) -> Option<T> {
        self.declare(name, None, description);
        self.value(name)
    }

    /// The secret, if it is set.
    pub fn secret(&mut self, name: &'static str, description: &'static str) -> Option<Secret> {
        self.declare(name, None, description);
        self.text(name).map(Secret::new)
    }

    /// A duration such as `250ms`, `10s`, `5m`, `12h`, `7d`.
    pub fn duration(&mut self, name: &'static str, default: Duration, description: &'static str) -> Duration {
        self.declare(name, Some(units::format_duration(default)), description);
        let parsed = self.text(name).map(|text| units::parse_duration(&text));
        self.keep(name, parsed).unwrap_or(default)
    }

    /// A variable that somebody else reads (the cluster's supervisor, a script): known, but of no use here.
    pub fn declare(&mut self, name: &'static str, default: Option<String>, description: &'static str) {
        debug_assert!(name.starts_with(PREFIX), "{name} would never be found");
        if self.settings.iter().all(|setting| setting.name != name) {
            self.settings.push(Setting { name, default, description });
        }
    }

    /// A value that could be read and is wrong nevertheless, such as a key that is too short; `why` continues the sentence that `name` begins.
    pub fn mistake(&mut self, name: &str, why: impl Display) {
        self.mistakes.push(format!("{name} {why}"));
    }

    /// Everything that was asked for so far, in that order: what `.env.example` lists.
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// All mistakes, if there are any: values that could not be read, and variables that nobody asked for.
    pub fn finish(&self) -> Result<(), ConfigErrors> {
        let known: BTreeSet<_> = self.settings.iter().map(|setting| setting.name).collect();
        let unknown = self.values.keys().filter(|name| !known.contains(name.as_str())).map(|name| match nearest::nearest(name, &known) {
            Some(near) => format!("{name} is not a setting; did you mean {near}?"),
            None => format!("{name} is not a setting"),
        });
        let mistakes: Vec<_> = self.mistakes.iter().cloned().chain(unknown).collect();
        if mistakes.is_empty() { Ok(()) } else { Err(ConfigErrors { mistakes }) }
    }

    fn text(&self, name: &str) -> Option<String> {
        self.values.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn value<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Option<T> {
        let parsed = self.text(name).map(|text| text.parse());
        self.keep(name, parsed)
    }

    fn keep<T, E: Display>(&mut self, name: &'static str, parsed: Option<Result<T, E>>) -> Option<T> {
        match parsed? {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(name, format_args!("can't be read: {error}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        Env::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn what_is_not_set_or_empty_has_its_default() {
        let mut env = env(&[("PARLEY_PORT", "9000"), ("PARLEY_EMPTY", " ")]);
        assert_eq!(env.parse("PARLEY_PORT", 8080_u16, "port"), 9000);
        assert_eq!(env.parse("PARLEY_OTHER", 8080_u16, "port"), 8080);
        assert_eq!(env.parse("PARLEY_EMPTY", 7_u16, "port"), 7);
        assert_eq!(env.duration("PARLEY_AGE", Duration::from_secs(90), "age"), Duration::from_secs(90));
        assert_eq!(env.parse("PARLEY_QUEUE", ByteSize(64 << 20), "queue"), ByteSize(64 << 20));
        assert_eq!(env.optional::<SocketAddr>("PARLEY_ADDRESS", "address"), None);
        assert!(env.secret("PARLEY_KEY", "key").is_none());
        assert_eq!(env.finish(), Ok(()));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let mut env = env(&[("PARLEY_PORT", "many"), ("PARLEY_AGE", "10 parsecs"), ("PARLEY_ADRESS", "127.0.0.1:1"), ("PARLEY_ZZZ", "1"), ("HOME", "/")]);
        assert_eq!(env.parse("PARLEY_PORT", 8080_u16, "port"), 8080);
        env.duration("PARLEY_AGE", Duration::from_secs(1), "age");
        env.optional::<SocketAddr>("PARLEY_ADDRESS", "address");
        env.mistake("PARLEY_KEY", "is shorter than 32 bytes");
        let errors = env.finish().unwrap_err();
        assert_eq!(
            errors.mistakes,
            [
                "PARLEY_PORT can't be read: invalid digit found in string",
                "PARLEY_AGE can't be read: a duration is a whole number and one of ms, s, m, h, d",
                "PARLEY_KEY is shorter than 32 bytes",
                "PARLEY_ADRESS is not a setting; did you mean PARLEY_ADDRESS?",
                "PARLEY_ZZZ is not a setting",
            ]
        );
        assert_eq!(errors.to_string().lines().count(), 6);
    }

    #[test]
    fn values_are_never_shown() {
        let mut env = env(&[("PARLEY_KEY", "hunter2-hunter2"), ("PARLEY_PORT", "hunter2")]);
        let secret = env.secret("PARLEY_KEY", "key").unwrap();
        env.parse("PARLEY_PORT", 1_u16, "port");
        let shown = format!("{secret} {secret:?} {}", env.finish().unwrap_err());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.expose(), "hunter2-hunter2");
    }

    #[test]
    fn what_was_asked_for_can_be_listed() {
        let mut env = env(&[("PARLEY_PORT", "1")]);
        env.parse("PARLEY_PORT", 8080_u16, "where to listen");
        env.duration("PARLEY_AGE", Duration::from_millis(1_500), "how old");
        env.secret("PARLEY_KEY", "signs");
        env.parse("PARLEY_PORT", 8080_u16, "where to listen");
        let listed: Vec<_> = env.settings().iter().map(|setting| (setting.name, setting.default.as_deref(), setting.description)).collect();
        assert_eq!(listed, [("PARLEY_PORT", Some("8080"), "where to listen"), ("PARLEY_AGE", Some("1500ms"), "how old"), ("PARLEY_KEY", None, "signs")]);
    }

    #[test]
    fn a_variable_that_is_declared_is_not_unknown() {
        let mut env = env(&[("PARLEY_PORT_BASE", "9000")]);
        assert!(env.finish().is_err());
        env.declare("PARLEY_PORT_BASE", None, "read by the cluster");
        assert_eq!(env.finish(), Ok(()));
    }
}
