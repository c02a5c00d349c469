//! The persister's side in memory: a batch is planned as the SQL engines plan it, and written under one lock.

use async_trait::async_trait;
use parley_proto::{
    Cursor, LogId, MessageId, PartitionId, Position, Record,
    item::{Item, ItemKind, body_json},
    planted::{PlantedBug, planted},
};

use super::{MemoryStore, Tables};
use crate::store::{
    Snapshot, StoreUnavailable,
    plan::{Known, Needs, NewRow, Plan, Target},
    projection::{Batch, CommitError, Committed, DeadLetter, Entry, OutboxRow, Outcomes, PartitionState, Partitions, Phase, Projection},
};

#[async_trait]
impl Partitions for MemoryStore {
    async fn partition(&self, partition: PartitionId, log_id: LogId) -> Result<PartitionState, StoreUnavailable> {
        let fresh = PartitionState { partition, phase: Phase::Opening, log_id, epoch: 0, next: Cursor::ZERO, outcomes: Outcomes::default(), last_hash: None };
        self.call(|tables| tables.partitions.entry(partition).or_insert(fresh).clone()).await
    }

    async fn partitions(&self) -> Result<Vec<PartitionState>, StoreUnavailable> {
        self.call(|tables| tables.partitions.values().cloned().collect()).await
    }

    async fn open_partition(&self, partition: PartitionId) -> Result<(), StoreUnavailable> {
        self.call(|tables| {
            if let Some(state) = tables.partitions.get_mut(&partition) {
                state.phase = Phase::Open;
            }
        })
        .await
    }
}

impl Tables {
    fn known(&self, needs: &Needs) -> Known {
        let mut known = Known::default();
        known.rooms.extend(needs.rooms.iter().filter_map(|room| Some((*room, *self.marks.get(room)?))));
        for id in &needs.targets {
            if let Some((room, position)) = self.by_id.get(id)
                && let Some(item) = self.messages.get(&(*room, *position))
            {
                let target = Target {
                    room: *room,
                    position: *position,
                    is_message: item.kind == ItemKind::Message,
                    sender: item.sender,
                    deleted: item.deleted,
                    rev: item.rev.unwrap_or(*position),
                    sent_at: item.sent_at,
                };
                known.targets.insert(*id, target);
                known.tallies.extend(self.tallies.get(id).map(|tally| (*id, *tally)));
            }
        }
        known.votes.extend(needs.votes.iter().filter_map(|key| Some((*key, *self.votes.get(key)?))));
        let reactions = self.reactions.iter().filter(|((message, user, _), _)| needs.reactions.contains(&(*message, *user)));
        known.reactions.extend(reactions.map(|(key, (position, _))| (key.clone(), *position)));
        known.reads.extend(needs.reads.iter().filter_map(|key| Some((*key, *self.reads.get(key)?))));
        known
    }

    fn commit(&mut self, batch: &Batch) -> Result<Committed, CommitError> {
        let next = self.next(batch.partition);
        if !self.partitions.contains_key(&batch.partition) {
            return Err(StoreUnavailable(format!("partition {} has no row", batch.partition)).into());
        }
        if next != batch.from && !planted(PlantedBug::CompareAndSetRemoved) {
            return Err(CommitError::Moved { next });
        }
        let needs = Needs::of(batch);
        let plan = Plan::new(batch, &needs, self.known(&needs));
        self.write(batch, &plan);
        Ok(plan.committed())
    }

    fn write(&mut self, batch: &Batch, plan: &Plan<'_>) {
        plan.rows.iter().for_each(|row| self.insert(row));
        for ((room, position), changed) in &plan.changed {
            let Some(item) = self.messages.get_mut(&(*room, *position)) else { continue };
            item.rev = Some(changed.state.rev);
            item.body = changed.state.body.map_or(serde_json::Value::Null, |body| body_json(item.kind, body));
            item.edited |= changed.state.edited;
            item.deleted |= changed.state.deleted;
        }
        self.marks.extend(plan.rooms.iter().map(|(room, mark)| (*room, *mark)));
        self.votes.extend(plan.votes.iter().map(|(key, vote)| (*key, *vote)));
        self.tallies.extend(plan.tallies.iter().map(|(id, tally)| (*id, *tally)));
        self.reactions.extend(plan.reactions.iter().map(|(key, value)| (key.clone(), *value)));
        self.reads.extend(plan.reads.iter().map(|(key, seq)| (*key, *seq)));
        plan.events.iter().for_each(|event| self.apply(event));
        self.outbox.retain(|row| !plan.arrived.contains(&row.id));
        for dead in &plan.dead_letters {
            let letter =
                DeadLetter { partition: batch.partition, position: dead.position, reason: dead.reason.to_owned(), bytes: dead.bytes.clone(), redriven: None };
            self.dead_letters.insert((batch.partition, dead.position), letter);
        }
        self.move_next(batch, plan.outcomes);
    }

    fn insert(&mut self, row: &NewRow<'_>) {
        let Record { room, kind, sender, cid, sent_at, imported, .. } = *row.record;
        let Some(kind) = ItemKind::of(kind) else { return };
        let item = Item {
            position: row.position,
            kind,
            id: row.id,
            sender,
            cid,
            target: None,
            body: row.state.body.map_or(serde_json::Value::Null, |body| body_json(kind, body)),
            sent_at,
            rev: Some(row.state.rev),
            seq: row.seq,
            imported,
            edited: row.state.edited,
            deleted: row.state.deleted,
        };
        self.messages.insert((room, row.position), item);
        self.by_id.insert(row.id, (room, row.position));
    }

    fn move_next(&mut self, batch: &Batch, of_batch: Outcomes) {
        let Some(state) = self.partitions.get_mut(&batch.partition) else { return };
        let outcomes = &mut state.outcomes;
        outcomes.applied += of_batch.applied;
        outcomes.superseded += of_batch.superseded;
        outcomes.duplicate += of_batch.duplicate;
        outcomes.expired += of_batch.expired;
        outcomes.dead_letter += of_batch.dead_letter;
        outcomes.control += of_batch.control;
        state.next = batch.to;
        state.last_hash = Some(batch.last_hash);
    }
}

/// The position of the first row that the database refuses.
fn refused(batch: &Batch, refuses: impl Fn(&Record) -> bool) -> Option<Position> {
    batch.entries.iter().find_map(|(position, entry)| match entry {
        Entry::First(record) if refuses(record) => Some(*position),
        _ => None,
    })
}

#[async_trait]
impl Projection for MemoryStore {
    async fn commit(&self, batch: &Batch) -> Result<Committed, CommitError> {
        self.call(|tables| match refused(batch, |record| self.gate.refuses(record)) {
            Some(position) if tables.next(batch.partition) == batch.from => Err(CommitError::Refused(format!("the row at {position}"))),
            _ => tables.commit(batch),
        })
        .await?
    }

    async fn outbox_partitions(&self) -> Result<Vec<PartitionId>, StoreUnavailable> {
        self.call(|tables| {
            let mut partitions: Vec<_> = tables.outbox.iter().map(|row| row.room.partition()).collect();
            partitions.sort_unstable();
            partitions.dedup();
            partitions.retain(|partition| tables.partitions.contains_key(partition));
            partitions
        })
        .await
    }

    async fn outbox(&self, partition: PartitionId, limit: usize) -> Result<Snapshot<Vec<OutboxRow>>, StoreUnavailable> {
        self.call(|tables| {
            let rows = tables.outbox.iter().filter(|row| row.room.partition() == partition).take(limit).cloned().collect();
            Snapshot { next: tables.next(partition), value: rows }
        })
        .await
    }

    async fn dead_letters(&self, partition: PartitionId, from: Cursor, limit: usize) -> Result<Vec<DeadLetter>, StoreUnavailable> {
        self.call(|tables| {
            let letters = tables.dead_letters.range((partition, from.position())..).take_while(|((of, _), _)| *of == partition);
            letters.take(limit).map(|(_, letter)| letter.clone()).collect()
        })
        .await
    }

    async fn tally(&self, message: MessageId) -> Result<(i64, u64), StoreUnavailable> {
        self.call(|tables| tables.tallies.get(&message).map_or((0, 0), |tally| (tally.sum, tally.count))).await
    }
}
