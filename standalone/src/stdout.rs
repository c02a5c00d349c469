//! What commands write on standard output. Whoever read it may be gone (`parley dead-letters list | head`): then a command that only shows something ends
//! without a word, and one that does something does it all the same.

use std::{
    fmt,
    io::{self, Write},
};

use thiserror::Error;

/// Nobody was shown it.
#[derive(Debug, Error)]
#[error("standard output: {0}")]
pub(crate) struct NotShown(#[from] io::Error);

impl NotShown {
    /// The reader had enough, which is no failure.
    pub(crate) fn reader_is_gone(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// A line of a command that does nothing else.
pub(crate) fn show(line: impl fmt::Display) -> Result<(), NotShown> {
    show_text(format_args!("{line}\n"))
}

/// The same for a text with its line ends.
pub(crate) fn show_text(text: impl fmt::Display) -> Result<(), NotShown> {
    Ok(write!(io::stdout().lock(), "{text}")?)
}

/// What was done: it is, whether anybody reads so or not.
pub(crate) fn tell(line: impl fmt::Display) {
    if let Err(error) = show(line) {
        tracing::debug!(%error, "nobody reads what this says");
    }
}
