//! What is in the log and not stored yet: how long a send waits for its ack while the persister drains a million records, beside sends while there is
//! nothing to drain. Each round is one of both, on the same gateway. On a machine with two processors the drain takes its part of them, and that is in it.

use std::time::Duration;

use anyhow::{bail, ensure};
use parley_engines::{
    bus::{
        Beat, BusRead,
        redis::{RedisBus, RedisConfig},
    },
    log::{
        LogReader,
        kafka::{KafkaConfig, KafkaLog},
    },
};
use parley_proto::{Cursor, PartitionId, RoomId};
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    backlog,
    bare::PARTITIONS,
    bodies,
    crowd::{Crowd, Entrance},
    deployment::Deployment,
    measures::{Context, ack},
    people::Plan,
    report::{Aim, Measured, Rows},
};

const RATE: u64 = 200;
/// For a backlog to be relayed, and for it to be drained.
const DEADLINE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(50);

pub(in crate::measures) fn run(context: &Context) -> anyhow::Result<Measured> {
    let (people, count) = (context.scale.of(1_000, 40), context.scale.of(1_000_000, 300_000));
    // Shorter than the drain takes.
    let (rounds, time) = (context.scale.of(5, 2), Duration::from_secs(context.scale.of(3, 1)));
    let rooms: Vec<_> = (0..PARTITIONS).map(|partition| Plan { partition, members: 0..people }).collect();
    let deployment = context.runtime.block_on(Deployment::start(&context.folder.join("growth-backlog"), people, &rooms))?;
    let log = context.runtime.block_on(Log::open(&deployment))?;
    let bodies = bodies::read(1_000)?;
    let entrances: Vec<_> = deployment.people.tokens()?.into_iter().map(|token| Entrance { token: Some(token), rooms: Vec::new() }).collect();
    let mut crowd = Crowd::new()?;
    crowd.enter(deployment.gateway.addr, &entrances)?;
    let acks = |crowd: &mut Crowd| ack::ours(crowd, &deployment.people.rooms, &bodies, RATE, time);
    acks(&mut crowd)?;
    let mut rows = Rows::default();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        meanwhile(context, &mut crowd, log.stored())?;
        let idle = acks(&mut crowd)?;
        meanwhile(context, &mut crowd, log.fill_while_nothing_is_stored(&deployment, count))?;
        deployment.persister.service.up();
        meanwhile(context, &mut crowd, log.draining())?;
        let draining = acks(&mut crowd)?;
        if context.runtime.block_on(log.left())? == 0 {
            rows.void("the backlog was drained before the sends were over".to_owned());
            continue;
        }
        without.push(idle);
        with.push(draining);
    }
    let ratio = |pick: fn(&ack::Times) -> f64| with.iter().zip(&without).map(|(with, without)| pick(with) / pick(without)).collect::<Vec<_>>();
    rows.add(format!("{RATE} messages/s, {count} records to drain ÷ none: p99"), "", Some(Aim::AtMost(1.5, 1.5)), ratio(|times| times.p99));
    rows.add(format!("{RATE} messages/s, {count} records to drain ÷ none: p50"), "", None, ratio(|times| times.p50));
    for (name, all) in [("none to drain", &without), ("draining", &with)] {
        rows.add(format!("{name}: p99"), "ms", None, all.iter().map(|times| times.p99 / 1e3));
        rows.add(format!("{name}: p50"), "ms", None, all.iter().map(|times| times.p50 / 1e3));
    }
    Ok(rows.measured())
}

/// Those on sockets answer pings while something takes its time.
fn meanwhile(context: &Context, crowd: &mut Crowd, work: impl Future<Output = anyhow::Result<()>> + Send) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let working = scope.spawn(|| context.runtime.block_on(work));
        while !working.is_finished() {
            crowd.listen(LOOK)?;
        }
        working.join().unwrap_or_else(|_| bail!("it panicked"))
    })
}

/// The deployment's log, and who has come how far in it.
struct Log {
    log: KafkaLog,
    bus: RedisBus,
    database: String,
    /// One in each partition; nobody is in them.
    rooms: Vec<RoomId>,
    bodies: Vec<String>,
}

impl Log {
    async fn open(deployment: &Deployment) -> anyhow::Result<Self> {
        Ok(Self {
            log: KafkaLog::open(KafkaConfig::from_url(&deployment.cluster.log_url())?).await?,
            bus: RedisBus::open(RedisConfig::from_url(&deployment.cluster.redis().url())?)?,
            database: deployment.cluster.postgres().url(),
            rooms: (0..PARTITIONS).map(|partition| RoomId::new(PartitionId(partition), *Uuid::new_v4().as_bytes())).collect(),
            bodies: bodies::read(250_000)?,
        })
    }

    /// Stops the persister, appends so many records, and returns when the gateway has relayed them all.
    async fn fill_while_nothing_is_stored(&self, deployment: &Deployment, count: usize) -> anyhow::Result<()> {
        deployment.persister.service.down().await?;
        backlog::fill(&self.log, &self.rooms, count, |number, room, base| backlog::message(number, room, base, &self.bodies[number % self.bodies.len()]))
            .await?;
        let until = Instant::now() + DEADLINE;
        for partition in (0..PARTITIONS).map(PartitionId) {
            let end = self.log.end(partition).await?;
            while !matches!(self.bus.beat(partition, Cursor::LIMIT).await?, Beat::State { next, .. } if next >= end) {
                ensure!(Instant::now() < until, "partition {partition} is not relayed");
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Records that are not stored.
    async fn left(&self) -> anyhow::Result<u64> {
        let mut ends = 0;
        for partition in (0..PARTITIONS).map(PartitionId) {
            ends += self.log.end(partition).await?.0;
        }
        let mut connection = PgConnection::connect(&self.database).await?;
        let stored: i64 = sqlx::query_scalar("select coalesce(sum(next), 0)::bigint from partitions").fetch_one(&mut connection).await?;
        Ok(ends.saturating_sub(stored as u64))
    }

    async fn stored(&self) -> anyhow::Result<()> {
        self.wait(|left| left == 0).await
    }

    /// Returns when the persister has begun.
    async fn draining(&self) -> anyhow::Result<()> {
        let full = self.left().await?;
        self.wait(|left| left < full).await
    }

    async fn wait(&self, is_so: impl Fn(u64) -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + DEADLINE;
        while !is_so(self.left().await?) {
            ensure!(Instant::now() < until, "the persister does not come on");
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}
