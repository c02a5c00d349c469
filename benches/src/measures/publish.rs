//! What Redis takes for one frame of a room: the product's compare-and-set publish, which also keeps the room's tail and place, beside plain PUBLISH of as
//! many bytes, as often and as many at a time. Each channel has one subscriber, as a room has that one gateway watches. What Redis does by itself is taken
//! off both.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use futures::{StreamExt, future::try_join_all};
use parley_cluster::{Redis, Service};
use parley_engines::bus::{
    BusChannels, BusConnection, BusEvent, BusPublish, Channel, Incarnation, Published, RoomFrames,
    redis::{RedisBus, RedisConfig},
};
use parley_proto::{Cursor, PartitionId, Position, RoomId, item::Item, segment::Group};
use redis::aio::{MultiplexedConnection, PubSubSink};
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use super::Context;
use crate::{
    bare, bodies, cpu,
    report::{Aim, Measured, Rows},
    talk::LOAD_BUSY_MAX,
};

/// What is published at a time, and how often.
#[derive(Debug, Clone, Copy)]
struct Shape {
    name: &'static str,
    /// Calls at the same time, each for a partition of its own.
    calls: u16,
    /// In each call.
    rooms: usize,
    every: Duration,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "one at a time, 1 000 a second", calls: 1, rooms: 1, every: Duration::from_millis(1) },
    Shape { name: "16 partitions at a time, 4 000 a second", calls: 16, rooms: 1, every: Duration::from_millis(4) },
    Shape { name: "16 rooms in one call, 4 000 a second", calls: 1, rooms: 16, every: Duration::from_millis(4) },
];
/// Events that wait for a subscriber.
const CAPACITY: usize = 10_000;
/// For the last to arrive.
const SETTLE: Duration = Duration::from_millis(300);

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let apart = cpu::Apart::new()?;
    context.runtime.block_on(async {
        let redis = Redis::start(&context.folder.join("publish"), None).await?;
        apart.serve(redis.service())?;
        let mut rows = Rows::default();
        for shape in SHAPES {
            measure(context, &redis, shape, &mut rows).await?;
        }
        tokio::task::spawn_blocking(move || drop(redis)).await?;
        Ok(rows.measured())
    })
}

async fn measure(context: &Context, redis: &Redis, shape: Shape, rows: &mut Rows) -> anyhow::Result<()> {
    let (rounds, time) = (context.scale.of(5, 2), Duration::from_secs(context.scale.of(8, 1)));
    redis.flush_all().await.map_err(anyhow::Error::msg)?;
    let mut ours = Ours::start(redis, shape).await?;
    let mut plain = Plain::start(redis, &ours).await?;
    let server = Server { redis: redis.service(), shape };
    // Tails are full before anything is counted.
    for _ in 0..ours.tail {
        ours.turn().await?;
        plain.turn().await?;
    }
    let (mut us, mut limits, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let alone = server.alone(time).await?;
        match (server.round(time, &mut plain).await?, server.round(time, &mut ours).await?) {
            (Ok(plain), Ok(ours)) => {
                ratios.push((ours - alone) / (plain - alone));
                us.push(ours - alone);
                limits.push(plain - alone);
            }
            (Err(why), _) | (_, Err(why)) => rows.void(format!("{}: {why}", shape.name)),
        }
    }
    rows.add(format!("{}: ours ÷ PUBLISH", shape.name), "", Some(Aim::AtMost(2.0, 1.2)), ratios);
    rows.add(format!("{}: ours", shape.name), "µs", None, us);
    rows.add(format!("{}: PUBLISH", shape.name), "µs", None, limits);
    Ok(())
}

/// One side of the comparison.
trait Publisher {
    /// Publishes what is published at a time, and waits until Redis has answered.
    async fn turn(&mut self) -> anyhow::Result<()>;
    /// Frames that the subscriber got so far.
    fn received(&self) -> u64;
}

struct Server<'a> {
    redis: &'a Service,
    shape: Shape,
}

impl Server<'_> {
    fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::of(self.redis.pid().context("Redis is gone")?)
    }

    /// Microseconds for each of as many frames as are published in this time, while none is.
    async fn alone(&self, time: Duration) -> anyhow::Result<f64> {
        let before = self.cpu()?;
        tokio::time::sleep(time).await;
        let frames = time.as_secs_f64() / self.shape.every.as_secs_f64() * f64::from(self.shape.calls) * self.shape.rooms as f64;
        Ok((self.cpu()? - before).as_secs_f64() * 1e6 / frames)
    }

    /// Microseconds for each frame; or why the round does not count.
    async fn round(&self, time: Duration, publisher: &mut impl Publisher) -> anyhow::Result<Result<f64, String>> {
        let mut turns = interval(self.shape.every);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (began, redis, load, received) = (Instant::now(), self.cpu()?, cpu::of_this()?, publisher.received());
        let mut published = 0;
        while began.elapsed() < time {
            turns.tick().await;
            publisher.turn().await?;
            published += u64::from(self.shape.calls) * self.shape.rooms as u64;
        }
        let (redis, busy) = (self.cpu()? - redis, (cpu::of_this()? - load).as_secs_f64() / began.elapsed().as_secs_f64());
        tokio::time::sleep(SETTLE).await;
        let received = publisher.received() - received;
        if received != published {
            return Ok(Err(format!("{received} frames arrived instead of {published}")));
        }
        if busy > LOAD_BUSY_MAX {
            return Ok(Err(format!("the load was {:.0} % busy", busy * 100.0)));
        }
        Ok(Ok(redis.as_secs_f64() * 1e6 / published as f64))
    }
}

/// The product's bus engine.
struct Ours {
    bus: RedisBus,
    /// Entries that a room's tail keeps.
    tail: usize,
    lanes: Vec<Lane>,
    received: Arc<AtomicU64>,
    _subscriber: Box<dyn BusConnection>,
}

/// A partition, and its rooms that are spoken in.
struct Lane {
    partition: PartitionId,
    rooms: Vec<RoomId>,
    next: u64,
    /// What is published, by turns.
    frames: Vec<Bytes>,
}

impl Ours {
    async fn start(redis: &Redis, shape: Shape) -> anyhow::Result<Self> {
        let config = RedisConfig::from_url(&redis.url())?;
        let tail = config.tail.entries;
        let bus = RedisBus::open(config)?;
        let items = bodies::read(1_000)?.into_iter().enumerate().filter_map(|(number, body)| {
            let position = Position(1_000_000 + number as u64);
            Some((position, Item::of_record(position, &bare::message(number, &body))?))
        });
        let frames: Vec<_> = items.map(|(position, item)| Group::new([(position, &item)]).to_bytes()).collect();
        let mut lanes = Vec::new();
        for partition in (0..shape.calls).map(PartitionId) {
            let rooms = (0..shape.rooms).map(|_| RoomId::new(partition, *Uuid::new_v4().as_bytes())).collect();
            // Positions as they are in a log that has been used for a while.
            let next = 1_000_000;
            ensure!(bus.seed(partition, Cursor(next), Incarnation(1 << 52), None).await?, "somebody else publishes here");
            lanes.push(Lane { partition, rooms, next, frames: frames.clone() });
        }
        let (subscriber, mut events) = bus.connect(CAPACITY).await?;
        let channels: Vec<_> = lanes.iter().flat_map(|lane| &lane.rooms).map(|room| Channel::Room(*room)).collect();
        subscriber.subscribe(&channels).await?;
        let received = Arc::new(AtomicU64::default());
        let counter = Arc::clone(&received);
        tokio::spawn(async move {
            while let Some(BusEvent::Frames { .. }) = events.recv().await {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { bus, tail, lanes, received, _subscriber: subscriber })
    }
}

impl Publisher for Ours {
    async fn turn(&mut self) -> anyhow::Result<()> {
        try_join_all(self.lanes.iter_mut().map(|lane| lane.publish(&self.bus))).await.map(drop)
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Lane {
    async fn publish(&mut self, bus: &RedisBus) -> anyhow::Result<()> {
        let (from, to) = (self.next, self.next + self.rooms.len() as u64);
        let rooms = self.rooms.iter().zip(from..).map(|(room, position)| RoomFrames {
            room: *room,
            last: Position(position),
            frames: self.frames[position as usize % self.frames.len()].clone(),
        });
        let published = bus.publish(self.partition, Cursor(from), Cursor(to), rooms.collect()).await?;
        ensure!(published == Published::Ok, "{published:?}");
        self.next = to;
        Ok(())
    }
}

/// PUBLISH, and nothing else.
struct Plain {
    connection: MultiplexedConnection,
    channels: Vec<String>,
    /// As long as what ours publishes.
    payloads: Vec<Vec<u8>>,
    turn: usize,
    received: Arc<AtomicU64>,
    _subscriber: PubSubSink,
}

impl Plain {
    async fn start(redis: &Redis, ours: &Ours) -> anyhow::Result<Self> {
        let client = redis::Client::open(redis.url())?;
        let connection = client.get_multiplexed_async_connection().await?;
        let lanes = &ours.lanes;
        // As long as ours: two letters and the room; where the room stood before and ends now, in text and in eight bytes, and the frames.
        let channels: Vec<_> = lanes.iter().flat_map(|lane| &lane.rooms).map(|room| format!("p:{room}")).collect();
        let head = [b"1000000:".as_slice(), &1_000_001_u64.to_be_bytes()].concat();
        let payloads = lanes[0].frames.iter().map(|frames| [&head, &frames[..]].concat()).collect();
        let (mut subscriber, mut messages) = client.get_async_pubsub().await?.split();
        subscriber.subscribe(&channels).await?;
        let received = Arc::new(AtomicU64::default());
        let counter = Arc::clone(&received);
        tokio::spawn(async move {
            while messages.next().await.is_some() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { connection, channels, payloads, turn: 0, received, _subscriber: subscriber })
    }
}

impl Publisher for Plain {
    async fn turn(&mut self) -> anyhow::Result<()> {
        self.turn += 1;
        let calls = self.channels.iter().enumerate().map(|(number, channel)| {
            let mut connection = self.connection.clone();
            let mut command = redis::cmd("PUBLISH");
            command.arg(channel).arg(&self.payloads[(self.turn + number) % self.payloads.len()]);
            async move { command.query_async::<i64>(&mut connection).await }
        });
        let heard = try_join_all(calls).await?;
        ensure!(heard.iter().all(|subscribers| *subscribers == 1), "{heard:?} subscribers");
        Ok(())
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
