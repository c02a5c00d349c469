//! A log full of real messages that nobody has persisted yet.

use std::{collections::VecDeque, time::Duration};

use anyhow::{bail, ensure};
use parley_engines::log::{Appended, EnqueueError, LogReader, LogWriter, Receipt, kafka::KafkaLog};
use parley_gateway::clock;
use parley_proto::{Body, Cid, Cursor, Kind, PartitionId, Record, RoomId, UserId, codec};
use uuid::Uuid;

/// Appends that are not answered for yet.
const UNDER_WAY: usize = 20_000;
/// How far a record's floor lies below the end: what a client that has just read has.
const FLOOR_DISTANCE: u64 = 20_000;
/// People who wrote them.
const AUTHORS: u128 = 500;

/// Appends `count` messages, the bodies in turn, to one room in each of the partitions in turn.
pub(crate) async fn fill(log: &KafkaLog, partitions: &[PartitionId], bodies: &[String], count: usize) -> anyhow::Result<()> {
    let rooms: Vec<_> = partitions.iter().map(|partition| RoomId::new(*partition, *Uuid::new_v4().as_bytes())).collect();
    let mut ends = Vec::new();
    for partition in partitions {
        ends.push(log.end(*partition).await?.0);
    }
    let mut under_way: VecDeque<Receipt> = VecDeque::new();
    for number in 0..count {
        let place = number % rooms.len();
        let base = Cursor((ends[place] + (number / rooms.len()) as u64).saturating_sub(FLOOR_DISTANCE));
        let bytes = codec::encode(&message(rooms[place], number as u128 % AUTHORS, base, bodies[number % bodies.len()].clone()));
        if under_way.len() >= UNDER_WAY {
            settled(&mut under_way).await?;
        }
        loop {
            match log.enqueue(partitions[place], rooms[place], bytes.clone()) {
                Ok(receipt) => break under_way.push_back(receipt),
                Err(EnqueueError::QueueFull) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(EnqueueError::Closed) => bail!("the log is closed"),
            }
        }
    }
    while !under_way.is_empty() {
        settled(&mut under_way).await?;
    }
    Ok(())
}

async fn settled(under_way: &mut VecDeque<Receipt>) -> anyhow::Result<()> {
    if let Some(oldest) = under_way.pop_front() {
        ensure!(oldest.await != Appended::Unknown, "a record's append is unknown: the log would not be what it should be");
    }
    Ok(())
}

fn message(room: RoomId, author: u128, base: Cursor, body: String) -> Record {
    Record {
        kind: Kind::Message,
        room,
        sender: UserId(Uuid::from_u128(1 << 100 | author)),
        cid: Cid(Uuid::new_v4()),
        base,
        floor: base,
        auth: base,
        target: None,
        value: 0,
        body: Body::Plain(body),
        imported: false,
        sent_at: clock::now(),
    }
}
