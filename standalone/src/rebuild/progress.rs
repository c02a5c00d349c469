//! What the operator sees meanwhile: a bar on a terminal, and a log line every now and then in any case.

use std::time::Duration;

use indicatif::ProgressStyle;
use tokio::time::Instant;

const TEMPLATE: &str = "{bar:30} {human_pos} of {human_len} records  {msg}";
const REFRESH: Duration = Duration::from_millis(500);
const LOG_LINE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct ProgressBar {
    bar: indicatif::ProgressBar,
    records: u64,
    /// What was shown last, and when.
    shown: (Instant, u64),
    logged: Instant,
}

impl ProgressBar {
    /// `stored` of the `records` are there already.
    pub(super) fn new(records: u64, stored: u64) -> Self {
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let now = Instant::now();
        Self { bar: indicatif::ProgressBar::new(records).with_style(style), records, shown: (now, stored), logged: now }
    }

    pub(super) fn show(&mut self, stored: u64) {
        let (since, before) = self.shown;
        if since.elapsed() < REFRESH {
            return;
        }
        let per_second = stored.saturating_sub(before) as f64 / since.elapsed().as_secs_f64();
        self.shown = (Instant::now(), stored);
        self.bar.set_position(stored);
        self.bar.set_message(format!("{per_second:.0}/s"));
        if self.logged.elapsed() >= LOG_LINE {
            self.logged = Instant::now();
            tracing::info!(rebuild.stored = stored, rebuild.records = self.records, rebuild.per_second = per_second.round(), "rebuilding");
        }
    }

    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
