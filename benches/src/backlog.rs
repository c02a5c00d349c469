//! A log full of records that nobody has persisted yet.

use std::{collections::VecDeque, time::Duration};

use anyhow::{bail, ensure};
use parley_engines::log::{Appended, EnqueueError, LogReader, LogWriter, Receipt, kafka::KafkaLog};
use parley_gateway::clock;
use parley_proto::{Body, Cid, Cursor, Kind, MessageId, Record, RoomId, UserId, codec};
use uuid::Uuid;

/// Appends that are not answered for yet.
const UNDER_WAY: usize = 20_000;
/// How far a record's floor lies below the end: what a client that has just read has.
const FLOOR_DISTANCE: u64 = 20_000;
/// People who wrote them.
const AUTHORS: usize = 500;

/// Appends `count` records, to the rooms in turn; `make` is told a record's number, its room and its floor.
pub(crate) async fn fill(log: &KafkaLog, rooms: &[RoomId], count: usize, mut make: impl FnMut(usize, RoomId, Cursor) -> Record) -> anyhow::Result<()> {
    let mut ends = Vec::new();
    for room in rooms {
        ends.push(log.end(room.partition()).await?.0);
    }
    let mut under_way: VecDeque<Receipt> = VecDeque::new();
    for number in 0..count {
        let place = number % rooms.len();
        let room = rooms[place];
        let base = Cursor((ends[place] + (number / rooms.len()) as u64).saturating_sub(FLOOR_DISTANCE));
        let bytes = codec::encode(&make(number, room, base));
        if under_way.len() >= UNDER_WAY {
            settled(&mut under_way).await?;
        }
        loop {
            match log.enqueue(room.partition(), room, bytes.clone()) {
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

/// One of the people, by number.
pub(crate) fn person(number: usize) -> UserId {
    UserId(Uuid::from_u128(1 << 100 | number as u128))
}

pub(crate) fn message(number: usize, room: RoomId, base: Cursor, body: &str) -> Record {
    let sender = person(number % AUTHORS);
    let body = Body::Plain(body.to_owned());
    Record { base, floor: base, auth: base, body, sent_at: clock::now(), ..Record::bare(Kind::Message, room, sender, Cid(Uuid::new_v4())) }
}

pub(crate) fn vote(voter: UserId, room: RoomId, base: Cursor, target: MessageId, value: i64) -> Record {
    Record { kind: Kind::Vote, sender: voter, target: Some(target), value, ..message(0, room, base, "") }
}
