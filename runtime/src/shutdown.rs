//! The end of a process in two steps. Soft: take nothing new, finish what was begun. Hard: stop now. A deadline lies between them, and the second signal
//! does not wait for it.

use std::{io, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Tells every part when to drain and when to stop. Clones are the same shutdown.
#[derive(Debug, Clone)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// A shutdown whose hard step follows the soft one after `drain_deadline`; needs a Tokio runtime.
    pub fn new(drain_deadline: Duration) -> Self {
        let shutdown = Self { soft: CancellationToken::new(), hard: CancellationToken::new() };
        tokio::spawn(shutdown.clone().watch_deadline(drain_deadline));
        shutdown
    }

    /// Cancelled when draining begins.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when everything has to stop at once; never before [`Shutdown::soft`].
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Begins to drain; does nothing if that has begun already.
    pub fn drain(&self) {
        self.soft.cancel();
    }

    /// Stops at once.
    pub fn stop(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether draining has begun.
    pub fn is_draining(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// From now on SIGTERM and SIGINT come here: the first drains, the second stops.
    pub fn on_signals(&self) -> io::Result<()> {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = self.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = term.recv() => "SIGTERM",
                    _ = int.recv() => "SIGINT",
                };
                if shutdown.is_draining() {
                    tracing::warn!(signal = name, "stopping at once");
                    shutdown.stop();
                } else {
                    tracing::info!(signal = name, "draining; a second signal stops at once");
                    shutdown.drain();
                }
            }
        });
        Ok(())
    }

    async fn watch_deadline(self, drain_deadline: Duration) {
        self.soft.cancelled().await;
        tokio::select! {
            () = self.hard.cancelled() => {}
            () = tokio::time::sleep(drain_deadline) => {
                tracing::warn!(drain.deadline_ms = drain_deadline.as_millis(), "the drain took too long; stopping");
                self.hard.cancel();
            }
        }
    }
}
