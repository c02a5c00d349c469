//! What keeps a process from starting: collected, so that an operator reads all of it at once, one line each.

use std::fmt;

use thiserror::Error;

/// One or more.
#[derive(Debug, Default, Error)]
pub(crate) struct Obstacles(Vec<anyhow::Error>);

impl Obstacles {
    /// The value, or `None` and one obstacle more.
    pub(crate) fn note<T>(&mut self, result: anyhow::Result<T>) -> Option<T> {
        result.map_err(|error| self.0.push(error)).ok()
    }

    /// The value, or `None` and all of its obstacles as well.
    pub(crate) fn note_all<T>(&mut self, result: Result<T, Self>) -> Option<T> {
        result.map_err(|Self(errors)| self.0.extend(errors)).ok()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Obstacles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [alone] = &self.0[..] {
            return write!(f, "{alone:#}");
        }
        write!(f, "{} things are in the way:", self.0.len())?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error:#}"))
    }
}
