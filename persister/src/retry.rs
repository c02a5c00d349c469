//! Pauses between tries.

use std::time::Duration;

use crate::{Config, metrics};

/// Doubles from try to try.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(config: &Config) -> Self {
        Self { first: config.retry_first, max: config.retry_max, next: config.retry_first }
    }

    pub(crate) async fn pause(&mut self) {
        metrics::retried();
        let pause = self.next;
        self.next = (pause * 2).min(self.max);
        tokio::time::sleep(pause).await;
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.first;
    }
}
