//! What can be set.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parley_proto::{PartitionId, Position};

/// The persister's bounds and intervals.
#[derive(Debug, Clone)]
pub struct Config {
    /// Records in one transaction.
    pub batch_records_max: usize,
    /// Bytes of records in one transaction.
    pub batch_bytes_max: usize,
    /// How long the first record of a batch waits for more after a pause.
    pub batch_age_max: Duration,
    /// Between the beginnings of two transactions of a partition, unless one is full: where much is said, a few larger ones leave the machine more than many small ones.
    pub batch_interval_min: Duration,
    /// Between two ticks that tell the gateways where the store is.
    pub tick_interval: Duration,
    /// Between two looks into the outbox, where others may write to it.
    pub outbox_interval: Duration,
    /// How long an outbox row's append may take to be reported.
    pub append_deadline: Duration,
    /// Between two tries while something is away: the first pause, doubled up to `retry_max`.
    pub retry_first: Duration,
    pub retry_max: Duration,
    /// How long the batch at hand may take to be written once the process has to end.
    pub drain_deadline: Duration,
    /// What the database of an older store refused, with its reasons: a store that is rebuilt beside it has the same dead letters.
    pub refused: Arc<Refusals>,
}

/// Records by place, each with what a database said of it.
pub type Refusals = BTreeMap<(PartitionId, Position), String>;

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_records_max: 2_000,
            batch_bytes_max: 1024 * 1024,
            batch_age_max: Duration::from_millis(20),
            batch_interval_min: Duration::from_millis(250),
            tick_interval: Duration::from_secs(1),
            outbox_interval: Duration::from_millis(50),
            append_deadline: Duration::from_secs(2),
            retry_first: Duration::from_millis(50),
            retry_max: Duration::from_secs(2),
            drain_deadline: Duration::from_secs(5),
            refused: Arc::default(),
        }
    }
}
