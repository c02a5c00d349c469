//! Log, store and bus of a deployment, compared from beginning to end. The log is what happened; the store has to be exactly what it says, and the bus
//! a part of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, ensure};
use parley_engines::log::{
    LogError, LogReader, ReadMax,
    kafka::{KafkaConfig, KafkaLog},
};
use parley_proto::{Cursor, PartitionId, Position};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;

pub use self::report::{Check, PartitionReport, Report};
use self::{
    expected::{Expected, Outcome},
    store::PartitionRow,
};
use crate::check::Truth;

mod bus;
pub mod expected;
mod report;
mod store;

/// For the log to answer while it elects leaders anew.
const LOG_PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks whether the store has everything.
const LOOK: Duration = Duration::from_millis(200);
const READ: ReadMax = ReadMax { records: 65_536, bytes: 16 * 1024 * 1024 };

/// Where everything is, as the product's own settings say it.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// `kafka://hosts/topic`
    pub log_url: String,
    /// `redis://host`
    pub bus_url: String,
    /// `postgres://…`
    pub store_url: String,
}

/// Waits until the store has what the log has, for `patience` at most, then compares everything. Fails only where something can't be read; what differs is
/// in the report.
pub async fn verify(deployment: &Deployment, patience: Duration) -> anyhow::Result<Report> {
    let log = KafkaLog::open(KafkaConfig::from_url(&deployment.log_url)?).await.context("the log")?;
    let mut store = PgConnection::connect(&deployment.store_url).await.context("the store")?;
    let mut redis = redis::Client::open(deployment.bus_url.as_str())?.get_multiplexed_async_connection().await.context("the bus")?;

    let mut settled = Check::new("everything accepted is stored, and every change of rooms has come back from the log");
    let until = Instant::now() + patience;
    loop {
        // What was faulted a moment ago may need a moment to answer.
        match unsettled(&log, &mut store).await.unwrap_or_else(|error| Some(format!("{error:#}"))) {
            None => break settled.that(true, String::new),
            Some(open) if Instant::now() >= until => break settled.that(false, || open),
            Some(_) => tokio::time::sleep(LOOK).await,
        }
    }

    let mut tx = store.begin().await?;
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    let rows = store::partitions(&mut tx).await?;
    let refused = store::refused(&mut tx).await?;
    let mut expected = BTreeMap::new();
    let mut report = Report { checks: vec![settled], ..Report::default() };
    for (partition, row) in &rows {
        let refused = refused.iter().filter(|refused| refused.partition == *partition).map(|refused| refused.position).collect();
        let folded = fold(&log, *partition, row.next, refused).await?;
        let end = end_of(&log, *partition).await?;
        let (records, lag) = (folded.outcomes.sum(), end.0.saturating_sub(row.next.0));
        report.partitions.push(PartitionReport { partition: partition.0, records, lag, outcomes: folded.outcomes });
        expected.insert(*partition, folded);
    }
    report.checks.push(conservation(&log, &rows, &expected));
    report.checks.push(store::none_is_lost(&refused, &expected));
    report.checks.extend(store::compare(&mut tx, &expected).await?);
    tx.rollback().await?;
    // The bus is ahead of the store where people are talking: it is compared with the log as it is by now.
    for (partition, folded) in &mut expected {
        let end = end_of(&log, *partition).await?;
        extend(&log, *partition, folded, end, |_, _, _| ()).await?;
    }
    report.checks.extend(bus::compare(&mut redis, &expected).await.context("the bus")?);
    log.close().await;
    Ok(report)
}

/// What the store still lacks.
async fn unsettled(log: &KafkaLog, store: &mut PgConnection) -> anyhow::Result<Option<String>> {
    for (partition, row) in store::partitions(store).await? {
        let end = log.end(partition).await?;
        if row.next != end {
            return Ok(Some(format!("partition {partition}: the log ends at {end}, stored is what is below {}", row.next)));
        }
    }
    let waiting = store::outbox(store).await?;
    Ok((waiting > 0).then(|| format!("{waiting} changes of rooms and members are in the outbox")))
}

/// All that the log says by now.
pub async fn truth(deployment: &Deployment) -> anyhow::Result<Truth> {
    let log = KafkaLog::open(KafkaConfig::from_url(&deployment.log_url)?).await.context("the log")?;
    let mut truth = Truth::default();
    for partition in (0..log.partitions()).map(PartitionId) {
        let end = end_of(&log, partition).await?;
        let mut expected = Expected::new(partition, BTreeSet::new());
        extend(&log, partition, &mut expected, end, |position, bytes, outcome| truth.record(partition, position, bytes, outcome)).await?;
    }
    log.close().await;
    Ok(truth)
}

async fn fold(log: &KafkaLog, partition: PartitionId, to: Cursor, refused: BTreeSet<Position>) -> anyhow::Result<Expected> {
    let mut expected = Expected::new(partition, refused);
    extend(log, partition, &mut expected, to, |_, _, _| ()).await?;
    Ok(expected)
}

async fn end_of(log: &KafkaLog, partition: PartitionId) -> Result<Cursor, LogError> {
    patiently(|| log.end(partition)).await
}

/// Asks again while the log is away, for as long as an election may take.
async fn patiently<T, F: Future<Output = Result<T, LogError>>>(ask: impl Fn() -> F) -> Result<T, LogError> {
    let until = Instant::now() + LOG_PATIENCE;
    loop {
        match ask().await {
            Err(LogError::Unavailable(_)) if Instant::now() < until => tokio::time::sleep(LOOK).await,
            answer => return answer,
        }
    }
}

/// Gives it what the log has below `to`, and tells what it said of each record.
async fn extend(
    log: &KafkaLog,
    partition: PartitionId,
    expected: &mut Expected,
    to: Cursor,
    mut told: impl FnMut(Position, &[u8], Outcome),
) -> anyhow::Result<()> {
    while expected.next < to {
        let records = patiently(|| log.read(partition, expected.next, READ)).await?;
        ensure!(!records.is_empty(), "partition {partition}: nothing at {}, though the log ends above {to}", expected.next);
        for record in records.into_iter().filter(|record| record.position.at() < to) {
            let outcome = expected.record(record.position, &record.bytes)?;
            told(record.position, &record.bytes, outcome);
        }
    }
    Ok(())
}

/// Per partition: it is the log that the store knows, and consumed = applied + superseded + duplicate + expired + dead letter + control.
fn conservation(log: &KafkaLog, rows: &BTreeMap<PartitionId, PartitionRow>, expected: &BTreeMap<PartitionId, Expected>) -> Check {
    let mut check = Check::new("partitions: the same log, all counted: consumed = applied + superseded + duplicate + expired + dead letter + control");
    check.equal(&rows.len(), &usize::from(log.partitions()), || "partitions".to_owned());
    for (partition, row) in rows {
        let wanted = &expected[partition];
        check.that(row.open, || format!("partition {partition} is not open"));
        check.equal(&Some(row.log_id), &wanted.log_id, || format!("partition {partition}: log id"));
        check.equal(&row.outcomes, &wanted.outcomes, || format!("partition {partition}: outcomes"));
        check.equal(&row.outcomes.sum(), &row.next.0, || format!("partition {partition}: sum of the outcomes and records consumed"));
        check.equal(&row.last_hash.as_deref(), &wanted.last_hash.as_ref().map(<[u8; 16]>::as_slice), || format!("partition {partition}: last hash"));
    }
    check
}
