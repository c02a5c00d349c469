//! Where and when it was measured.

use std::{fmt, fs};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    date: String,
    /// What others did meanwhile: `/proc/loadavg` at the end.
    load: String,
}

impl Machine {
    /// This machine, now.
    pub(crate) fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let model = read("/proc/cpuinfo").lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_owned()));
        let cores = read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count();
        let today = OffsetDateTime::now_utc().date();
        Self {
            processor: model.unwrap_or_else(|| "unknown processor".to_owned()),
            cores,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            date: today.to_string(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, kernel, date, load } = self;
        write!(f, "{date}, {processor}, {cores} cores, Linux {kernel}, load average {load} at the end")
    }
}
