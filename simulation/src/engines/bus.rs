//! The bus as one process sees it: the embedded one, out of reach, with lost answers and lost events. Emptied, evicted and rolled back it is by the run.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use parley_engines::bus::{
    Beat, BusChannels, BusConnection, BusEvent, BusLeases, BusLimits, BusPresence, BusPublish, BusRead, BusRights, BusUnavailable, Channel, Incarnation,
    Online, Published, RoomFrames, Tail,
    limits::Bucket,
    rate::{Rate, Taken},
};
use parley_proto::{Cursor, PartitionId, RoomId, UserId, notice::Notice};
use tokio::sync::mpsc;

use crate::{
    dice::{Dice, take},
    process::Process,
    sabotage::Sabotage,
    world::{Weather, World},
};

/// A call gives up on a bus that is away after this, or at once.
const CALL_DEADLINE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(crate) struct SimBus {
    world: Arc<World>,
    process: Process,
    dice: Arc<Dice>,
}

impl SimBus {
    pub(crate) fn new(world: &Arc<World>, process: &Process) -> Self {
        let dice = Arc::new(Dice::new(world.seed, &format!("bus {} {}", process.name, world.elapsed().as_millis())));
        Self { world: Arc::clone(world), process: process.clone(), dice }
    }

    fn is_away(&self, weather: &Weather) -> bool {
        weather.bus_away || weather.bus_away_for.contains(&*self.process.name)
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, BusUnavailable>>) -> Result<T, BusUnavailable> {
        self.process.runs().await;
        take(self.dice.latency()).await;
        if self.world.is(|weather| weather.bus_slow) {
            take(self.dice.millis(50..1_500)).await;
        }
        if self.world.is(|weather| self.is_away(weather)) {
            if self.dice.chance(0.3) {
                take(CALL_DEADLINE).await;
            }
            self.process.runs().await;
            return Err(BusUnavailable("it is away".to_owned()));
        }
        let answer = call.await;
        take(self.dice.latency()).await;
        self.process.runs().await;
        if self.world.is(|weather| weather.bus_answers_lost) && self.dice.chance(0.3) {
            return Err(BusUnavailable("the answer was lost".to_owned()));
        }
        answer
    }
}

#[async_trait]
impl BusPublish for SimBus {
    async fn publish(&self, partition: PartitionId, from: Cursor, to: Cursor, rooms: Vec<RoomFrames>) -> Result<Published, BusUnavailable> {
        let answer = self.call(self.world.bus.publish(partition, from, to, rooms)).await;
        if from < to {
            self.world.tell(|| format!("{} publishes {partition} [{from}, {to}): {answer:?}", self.process.name));
        }
        answer
    }

    async fn seed(&self, partition: PartitionId, end: Cursor, incarnation: Incarnation, expected: Option<Incarnation>) -> Result<bool, BusUnavailable> {
        let answer = self.call(self.world.bus.seed(partition, end, incarnation, expected)).await;
        self.world.tell(|| format!("{} seeds {partition} at {end}: {answer:?}", self.process.name));
        answer
    }
}

#[async_trait]
impl BusRead for SimBus {
    async fn tail(&self, room: RoomId) -> Result<Tail, BusUnavailable> {
        let tail = self.call(self.world.bus.tail(room)).await;
        match tail {
            Ok(Tail::Frames { next, segments, .. }) if segments.is_empty() && self.world.has(Sabotage::EmptyTailIsWhole) => {
                Ok(Tail::Frames { next, floor: Cursor::ZERO, segments })
            }
            tail => tail,
        }
    }

    async fn beat(&self, partition: PartitionId, since: Cursor) -> Result<Beat, BusUnavailable> {
        let beat = self.call(self.world.bus.beat(partition, since)).await;
        match beat {
            // A relay asks for no room at all.
            Ok(Beat::State { incarnation, .. }) if since < Cursor::LIMIT && self.world.has(Sabotage::BeatOff) => {
                Ok(Beat::State { next: since, seed: Cursor::ZERO, incarnation, rooms: Vec::new() })
            }
            beat => beat,
        }
    }
}

#[async_trait]
impl BusChannels for SimBus {
    async fn connect(&self, capacity: usize) -> Result<(Box<dyn BusConnection>, mpsc::Receiver<BusEvent>), BusUnavailable> {
        let (inner, events) = self.call(self.world.bus.connect(capacity)).await?;
        let (sender, receiver) = mpsc::channel(capacity);
        let cuts = self.world.weather.borrow().bus_cuts;
        tokio::spawn(forward(self.clone(), cuts, events, sender));
        Ok((Box::new(Connection { bus: self.clone(), inner }), receiver))
    }

    async fn announce(&self, channel: Channel, payload: Bytes) -> Result<(), BusUnavailable> {
        self.call(self.world.bus.announce(channel, payload)).await
    }
}

/// Hands events on in order, but not all of them, until the connection is cut.
async fn forward(bus: SimBus, cuts: u64, mut events: mpsc::Receiver<BusEvent>, sender: mpsc::Sender<BusEvent>) {
    let mut weather = bus.world.weather.subscribe();
    let mut chain = BTreeMap::new();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = weather.wait_for(|weather| weather.bus_cuts != cuts || bus.is_away(weather)) => Some(BusEvent::Cut),
        };
        let Some(mut event) = event else { return };
        sabotage(&bus, &mut event, &mut chain);
        take(bus.dice.latency()).await;
        bus.process.runs().await;
        let lost = match &event {
            BusEvent::Frames { .. } => bus.world.is(|weather| weather.frames_lost),
            BusEvent::Payload { channel: Channel::Notices(_), .. } => bus.world.is(|weather| weather.notices_lost),
            _ => false,
        };
        if lost && bus.dice.chance(0.4) {
            continue;
        }
        let cut = event == BusEvent::Cut;
        if sender.send(event).await.is_err() || cut {
            return;
        }
    }
}

/// What a subscriber with a bug makes of an event.
fn sabotage(bus: &SimBus, event: &mut BusEvent, chain: &mut BTreeMap<PartitionId, Cursor>) {
    match event {
        BusEvent::Frames { segment, .. } if bus.world.has(Sabotage::NoGapDetection) => segment.prev = Cursor::ZERO,
        BusEvent::Payload { channel: Channel::Notices(partition), payload } if bus.world.has(Sabotage::NoticesUnchained) => {
            let Ok(mut notice) = serde_json::from_slice::<Notice>(payload) else { return };
            if notice.from < notice.to {
                notice.from = chain.insert(*partition, notice.to).unwrap_or(notice.from);
            }
            if let Ok(changed) = serde_json::to_vec(&notice) {
                *payload = changed.into();
            }
        }
        _ => {}
    }
}

#[derive(Debug)]
struct Connection {
    bus: SimBus,
    inner: Box<dyn BusConnection>,
}

#[async_trait]
impl BusConnection for Connection {
    async fn subscribe(&self, channels: &[Channel]) -> Result<(), BusUnavailable> {
        self.bus.call(self.inner.subscribe(channels)).await
    }

    async fn unsubscribe(&self, channels: &[Channel]) -> Result<(), BusUnavailable> {
        self.bus.call(self.inner.unsubscribe(channels)).await
    }
}

#[async_trait]
impl BusLeases for SimBus {
    async fn renew_gateway(&self, gateway: &str, ttl: Duration) -> Result<Vec<String>, BusUnavailable> {
        self.call(self.world.bus.renew_gateway(gateway, ttl)).await
    }

    async fn remove_gateway(&self, gateway: &str) -> Result<(), BusUnavailable> {
        self.call(self.world.bus.remove_gateway(gateway)).await
    }
}

#[async_trait]
impl BusLimits for SimBus {
    async fn take(&self, bucket: &Bucket, rate: Rate, cost: u32) -> Result<Taken, BusUnavailable> {
        self.call(self.world.bus.take(bucket, rate, cost)).await
    }

    async fn charge(&self, bucket: &Bucket, rate: Rate, cost: u32) -> Result<Duration, BusUnavailable> {
        self.call(self.world.bus.charge(bucket, rate, cost)).await
    }

    async fn hold(&self, bucket: &Bucket, holder: &str, count: u32, most: u32) -> Result<bool, BusUnavailable> {
        self.call(self.world.bus.hold(bucket, holder, count, most)).await
    }

    async fn renew_holder(&self, holder: &str, ttl: Duration) -> Result<bool, BusUnavailable> {
        self.call(self.world.bus.renew_holder(holder, ttl)).await
    }
}

#[async_trait]
impl BusPresence for SimBus {
    async fn appear(&self, room: RoomId, holder: &str, come: &[UserId], gone: &[UserId]) -> Result<(), BusUnavailable> {
        self.call(self.world.bus.appear(room, holder, come, gone)).await
    }

    async fn online(&self, room: RoomId, most: usize) -> Result<Online, BusUnavailable> {
        self.call(self.world.bus.online(room, most)).await
    }
}

#[async_trait]
impl BusRights for SimBus {
    async fn raise_rights(&self, versions: &[(UserId, u64)]) -> Result<(), BusUnavailable> {
        self.call(self.world.bus.raise_rights(versions)).await
    }

    async fn rights(&self, users: &[UserId]) -> Result<Vec<Option<u64>>, BusUnavailable> {
        self.call(self.world.bus.rights(users)).await
    }
}
