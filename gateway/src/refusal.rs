//! A no, with what can be done about it: the one error type of the use cases.

use std::time::Duration;

use parley_engines::{bus::BusUnavailable, log::LogError, store::StoreUnavailable};
use parley_proto::ErrorCode;

/// Why something was not done. HTTP makes a problem of it, a socket an `error` frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub code: ErrorCode,
    /// For people who debug; never contains what the client must not know.
    pub detail: String,
    /// The field that is wrong.
    pub path: Option<String>,
    pub retry_after: Option<Duration>,
}

/// What a client is told to wait while a dependency is away.
pub const AWAY_RETRY_AFTER: Duration = Duration::from_secs(1);

impl Refusal {
    /// A refusal with the code's own sentence.
    pub fn new(code: ErrorCode) -> Self {
        Self { code, detail: code.title().to_owned(), path: None, retry_after: None }
    }

    /// The field that is wrong.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// More than the code says.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// When it is worth trying again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Missing, or not theirs to know about.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound)
    }

    /// A dependency is away.
    pub fn unavailable() -> Self {
        Self::new(ErrorCode::Unavailable).retry_after(AWAY_RETRY_AFTER)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Refusal {}

impl From<StoreUnavailable> for Refusal {
    fn from(error: StoreUnavailable) -> Self {
        tracing::warn!(error = %error, "store.unavailable");
        Self::unavailable()
    }
}

impl From<BusUnavailable> for Refusal {
    fn from(error: BusUnavailable) -> Self {
        tracing::warn!(error = %error, "bus.unavailable");
        Self::unavailable()
    }
}

impl From<LogError> for Refusal {
    fn from(error: LogError) -> Self {
        tracing::warn!(error = %error, "log.unavailable");
        Self::unavailable()
    }
}
