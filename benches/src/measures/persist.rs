//! Rows a second while a backlog is drained from Kafka into Postgres, beside the same rows going into the same table with the same indexes in batches of
//! the same size by COPY, by UNNEST with ON CONFLICT, and by one INSERT a row. Nothing is folded, checked or counted there.

use anyhow::ensure;
use parley_cluster::{Cluster, ClusterConfig};
use parley_proto::{PartitionId, RoomId};
use uuid::Uuid;

use super::Context;
use crate::{
    backlog, bodies, child,
    draining::{Place, Speed},
    report::{Aim, Measured, Rows as Report},
    rows::Rows,
};

/// The product's own default, and so everybody's.
pub(super) const BATCH: usize = 2_000;
/// Rows that are inserted one by one: at a commit each, more would take minutes.
const SINGLE_ROWS: usize = 1_000;
const TABLES: &str = "messages, room_positions";

pub(super) fn one(context: &Context) -> anyhow::Result<Measured> {
    run(context, 1)
}

pub(super) fn sixteen(context: &Context) -> anyhow::Result<Measured> {
    run(context, 16)
}

fn run(context: &Context, partitions: u16) -> anyhow::Result<Measured> {
    context.runtime.block_on(async {
        let mut report = Report::default();
        let cluster = cluster(context, &format!("persist-{partitions}")).await?;
        measure(&cluster, partitions, context.scale.of(1_000_000, 20_000), context.scale.of(5, 1), &mut report).await?;
        cluster.stop().await;
        Ok(report.measured())
    })
}

/// Kafka, Redis and Postgres, and nothing of the product.
pub(super) async fn cluster(context: &Context, folder: &str) -> anyhow::Result<Cluster> {
    let mut config = ClusterConfig::new(context.folder.join(folder));
    config.parley_bin = child::parley()?;
    (config.gateways, config.persisters, config.nginx) = (0, 0, false);
    Ok(Cluster::start(config).await?)
}

async fn measure(cluster: &Cluster, partitions: u16, count: usize, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let place = Place::make(cluster, "backlog").await?;
    let log = place.log().await?;
    let bodies = bodies::read(250_000)?;
    let rooms: Vec<_> = (0..partitions).map(|partition| RoomId::new(PartitionId(partition), *Uuid::new_v4().as_bytes())).collect();
    backlog::fill(&log, &rooms, count, |number, room, base| backlog::message(number, room, base, &bodies[number % bodies.len()])).await?;
    log.close().await;
    place.reset(TABLES).await?;
    let mut ours = vec![place.drain(count as u64).await?];
    let (mut copies, mut unnests, mut singles) = (Vec::new(), Vec::new(), Vec::new());
    let rows = Rows::read(&mut place.connect().await?, "messages").await?;
    ensure!(rows.rows.len() == count, "{} rows are stored instead of {count}", rows.rows.len());
    let (batches, chunks) = (rows.copy_batches(BATCH), rows.rows.chunks(BATCH).collect::<Vec<_>>());
    for round in 0..rounds {
        if round > 0 {
            place.reset(TABLES).await?;
            ours.push(place.drain(count as u64).await?);
        }
        place.reset(TABLES).await?;
        copies.push(place.feed(partitions, batches.len(), count, async |connection, number| rows.copy(connection, &batches[number]).await).await?);
        place.reset(TABLES).await?;
        unnests.push(place.feed(partitions, chunks.len(), count, async |connection, number| rows.unnest(connection, chunks[number]).await).await?);
        place.reset(TABLES).await?;
        let some = &rows.rows[..SINGLE_ROWS.min(count)];
        singles.push(place.feed(1, 1, some.len(), async |connection, _| rows.one_by_one(connection, some).await).await?);
    }
    report.add("ours ÷ COPY", "", Some(Aim::AtLeast(0.70, 0.90)), ratios(&ours, &copies));
    report.add("ours ÷ UNNEST with ON CONFLICT", "", Some(Aim::AtLeast(1.2, 1.45)), ratios(&ours, &unnests));
    report.add("ours ÷ one INSERT a row", "", Some(Aim::AtLeast(20.0, 50.0)), ratios(&ours, &singles));
    for (way, speeds) in [("ours", &ours), ("COPY", &copies), ("UNNEST", &unnests), ("one INSERT a row", &singles)] {
        speed(report, way, "rows/s", speeds);
    }
    Ok(())
}

pub(super) fn ratios(ours: &[Speed], others: &[Speed]) -> Vec<f64> {
    ours.iter().zip(others).map(|(ours, other)| ours.per_second / other.per_second).collect()
}

pub(super) fn speed(report: &mut Report, name: &str, unit: &str, speeds: &[Speed]) {
    report.add(name, unit, None, speeds.iter().map(|speed| speed.per_second));
    report.add(format!("{name}, CPU of Postgres for each"), "µs", None, speeds.iter().map(|speed| speed.postgres_micros));
    report.add(format!("{name}, CPU of the feeder for each"), "µs", None, speeds.iter().map(|speed| speed.feeder_micros));
}
