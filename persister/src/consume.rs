//! One partition: log → fold → batch → store → notice, from the store's `next` on. One block is written while the next is collected.

use std::{future::pending, sync::Arc};

use parley_engines::{
    bus::Bus,
    log::{
        Log, LogError, LogFollower, LogRecord, ReadMax,
        folding::{FoldError, judge},
    },
    store::{
        Store,
        projection::{Batch, CommitError, Committed, Entry},
    },
};
use parley_proto::{
    Cursor, LogId, PartitionId, RoomId, codec,
    fold::{Fold, Verdict},
    notice::Notice,
    planted::{PlantedBug, planted},
};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    Config, PartitionStatus, PersisterStatus, Stopped,
    batch::Block,
    bisect::{Bisection, Refused},
    metrics, notice, opening,
    retry::Backoff,
};

/// Records that are judged before the writing of the block before them has its turn.
const JUDGED_AT_ONCE: usize = 64;

/// Why a partition's run ended.
#[derive(Debug)]
pub(crate) enum Interrupted {
    /// Something is away: start again from the store's `next` after a pause.
    Retry(String),
    /// Another persister was here: start again from the store's `next` at once.
    Moved {
        next: Cursor,
    },
    /// An operator has to look.
    Stopped(Stopped),
    Shutdown,
}

impl Interrupted {
    pub(crate) fn retry(error: impl ToString) -> Self {
        Self::Retry(error.to_string())
    }
}

impl From<Stopped> for Interrupted {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// What the tasks of a persister share. A partition's own has a `shutdown` of its own.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) config: Config,
    pub(crate) status: PersisterStatus,
    pub(crate) shutdown: CancellationToken,
}

/// Follows the partition until the process ends or the partition stops.
pub(crate) async fn run(shared: Arc<Shared>, partition: PartitionId, log_id: LogId) {
    let mut backoff = Backoff::new(&shared.config);
    loop {
        match follow(&shared, partition, log_id, &mut backoff).await {
            Interrupted::Shutdown => return,
            Interrupted::Moved { next } => {
                metrics::moved();
                tracing::debug!(consume.partition = partition.0, store.next = next.0, "another persister was here: reading again from where the store is");
            }
            Interrupted::Stopped(reason) => {
                tracing::error!(consume.partition = partition.0, %reason, "the partition has stopped, nothing is skipped: an operator has to look");
                shared.status.set(partition, PartitionStatus::Stopped(reason));
                return;
            }
            Interrupted::Retry(error) => {
                tracing::warn!(consume.partition = partition.0, error, "persisting pauses");
                tokio::select! {
                    () = shared.shutdown.cancelled() => return,
                    () = backoff.pause() => {}
                }
            }
        }
    }
}

/// Opens the partition and follows it; returns why it can't go on.
async fn follow(shared: &Shared, partition: PartitionId, log_id: LogId, backoff: &mut Backoff) -> Interrupted {
    let opened = async {
        let state = shared.store.partition(partition, log_id).await?;
        opening::open(&*shared.log, &*shared.store, &shared.config, &state).await?;
        Ok::<_, Interrupted>(state.next)
    };
    let opened = tokio::select! {
        () = shared.shutdown.cancelled() => return Interrupted::Shutdown,
        opened = opened => opened,
    };
    let next = match opened {
        Ok(next) => next,
        Err(interrupted) => return interrupted,
    };
    shared.status.set(partition, PartitionStatus::Running { next });
    let mut reader = Reader { shared, partition, fold: Fold::new(partition, next), follower: shared.log.follow(partition, next), paced_until: Instant::now() };
    let (mut block, mut ended) = reader.collect().await;
    loop {
        let written = write(shared, partition, block, backoff);
        if let Err(interrupted) = ended {
            return written.await.err().unwrap_or(interrupted);
        }
        // The database and we work at the same time: the next block is read and judged while this one is written.
        (block, ended) = match tokio::try_join!(written, async { Ok(reader.collect().await) }) {
            Ok(((), collected)) => collected,
            Err(interrupted) => return interrupted,
        };
    }
}

struct Reader<'a> {
    shared: &'a Shared,
    partition: PartitionId,
    fold: Fold,
    follower: Box<dyn LogFollower>,
    /// Before this no block ends that is not full.
    paced_until: Instant,
}

impl Reader<'_> {
    /// The next block, once it is full or old enough; if the reader can't go on, what it has so far and why.
    async fn collect(&mut self) -> (Block, Result<(), Interrupted>) {
        let config = &self.shared.config;
        let max = ReadMax { records: config.batch_records_max, bytes: config.batch_bytes_max };
        let mut block = Block::new(self.partition, self.fold.end());
        let mut due = None;
        while let Some(space) = block.space(max) {
            let records = tokio::select! {
                () = self.shared.shutdown.cancelled() => return (block, Err(Interrupted::Shutdown)),
                () = reached(due) => break,
                records = self.follower.next(space) => records,
            };
            if let Err(interrupted) = self.judge_all(records, &mut block).await {
                return (block, Err(interrupted));
            }
            due.get_or_insert_with(|| (Instant::now() + config.batch_age_max).max(self.paced_until));
        }
        self.paced_until = Instant::now() + config.batch_interval_min;
        (block, Ok(()))
    }

    async fn judge_all(&mut self, records: Result<Vec<LogRecord>, LogError>, block: &mut Block) -> Result<(), Interrupted> {
        for (number, record) in (1_usize..).zip(records?) {
            if number.is_multiple_of(JUDGED_AT_ONCE) {
                // The block before this one is written by the same task: its next statement must not wait until all of these are judged, the database would do nothing.
                tokio::task::yield_now().await;
            }
            let verdict = judge(&mut self.fold, &*self.shared.log, self.partition, &record).await.map_err(|error| match error {
                FoldError::Newer(version) => Stopped::Newer { position: record.position, version }.into(),
                FoldError::Log(error) => Interrupted::from(error),
            })?;
            match self.shared.config.refused.get(&(self.partition, record.position)) {
                Some(reason) if matches!(verdict, Verdict::First(_)) => block.bury(record.position, record.bytes, reason),
                _ => block.push(record.position, record.bytes, verdict),
            }
        }
        Ok(())
    }
}

async fn reached(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// Commits the block, piece by piece where the database refuses rows, and tells the gateways after each commit.
async fn write(shared: &Shared, partition: PartitionId, block: Block, backoff: &mut Backoff) -> Result<(), Interrupted> {
    let mut bisection = Bisection::new(block);
    let mut void = None;
    while let Some(batch) = bisection.current() {
        let committed = tokio::select! {
            committed = commit(shared, batch, backoff) => committed,
            () = drained(shared) => {
                tracing::warn!(consume.partition = partition.0, store.next = batch.from.0, "the last batch is given up: it is read again at the next start");
                return Err(Interrupted::Shutdown);
            }
        };
        match committed {
            Ok(committed) => {
                let Committed { rooms, tallies, reads, .. } = committed;
                let voids = void.take().into_iter().collect();
                shared.status.set(partition, PartitionStatus::Running { next: batch.to });
                notice::send(&*shared.bus, &Notice { partition, from: batch.from, to: batch.to, rooms, tallies, voids, reads }).await;
                bisection.committed();
            }
            Err(CommitError::Moved { next }) => return Err(Interrupted::Moved { next }),
            Err(CommitError::Unavailable(error)) => return Err(Interrupted::retry(error)),
            Err(CommitError::Refused(reason)) => match bisection.refused(&reason) {
                Refused::Halved => {}
                Refused::Dead(position) => {
                    tracing::error!(
                        consume.partition = partition.0,
                        consume.position = position.0,
                        reason,
                        "the database refuses this record: it is a dead letter"
                    );
                    void = bisection.current().and_then(room_of_dead).map(|room| (room, position));
                }
                Refused::Stuck => return Err(Interrupted::retry(format!("the database refuses a dead letter: {reason}"))),
            },
        }
    }
    Ok(())
}

/// The room that has shown the record which the batch buries.
fn room_of_dead(batch: &Batch) -> Option<RoomId> {
    match &batch.entries.first()?.1 {
        Entry::Dead { bytes, .. } => codec::decode(bytes).ok().map(|record| record.room),
        _ => None,
    }
}

/// Tries again while the store is away. A lost answer is no matter: the next try says that the store has moved.
async fn commit(shared: &Shared, batch: &Batch, backoff: &mut Backoff) -> Result<Committed, CommitError> {
    let rows;
    let batch = if planted(PlantedBug::OffsetBeforeRows) {
        shared.store.commit(&Batch { entries: Vec::new(), ..batch.clone() }).await?;
        rows = Batch { from: batch.to, ..batch.clone() };
        &rows
    } else {
        batch
    };
    loop {
        let start = Instant::now();
        match shared.store.commit(batch).await {
            Err(CommitError::Unavailable(error)) => {
                tracing::warn!(consume.partition = batch.partition.0, %error, "the store is away");
                backoff.pause().await;
            }
            Ok(committed) => {
                backoff.reset();
                metrics::committed(&committed, start.elapsed());
                return Ok(committed);
            }
            other => return other,
        }
    }
}

/// Returns when the time to drain is over.
async fn drained(shared: &Shared) {
    shared.shutdown.cancelled().await;
    let _ = timeout(shared.config.drain_deadline, pending::<()>()).await;
}
