//! What the producer takes to bring one message to Kafka: the product's log engine, as the gateway uses it, beside a bare producer with the same bytes,
//! linger and partitions. Both run in this process, in turn, and nothing else is done here; what keeping the pace takes by itself is measured too and taken
//! off both. Nobody is woken by a receipt: that is a cost of whoever waits for it.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::bail;
use bytes::Bytes;
use futures::FutureExt;
use parley_engines::log::{Appended, LogWriter, Receipt, kafka::KafkaLog};
use parley_proto::{PartitionId, RoomId};
use tokio::time::Instant;

use super::{Context, persist};
use crate::{
    bare::{self, Bare, PARTITIONS, Told},
    bodies, cpu,
    report::{Aim, Measured, Rows},
    talk::LOAD_BUSY_MAX,
};

/// One is a request each; many share theirs.
const RATES: [usize; 2] = [1_000, 20_000];
/// What is due is handed over as often as the linger, so that it is not the pace that makes batches.
const TURN: Duration = Duration::from_millis(1);
/// For the brokers to answer for the last.
const SETTLE: Duration = Duration::from_millis(1_500);

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let (rounds, time) = (context.scale.of(5, 2), Duration::from_secs(context.scale.of(8, 1)));
    let apart = cpu::Apart::new()?;
    let cluster = context.runtime.block_on(persist::cluster(context, "producer"))?;
    cluster.services().into_iter().try_for_each(|service| apart.serve(service))?;
    let topic = context.runtime.block_on(bare::make_topic(&cluster.kafka().url("producer")))?;
    let bodies = bodies::read(1_000)?;
    let bare = Bare::new(&topic, &bodies, AtomicUsize::default())?;
    let mut ours = Ours::new(context.runtime.block_on(KafkaLog::open(topic))?, &bodies);
    let mut rows = Rows::default();
    ours.round(RATES[0], Duration::from_secs(1))?.or_else(|why| bail!(why))?;
    bare_round(&bare, RATES[0], Duration::from_secs(1))?.or_else(|why| bail!(why))?;
    for rate in RATES {
        let (mut us, mut limits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let alone = paced(rate, time, |_| Ok(()))?;
            match (bare_round(&bare, rate, time)?, ours.round(rate, time)?) {
                (Ok(bare), Ok(ours)) => {
                    let micros = |cpu: Duration| cpu.saturating_sub(alone).as_secs_f64() * 1e6 / count(rate, time) as f64;
                    ratios.push(micros(ours) / micros(bare));
                    us.push(micros(ours));
                    limits.push(micros(bare));
                }
                (Err(why), _) | (_, Err(why)) => rows.void(format!("{rate} messages/s: {why}")),
            }
        }
        rows.add(format!("{rate} messages/s: ours ÷ bare producer"), "", Some(Aim::AtMost(2.0, 1.25)), ratios);
        rows.add(format!("{rate} messages/s: ours"), "µs", None, us);
        rows.add(format!("{rate} messages/s: bare producer"), "µs", None, limits);
    }
    context.runtime.block_on(async {
        ours.log.close().await;
        cluster.stop().await;
    });
    Ok(rows.measured())
}

fn count(rate: usize, time: Duration) -> usize {
    (rate as f64 * time.as_secs_f64()) as usize
}

/// Hands the numbers that are due to `turn`, at this rate and for this long, and after that waits. This process' CPU meanwhile.
fn paced(rate: usize, time: Duration, mut turn: impl FnMut(Range<usize>) -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let (began, cpu, count) = (Instant::now(), cpu::of_this()?, count(rate, time));
    let mut handed = 0;
    while handed < count || began.elapsed() < time + SETTLE {
        std::thread::sleep(TURN);
        let due = ((began.elapsed().as_secs_f64() * rate as f64) as usize).min(count);
        turn(handed..due)?;
        handed = due;
    }
    Ok(cpu::of_this()? - cpu)
}

/// Or why the round does not count.
fn judged(cpu: Duration, time: Duration, answered: usize, count: usize) -> Result<Duration, String> {
    let busy = cpu.as_secs_f64() / time.as_secs_f64();
    if answered != count {
        return Err(format!("{answered} of {count} records are in the log"));
    }
    if busy > LOAD_BUSY_MAX {
        return Err(format!("the producer's processor was {:.0} % busy", busy * 100.0));
    }
    Ok(cpu)
}

impl Told for AtomicUsize {
    fn of(&self, _number: usize) {
        self.fetch_add(1, Ordering::Relaxed);
    }
}

fn bare_round(bare: &Bare<AtomicUsize>, rate: usize, time: Duration) -> anyhow::Result<Result<Duration, String>> {
    let before = bare.told.load(Ordering::Relaxed);
    let cpu = paced(rate, time, |mut numbers| numbers.try_for_each(|number| bare.send(number)))?;
    Ok(judged(cpu, time, bare.told.load(Ordering::Relaxed) - before, count(rate, time)))
}

struct Ours {
    log: KafkaLog,
    records: Vec<Bytes>,
    rooms: Vec<RoomId>,
}

impl Ours {
    fn new(log: KafkaLog, bodies: &[String]) -> Self {
        let rooms = (0..PARTITIONS).map(|partition| RoomId::new(PartitionId(partition), [7; 16])).collect();
        Self { log, records: bare::records(bodies).into_iter().map(Bytes::from).collect(), rooms }
    }

    fn round(&mut self, rate: usize, time: Duration) -> anyhow::Result<Result<Duration, String>> {
        let (mut under_way, mut answered) = (VecDeque::<Receipt>::new(), 0);
        let cpu = paced(rate, time, |numbers| {
            for number in numbers {
                let room = self.rooms[number % self.rooms.len()];
                // What is refused is missing at the end, and voids the round.
                under_way.extend(self.log.enqueue(room.partition(), room, self.records[number % self.records.len()].clone()));
            }
            while let Some(outcome) = under_way.front_mut().and_then(FutureExt::now_or_never) {
                under_way.pop_front();
                answered += usize::from(outcome != Appended::Unknown);
            }
            Ok(())
        })?;
        Ok(judged(cpu, time, answered, count(rate, time)))
    }
}
