//! Log lines to standard error, for people or for machines. Nothing else writes there.
//!
//! Fields have dotted names (`commit.records`); none may begin with `log.`, which tracing-subscriber keeps for itself and leaves out of text.

use std::{fmt, io, str::FromStr};

use thiserror::Error;
use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::env::Env;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Which log lines are written, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    pub format: LogFormat,
    pub filter: LogFilter,
}

/// Directives of `tracing`: `info`, `warn,parley_gateway=debug`. Known to be readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter(String);

/// Somebody has installed a subscriber already.
#[derive(Debug, Error)]
#[error("log lines are already being written: {0}")]
pub struct AlreadyLogging(#[from] tracing_subscriber::util::TryInitError);

impl LogConfig {
    /// `PARLEY_LOG` and `PARLEY_LOG_FORMAT`.
    pub fn from_env(env: &mut Env) -> Self {
        Self {
            format: env.parse("PARLEY_LOG_FORMAT", LogFormat::Text, "How log lines look: text or json."),
            filter: env.parse("PARLEY_LOG", LogFilter("info".to_owned()), "Which log lines are written, e.g. warn,parley_gateway=debug."),
        }
    }
}

/// Starts to write log lines to standard error; once per process.
pub fn init(config: &LogConfig) -> Result<(), AlreadyLogging> {
    use tracing_subscriber::util::SubscriberInitExt;
    subscriber(config, io::stderr).try_init()?;
    Ok(())
}

/// What [`init`] installs, writing elsewhere.
pub fn subscriber<W>(config: &LogConfig, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // A line that can't be written is lost. To say so, the library would print to standard error, which panics where that is what fails: a full disk.
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&config.filter.0)).with_writer(writer).log_internal_errors(false);
    match config.format {
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
        LogFormat::Text => Box::new(builder.with_ansi(false).finish()),
    }
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err("it is json or text"),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Text => "text",
        })
    }
}

impl FromStr for LogFilter {
    type Err = tracing_subscriber::filter::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EnvFilter::try_new(text).map(|_| Self(text.to_owned()))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(pairs: &[(&str, &str)]) -> String {
        let lines = Lines::default();
        let mut env = Env::from_pairs(pairs.iter().copied());
        let config = LogConfig::from_env(&mut env);
        env.finish().unwrap();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(&config, move || writer.clone()), || {
            tracing::debug!("too quiet");
            tracing::info!(commit.records = 3, "stored");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn people_read_text_without_debug_lines_by_default() {
        let text = logged(&[]);
        assert!(text.contains("stored") && text.contains("commit.records=3") && !text.contains("too quiet"), "{text}");
        assert!(!text.contains('\u{1b}'), "no colours in a file: {text}");
    }

    #[test]
    fn machines_read_one_json_object_per_line() {
        let text = logged(&[("PARLEY_LOG_FORMAT", "json"), ("PARLEY_LOG", "debug")]);
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[1]["message"], &lines[1]["commit.records"], &lines[1]["level"]), (&"stored".into(), &3.into(), &"INFO".into()));
    }

    #[test]
    fn a_filter_or_format_that_can_not_be_read_is_a_mistake_of_the_settings() {
        let mut env = Env::from_pairs([("PARLEY_LOG", "parley=loud"), ("PARLEY_LOG_FORMAT", "xml")]);
        LogConfig::from_env(&mut env);
        assert_eq!(env.finish().unwrap_err().mistakes.len(), 2);
    }
}
