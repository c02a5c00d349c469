//! The Prometheus recorder. Every histogram has buckets, so that what several processes measured can be added up; a summary's quantiles can not.
//!
//! Names and descriptions belong to the crates that measure.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;

/// Seconds, for histograms that are given no buckets: 0.5 ms to 10 s.
pub const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How many of something, 1 to 4 096.
pub const COUNTS: [f64; 13] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0];

/// How often what was measured is folded into the buckets; until then it lies in memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// The upper bounds of one histogram's buckets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Buckets {
    /// The histogram's full name.
    pub histogram: &'static str,
    /// Ascending, in the histogram's unit.
    pub bounds: &'static [f64],
}

/// Renders what was measured.
#[derive(Debug, Clone)]
pub struct Metrics(PrometheusHandle);

/// The recorder can't be installed: buckets are empty, or there is one already.
#[derive(Debug, Error)]
#[error("metrics: {0}")]
pub struct MetricsError(#[from] BuildError);

impl Metrics {
    /// The text that a scrape gets.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

/// Installs the recorder, once per process, and keeps it tidy; needs a Tokio runtime. Histograms not in `buckets` get [`SECONDS`].
pub fn install(buckets: &[Buckets]) -> Result<Metrics, MetricsError> {
    let mut builder = PrometheusBuilder::new().set_buckets(&SECONDS)?;
    for Buckets { histogram, bounds } in buckets {
        builder = builder.set_buckets_for_metric(Matcher::Full((*histogram).to_owned()), bounds)?;
    }
    let handle = builder.install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(Metrics(handle))
}
