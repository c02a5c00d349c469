//! How long a send waits for its ack: from the client's write to the client's read, through gateway and Kafka. The limit is a bare producer with the same
//! records, the same linger and the same partitions, from the call to the delivery report.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::ensure;
use parley_proto::RoomId;
use tokio::time::Instant;

use super::Context;
use crate::{
    bare::{self, Bare, PARTITIONS, Told},
    bodies,
    crowd::{Crowd, Entrance},
    deployment::Deployment,
    people::{self, Plan},
    report::{Aim, Measured, Rows},
    stats::quantile,
};

const RATES: [u64; 3] = [200, 1_000, 5_000];
/// After the last send.
const SETTLE: Duration = Duration::from_secs(2);

/// One round's times, in microseconds.
pub(super) struct Times {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let people = context.scale.of(1_000, 40);
    let rooms: Vec<_> = (0..PARTITIONS).map(|partition| Plan { partition, members: 0..people }).collect();
    let deployment = context.runtime.block_on(Deployment::start(&context.folder.join("ack"), people, &rooms))?;
    let bodies = bodies::read(1_000)?;
    // They receive no room: what is measured is the way in.
    let entrances: Vec<_> = deployment.people.tokens()?.into_iter().map(|token| Entrance { token: Some(token), rooms: Vec::new() }).collect();
    let mut crowd = Crowd::new()?;
    crowd.enter(deployment.gateway.addr, &entrances)?;
    let topic = context.runtime.block_on(bare::make_topic(&deployment.cluster.kafka().url("bare")))?;
    let bare = Bare::new(&topic, &bodies, Reports::default())?;
    let mut rows = Rows::default();
    let time = Duration::from_secs(context.scale.of(6, 1));
    ours(&mut crowd, &deployment.people.rooms, &bodies, 100, time)?;
    bare_round(&bare, 100, time)?;
    for rate in RATES.into_iter().take(context.scale.of(3, 1)) {
        let (mut us, mut limits) = (Vec::new(), Vec::new());
        for _ in 0..context.scale.of(7, 2) {
            let limit = bare_round(&bare, rate, time)?;
            match ours(&mut crowd, &deployment.people.rooms, &bodies, rate, time) {
                Ok(ours) => {
                    limits.push(limit);
                    us.push(ours);
                }
                Err(why) => rows.void(format!("{rate} messages/s: {why}")),
            }
        }
        if us.is_empty() {
            break;
        }
        let ratio = |pick: fn(&Times) -> f64| us.iter().zip(&limits).map(|(ours, limit)| pick(ours) / pick(limit)).collect::<Vec<_>>();
        rows.add(format!("{rate} messages/s: ours ÷ bare producer, p50"), "", Some(Aim::AtMost(1.5, 1.15)), ratio(|times| times.p50));
        rows.add(format!("{rate} messages/s: ours ÷ bare producer, p99"), "", Some(Aim::AtMost(2.0, 1.3)), ratio(|times| times.p99));
        for (who, all) in [("ours", &us), ("bare producer", &limits)] {
            rows.add(format!("{rate} messages/s: {who}, p50"), "ms", None, all.iter().map(|times| times.p50 / 1e3));
            rows.add(format!("{rate} messages/s: {who}, p99"), "ms", None, all.iter().map(|times| times.p99 / 1e3));
        }
    }
    Ok(rows.measured())
}

impl Times {
    fn of(mut micros: Vec<f64>) -> Self {
        micros.sort_unstable_by(f64::total_cmp);
        Self { p50: quantile(&micros, 0.5), p99: quantile(&micros, 0.99) }
    }
}

fn gap(rate: u64) -> Duration {
    Duration::from_nanos(1_000_000_000 / rate)
}

/// What acks take on these sockets, which speak in turn, in these rooms.
pub(super) fn ours(crowd: &mut Crowd, rooms: &[RoomId], bodies: &[String], rate: u64, time: Duration) -> anyhow::Result<Times> {
    let count = (time.as_secs_f64() * rate as f64) as usize;
    let before = crowd.arrived;
    let since = crowd.watch();
    let mut sent = Vec::with_capacity(count);
    for number in 0..count {
        crowd.listen_until(since + gap(rate) * number as u32)?;
        let text = people::send(number as u64, rooms[number % rooms.len()], &bodies[number % bodies.len()])?;
        sent.push(since.elapsed().as_micros() as u64);
        crowd.say(number % crowd.len(), &text)?;
    }
    crowd.listen(SETTLE)?;
    let acks = crowd.watched();
    let refusals = crowd.arrived.refusals - before.refusals;
    ensure!(acks.len() == count && refusals == 0, "{} of {count} sends were acked, {refusals} refused", acks.len());
    Ok(Times::of(acks.iter().map(|(number, at)| at.saturating_sub(sent[*number as usize]) as f64).collect()))
}

type Reports = Mutex<Vec<(usize, Instant)>>;

impl Told for Reports {
    fn of(&self, number: usize) {
        self.lock().unwrap_or_else(PoisonError::into_inner).push((number, Instant::now()));
    }
}

fn bare_round(bare: &Bare<Reports>, rate: u64, time: Duration) -> anyhow::Result<Times> {
    let count = (time.as_secs_f64() * rate as f64) as usize;
    let since = Instant::now();
    let mut sent = Vec::with_capacity(count);
    for number in 0..count {
        let due = since + gap(rate) * number as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        sent.push(Instant::now());
        bare.send(number)?;
    }
    bare.flush(SETTLE)?;
    let reports = std::mem::take(&mut *bare.told.lock().unwrap_or_else(PoisonError::into_inner));
    ensure!(reports.len() == count, "{} of {count} records were reported", reports.len());
    Ok(Times::of(reports.iter().map(|(number, at)| at.duration_since(sent[*number]).as_secs_f64() * 1e6).collect()))
}
