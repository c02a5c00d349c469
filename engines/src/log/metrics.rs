//! The logs' metrics: names, meanings and units.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const QUEUE_BYTES: &str = "parley_log_queue_bytes";
const QUEUE_REFUSED: &str = "parley_log_queue_refused_total";
const COMMIT_SECONDS: &str = "parley_log_commit_seconds";
/// Counts, not seconds: wants buckets of its own.
pub const COMMIT_RECORDS: &str = "parley_log_commit_records";
const COMMITS_FAILED: &str = "parley_log_commits_failed_total";
const APPENDS_UNKNOWN: &str = "parley_log_appends_unknown_total";
const PRODUCERS_FAILED: &str = "parley_log_producers_failed_total";
const READINGS_STALLED: &str = "parley_log_readings_stalled_total";

/// Gives the metrics their descriptions; call it once the recorder is installed.
pub fn describe() {
    describe_gauge!(QUEUE_BYTES, Unit::Bytes, "Records handed over and not yet answered for.");
    describe_counter!(QUEUE_REFUSED, Unit::Count, "Records refused because the producer's queue was full or its head too old.");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "How long one group commit of the embedded log took.");
    describe_histogram!(COMMIT_RECORDS, Unit::Count, "Records in one group commit of the embedded log.");
    describe_counter!(COMMITS_FAILED, Unit::Count, "Group commits of the embedded log that failed: their senders got `unknown`.");
    describe_counter!(APPENDS_UNKNOWN, Unit::Count, "Records handed to Kafka whose outcome is unknown.");
    describe_counter!(PRODUCERS_FAILED, Unit::Count, "Kafka producers that failed for good and were replaced.");
    describe_counter!(READINGS_STALLED, Unit::Count, "Readings of a Kafka partition that brought nothing although there was something, and began anew.");
}

pub(super) fn queue_bytes(bytes: usize) {
    gauge!(QUEUE_BYTES).set(bytes as f64);
}

pub(super) fn queue_refused() {
    counter!(QUEUE_REFUSED).increment(1);
}

pub(super) fn committed(records: usize, took: Duration) {
    histogram!(COMMIT_RECORDS).record(records as f64);
    histogram!(COMMIT_SECONDS).record(took);
}

pub(super) fn commit_failed() {
    counter!(COMMITS_FAILED).increment(1);
}

pub(super) fn append_unknown() {
    counter!(APPENDS_UNKNOWN).increment(1);
}

pub(super) fn producer_failed() {
    counter!(PRODUCERS_FAILED).increment(1);
}

pub(super) fn reading_stalled() {
    counter!(READINGS_STALLED).increment(1);
}
