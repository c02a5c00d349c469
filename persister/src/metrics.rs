//! The persister's metrics: names, meanings and units.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use parley_engines::store::projection::Committed;
use parley_proto::PartitionId;

const RECORDS: &str = "parley_persister_records_total";
/// Counts, not seconds: wants buckets of its own.
pub const BATCH_RECORDS: &str = "parley_persister_batch_records";
const COMMIT_SECONDS: &str = "parley_persister_commit_seconds";
const VOTE_ROWS: &str = "parley_persister_vote_rows_total";
const TALLY_ROWS: &str = "parley_persister_tally_rows_total";
const LAG_RECORDS: &str = "parley_persister_lag_records";
const SHARE_PARTITIONS: &str = "parley_persister_share_partitions";
const STOPPED_PARTITIONS: &str = "parley_persister_stopped_partitions";
const RETRIES: &str = "parley_persister_retries_total";
const MOVED: &str = "parley_persister_moved_total";
const OUTBOX_APPENDED: &str = "parley_persister_outbox_appended_total";

/// Gives the metrics their descriptions; call it once the recorder is installed.
pub fn describe() {
    describe_counter!(RECORDS, Unit::Count, "Records stored, by outcome.");
    describe_histogram!(BATCH_RECORDS, Unit::Count, "Records in one transaction.");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "How long one transaction took.");
    describe_counter!(VOTE_ROWS, Unit::Count, "Rows of votes written; several votes of a person on a message in one transaction are one row.");
    describe_counter!(TALLY_ROWS, Unit::Count, "Rows of tallies written: one per message and transaction, however many voted.");
    describe_gauge!(LAG_RECORDS, Unit::Count, "Records in the log that are not in the store yet, by partition.");
    describe_gauge!(SHARE_PARTITIONS, Unit::Count, "Partitions that are this process' own; over all processes each partition is somebody's.");
    describe_gauge!(STOPPED_PARTITIONS, Unit::Count, "Partitions that stopped with an alarm and wait for an operator.");
    describe_counter!(RETRIES, Unit::Count, "Tries after which the log or the store was away.");
    describe_counter!(MOVED, Unit::Count, "Batches thrown away because another persister had been there.");
    describe_counter!(OUTBOX_APPENDED, Unit::Count, "Changes of rooms and members handed over to the log.");
}

pub(crate) fn committed(committed: &Committed, took: Duration) {
    let Committed { outcomes, tallies, .. } = committed;
    for (outcome, count) in [
        ("applied", outcomes.applied),
        ("superseded", outcomes.superseded),
        ("duplicate", outcomes.duplicate),
        ("expired", outcomes.expired),
        ("dead_letter", outcomes.dead_letter),
        ("control", outcomes.control),
    ] {
        counter!(RECORDS, "outcome" => outcome).increment(count);
    }
    histogram!(BATCH_RECORDS).record(outcomes.consumed() as f64);
    histogram!(COMMIT_SECONDS).record(took);
    if !tallies.is_empty() {
        counter!(TALLY_ROWS).increment(tallies.len() as u64);
        counter!(VOTE_ROWS).increment(tallies.iter().map(|tally| tally.votes.len() as u64).sum());
    }
}

pub(crate) fn lag(partition: PartitionId, records: u64) {
    gauge!(LAG_RECORDS, "partition" => partition.to_string()).set(records as f64);
}

pub(crate) fn share(partitions: usize) {
    gauge!(SHARE_PARTITIONS).set(partitions as f64);
}

pub(crate) fn stopped(partitions: usize) {
    gauge!(STOPPED_PARTITIONS).set(partitions as f64);
}

pub(crate) fn retried() {
    counter!(RETRIES).increment(1);
}

pub(crate) fn moved() {
    counter!(MOVED).increment(1);
}

pub(crate) fn outbox_appended() {
    counter!(OUTBOX_APPENDED).increment(1);
}
