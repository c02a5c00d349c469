//! A log that may be silent or slow, and whose appends may be lost, land without a word, late or twice. What is in it stays in it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use parley_engines::log::{Appended, EnqueueError, LogError, LogFollower, LogReader, LogRecord, LogWriter, ReadMax, Receipt, Share};
use parley_proto::{Cursor, PartitionId, Position, RoomId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    dice::{Dice, take},
    process::Process,
    sabotage::Sabotage,
    world::World,
};

/// A call gives up on a silent log after this.
const CALL_DEADLINE: Duration = Duration::from_secs(2);
/// Records that may wait for being appended.
const QUEUE: usize = 1_000;

/// The records themselves.
#[derive(Debug)]
pub(crate) struct Partitions {
    records: Vec<Mutex<Vec<Bytes>>>,
    ends: Vec<watch::Sender<u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Partitions {
    pub(crate) fn new(count: u16) -> Self {
        Self { records: (0..count).map(|_| Mutex::default()).collect(), ends: (0..count).map(|_| watch::Sender::new(0)).collect() }
    }

    pub(crate) fn count(&self) -> u16 {
        u16::try_from(self.records.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn end(&self, partition: PartitionId) -> Cursor {
        Cursor(lock(&self.records[usize::from(partition.0)]).len() as u64)
    }

    fn slice(&self, partition: PartitionId, from: Cursor, most: usize) -> Result<Vec<LogRecord>, LogError> {
        let records = lock(&self.records[usize::from(partition.0)]);
        let end = Cursor(records.len() as u64);
        if from > end {
            return Err(LogError::OutOfRange { asked: from, first: Cursor::ZERO, end });
        }
        let record = |(bytes, offset): (&Bytes, u64)| LogRecord { position: Position(offset), bytes: bytes.clone() };
        let start = usize::try_from(from.0).unwrap_or(usize::MAX);
        Ok(records[start..].iter().zip(from.0..).take(most.max(1)).map(record).collect())
    }
}

impl World {
    pub(crate) fn append(&self, partition: PartitionId, record: Bytes, producer: &str) -> Position {
        let index = usize::from(partition.0);
        let position = {
            let mut records = lock(&self.log.records[index]);
            let position = Position(records.len() as u64);
            self.truth().append(partition, position, &record);
            records.push(record);
            position
        };
        self.tell(|| format!("log {partition}@{position} from {producer}"));
        self.log.ends[index].send_replace(position.next().0);
        position
    }
}

type Waiting = (Bytes, oneshot::Sender<Appended>);

/// The log as one process sees it.
#[derive(Debug)]
pub(crate) struct SimLog {
    world: Arc<World>,
    process: Process,
    dice: Arc<Dice>,
    queues: Mutex<BTreeMap<PartitionId, mpsc::Sender<Waiting>>>,
    share: watch::Sender<Share>,
}

impl SimLog {
    pub(crate) fn new(world: &Arc<World>, process: &Process) -> Self {
        let dice = Arc::new(Dice::new(world.seed, &format!("log {} {}", process.name, world.elapsed().as_millis())));
        let all = (0..world.log.count()).map(PartitionId).collect();
        Self { world: Arc::clone(world), process: process.clone(), dice, queues: Mutex::default(), share: watch::Sender::new(Some(all)) }
    }

    /// The way to the log and back.
    async fn call<T>(&self, call: impl FnOnce() -> Result<T, LogError>) -> Result<T, LogError> {
        reach(&self.world, &self.process, &self.dice).await?;
        let answer = call();
        take(self.dice.latency()).await;
        self.process.runs().await;
        answer
    }
}

async fn reach(world: &World, process: &Process, dice: &Dice) -> Result<(), LogError> {
    process.runs().await;
    take(dice.latency()).await;
    if world.is(|weather| weather.log_slow) {
        take(dice.millis(50..1_500)).await;
    }
    let silent = tokio::time::timeout(CALL_DEADLINE, world.until(|weather| !weather.log_silent)).await.is_err();
    process.runs().await;
    if silent { Err(LogError::Unavailable("no answer".to_owned())) } else { Ok(()) }
}

impl LogWriter for SimLog {
    fn enqueue(&self, partition: PartitionId, _room: RoomId, record: Bytes) -> Result<Receipt, EnqueueError> {
        let (sender, receipt) = Receipt::new();
        let mut queues = lock(&self.queues);
        let queue = queues.entry(partition).or_insert_with(|| {
            let (queue, waiting) = mpsc::channel(QUEUE);
            tokio::spawn(produce(Arc::clone(&self.world), self.process.clone(), Arc::clone(&self.dice), partition, waiting));
            queue
        });
        queue.try_send((record, sender)).map_err(|_| EnqueueError::QueueFull)?;
        Ok(receipt)
    }
}

/// Appends in order what one process hands over; what is on the wire when that process dies may still land.
async fn produce(world: Arc<World>, process: Process, dice: Arc<Dice>, partition: PartitionId, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some((record, receipt)) = waiting.recv().await {
        if !process.is_dead() {
            process_or_death(&process).await;
        }
        take(dice.latency()).await;
        if world.is(|weather| weather.log_slow) {
            take(dice.millis(50..1_500)).await;
        }
        world.until(|weather| !weather.log_silent).await;
        if process.is_dead() && dice.chance(0.5) {
            return;
        }
        if world.has(Sabotage::AckBeforeReport) {
            let _ = receipt.send(Appended::At(world.log.end(partition).position()));
            if dice.chance(0.9) {
                world.append(partition, record, &process.name);
            }
            continue;
        }
        let answer = append(&world, &dice, &process.name, partition, record).await;
        let (latency, process) = (dice.latency(), process.clone());
        tokio::spawn(async move {
            take(latency).await;
            process.runs().await;
            let _ = receipt.send(answer);
        });
    }
}

async fn process_or_death(process: &Process) {
    tokio::select! {
        biased;
        () = process.died() => {}
        () = process.runs() => {}
    }
}

async fn append(world: &Arc<World>, dice: &Dice, producer: &str, partition: PartitionId, record: Bytes) -> Appended {
    if !world.is(|weather| weather.appends_uncertain) {
        return Appended::At(world.append(partition, record, producer));
    }
    match dice.number(0..10) {
        0 => Appended::Unknown,
        1 => {
            world.append(partition, record, producer);
            Appended::Unknown
        }
        2 => {
            world.append(partition, record, producer);
            Appended::Somewhere
        }
        3 => {
            take(dice.millis(1_500..4_000)).await;
            Appended::At(world.append(partition, record, producer))
        }
        4 => {
            // The answer was lost, and the producer's own retry comes later.
            let position = world.append(partition, record.clone(), producer);
            let (world, producer, later) = (Arc::clone(world), producer.to_owned(), dice.millis(1..5_000));
            tokio::spawn(async move {
                take(later).await;
                world.append(partition, record, &producer);
            });
            Appended::At(position)
        }
        5 => {
            // Given up by the producer, and yet it lands.
            let (world, producer, later) = (Arc::clone(world), producer.to_owned(), dice.millis(1..6_000));
            tokio::spawn(async move {
                take(later).await;
                world.append(partition, record, &producer);
            });
            Appended::Unknown
        }
        _ => Appended::At(world.append(partition, record, producer)),
    }
}

#[async_trait]
impl LogReader for SimLog {
    fn partitions(&self) -> u16 {
        self.world.log.count()
    }

    async fn end(&self, partition: PartitionId) -> Result<Cursor, LogError> {
        self.call(|| Ok(self.world.log.end(partition))).await
    }

    async fn read(&self, partition: PartitionId, from: Cursor, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        let most = max.records.min(1 + self.dice.below(60));
        self.call(|| self.world.log.slice(partition, from, most)).await
    }

    fn share(&self) -> watch::Receiver<Share> {
        self.share.subscribe()
    }

    fn follow(&self, partition: PartitionId, from: Cursor) -> Box<dyn LogFollower> {
        let end = self.world.log.ends[usize::from(partition.0)].subscribe();
        Box::new(Follower { world: Arc::clone(&self.world), process: self.process.clone(), dice: Arc::clone(&self.dice), partition, next: from, end })
    }
}

#[derive(Debug)]
struct Follower {
    world: Arc<World>,
    process: Process,
    dice: Arc<Dice>,
    partition: PartitionId,
    next: Cursor,
    end: watch::Receiver<u64>,
}

#[async_trait]
impl LogFollower for Follower {
    async fn next(&mut self, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        self.process.runs().await;
        let next = self.next.0;
        let _ = self.end.wait_for(|end| *end > next).await;
        self.world.until(|weather| !weather.log_silent).await;
        take(self.dice.latency()).await;
        self.process.runs().await;
        let records = self.world.log.slice(self.partition, self.next, max.records.min(1 + self.dice.below(30)))?;
        if let Some(last) = records.last() {
            self.next = last.position.next();
        }
        Ok(records)
    }
}
