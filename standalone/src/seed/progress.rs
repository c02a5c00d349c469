//! What the operator sees meanwhile. Hidden where standard error is no terminal.

use std::time::Duration;

use indicatif::ProgressStyle;
use tokio::time::Instant;

use crate::running::{Progress, Running};

const REFRESH: Duration = Duration::from_millis(500);

const TEMPLATE: &str = "{bar:30} {human_pos} of {human_len} messages  {msg}";

#[derive(Debug)]
pub(super) struct ProgressBar(indicatif::ProgressBar);

impl ProgressBar {
    pub(super) fn new(messages: usize) -> Self {
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(indicatif::ProgressBar::new(messages as u64).with_style(style))
    }

    /// So many more are in the log or were there.
    pub(super) fn advance(&self, messages: usize) {
        self.0.inc(messages as u64);
    }

    /// Shows how fast log and store are, until it is dropped; returns only what goes wrong.
    pub(super) async fn follow(&self, running: &Running) -> anyhow::Error {
        let mut before: Option<(Instant, Progress)> = None;
        loop {
            let (at, now) = match running.progress().await {
                Ok(progress) => (Instant::now(), progress),
                Err(error) => return error,
            };
            if let Some((since, before)) = before.replace((at, now)) {
                let per_second = |from: u64, to: u64| to.saturating_sub(from) as f64 / (at - since).as_secs_f64();
                self.0.set_message(format!(
                    "accepted {:.0}/s  persisted {:.0}/s  lag {}",
                    per_second(before.accepted, now.accepted),
                    per_second(before.stored, now.stored),
                    now.lag()
                ));
            }
            tokio::time::sleep(REFRESH).await;
        }
    }

    pub(super) fn end(&self) {
        self.0.finish_and_clear();
    }
}
