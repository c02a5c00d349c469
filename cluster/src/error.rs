//! Why something could not be started, faulted or stopped.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

/// Every failure of this crate. Its text is for the person at the terminal.
#[derive(Debug, Error)]
pub enum ClusterError {
    /// Something is not installed, and we may not install it.
    #[error("{what} is missing; install it with: {command}")]
    Missing { what: String, command: String },
    /// A program that runs to its end ended badly.
    #[error("{program} failed ({status}):\n{output}")]
    Failed { program: String, status: String, output: String },
    /// A service did not serve in time.
    #[error("{name} does not serve after {} s: {why}\n{log}", after.as_secs())]
    NotReady { name: String, after: Duration, why: String, log: String },
    /// No service has this name.
    #[error("there is no service {name}; there are: {known}")]
    Unknown { name: String, known: String },
    /// A fault that had nothing to act on.
    #[error("{name} does not run")]
    NotRunning { name: String },
    /// A process outlived a signal that nothing outlives.
    #[error("{name} is still there {} s after it was killed", after.as_secs())]
    StillThere { name: String, after: Duration },
    /// The port is somebody else's.
    #[error("port {port} on loopback is taken by another program: choose another port base")]
    PortTaken { port: u16 },
    /// The data folder was made for something else.
    #[error("{}: {why}", folder.display())]
    DataFolder { folder: PathBuf, why: String },
    /// A file or folder could not be read or written.
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

impl ClusterError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
