//! From the file into the log: in order, each message once.
//!
//! A piece of messages is looked up in one snapshot of the store, which also says how far the store is; what is not stored is appended with that as its
//! floor, so that a repeat between the snapshot and the append would be recognised by the fold. The next piece begins when the log has this one.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use parley_engines::{
    log::{Appended, EnqueueError, LogWriter, Receipt},
    store::Snapshot,
};
use parley_proto::{Body, Kind, PartitionId, Record, RoomId, UserId, WINDOW, check, codec};

use super::{
    ids,
    progress::ProgressBar,
    rooms::Plan,
    source::{Message, Source},
};
use crate::running::Running;

/// Messages looked up and appended together.
const PIECE: usize = 2_000;
/// Between two tries while the queue is full or the store is far behind.
const PAUSE: Duration = Duration::from_millis(10);
/// Tries for one piece, each after the store has caught up.
const TRIES: u32 = 5;

/// Appends what the store does not have and waits until it has it; returns how many messages that were.
pub(super) async fn append(running: &Running, source: &Source, plan: &Plan) -> anyhow::Result<usize> {
    let bar = ProgressBar::new(source.messages.len());
    let work = async {
        let mut added = 0;
        for (messages, rooms) in source.messages.chunks(PIECE).zip(plan.room_of.chunks(PIECE)) {
            added += append_piece(running, source, plan, messages, rooms).await?;
            bar.advance(messages.len());
        }
        running.caught_up().await?;
        Ok(added)
    };
    let ended = tokio::select! {
        ended = work => ended,
        failed = bar.follow(running) => Err(failed),
    };
    bar.end();
    ended
}

/// Records of one partition are appended in the file's order; partitions have no order among each other.
async fn append_piece(running: &Running, source: &Source, plan: &Plan, messages: &[Message], rooms: &[usize]) -> anyhow::Result<usize> {
    let mut by_partition = BTreeMap::<_, Vec<_>>::new();
    for (message, room) in messages.iter().zip(rooms) {
        let room = plan.rooms[*room].id;
        by_partition.entry(room.partition()).or_default().push(record(message, source.people[message.sender].id, room));
    }
    let mut added = 0;
    for (partition, records) in by_partition {
        added += append_to_partition(running, partition, records).await?;
    }
    Ok(added)
}

async fn append_to_partition(running: &Running, partition: PartitionId, records: Vec<Record>) -> anyhow::Result<usize> {
    let mut missing = look_up(running, partition, records).await?;
    let added = missing.len();
    for _ in 0..TRIES {
        if hand_over(running, partition, &missing).await? {
            return Ok(added);
        }
        // Some may be in the log, some not: the store knows once it has all of it.
        running.caught_up().await?;
        missing = look_up(running, partition, missing).await?;
    }
    bail!("the log did not say that it has a record, {TRIES} times running")
}

/// Those that the store does not have, with the floor that goes with the answer.
async fn look_up(running: &Running, partition: PartitionId, records: Vec<Record>) -> anyhow::Result<Vec<Record>> {
    let ids: Vec<_> = records.iter().map(Record::id).collect();
    loop {
        let Snapshot { next, value } = running.engines.store.find(partition, &ids).await?;
        if running.engines.log.end(partition).await?.since(next) > WINDOW / 2 {
            // The floor would be too far below the place that the records get: they would expire.
            running.check_stopped()?;
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let missing = records.into_iter().zip(value).filter(|(_, found)| found.is_none());
        return Ok(missing.map(|(record, _)| Record { floor: next, ..record }).collect());
    }
}

/// Whether the log has all of them for sure.
async fn hand_over(running: &Running, partition: PartitionId, records: &[Record]) -> anyhow::Result<bool> {
    let mut receipts = Vec::with_capacity(records.len());
    for record in records {
        check::check_record(record, partition).with_context(|| format!("the record {} is refused", record.id()))?;
        receipts.push(enqueue(&*running.engines.log, partition, record).await?);
    }
    let mut all = true;
    for receipt in receipts {
        all &= receipt.await != Appended::Unknown;
    }
    Ok(all)
}

/// Waits while the queue is full.
async fn enqueue(log: &(impl LogWriter + ?Sized), partition: PartitionId, record: &Record) -> Result<Receipt, EnqueueError> {
    let bytes = codec::encode(record);
    loop {
        match log.enqueue(partition, record.room, bytes.clone()) {
            Err(EnqueueError::QueueFull) => tokio::time::sleep(PAUSE).await,
            answered => return answered,
        }
    }
}

fn record(message: &Message, sender: UserId, room: RoomId) -> Record {
    let body = Body::Plain(message.body.clone());
    Record { body, imported: true, sent_at: message.sent_at, ..Record::bare(Kind::Message, room, sender, ids::cid(message.line)) }
}
