//! Do this log and this store belong together? Asked before anything is written; a no is never answered by a reset.

use parley_engines::{
    log::{Log, LogError, LogRecord, ReadMax},
    store::{
        Store, StoreUnavailable,
        projection::{PartitionState, Phase},
    },
};
use parley_proto::{
    Body, Cursor, Kind, LogId, PartitionId, Position, Record,
    check::{CheckError, check, genesis},
    codec::encode,
    record::Genesis,
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{Config, Stopped, batch::hash, consume::Interrupted};

const ONE: ReadMax = ReadMax { records: 1, bytes: 1 };

/// The log's name. All partitions have the same: the store's, or (an empty store beside a log that has begun: a rebuild) the log's own, or a new one.
pub(crate) async fn log_id(log: &dyn Log, store: &dyn Store) -> Result<LogId, Interrupted> {
    if let Some(state) = store.partitions().await?.first() {
        return Ok(state.log_id);
    }
    let mut candidate = LogId(Uuid::new_v4());
    for partition in (0..log.partitions()).map(PartitionId) {
        if let Some(genesis) = first_genesis(log, partition).await? {
            candidate = genesis.log_id;
            break;
        }
    }
    // Two that start at once agree: whoever makes partition 0's row first names the log.
    Ok(store.partition(PartitionId(0), candidate).await?.log_id)
}

/// Leads the partition to phase `Open`, appending its genesis if the log is empty, and compares the last stored record with the log's.
pub(crate) async fn open(log: &dyn Log, store: &dyn Store, config: &Config, state: &PartitionState) -> Result<(), Interrupted> {
    let wanted = Genesis { log_id: state.log_id, epoch: state.epoch };
    if log.end(state.partition).await? == Cursor::ZERO {
        if state.phase == Phase::Open || state.next > Cursor::ZERO {
            return Err(Stopped::LogEmptied.into());
        }
        append(log, config, state.partition, &wanted).await?;
    }
    match first_record(log, state.partition).await? {
        Some(first) if judge(&first, state.partition)? != Some(wanted) => return Err(Stopped::ForeignLog.into()),
        Some(_) => {}
        // Retention has taken it; it was compared when the partition was opened.
        None if state.phase == Phase::Open => {}
        None => return Err(Stopped::ForeignLog.into()),
    }
    if state.phase == Phase::Opening {
        store.open_partition(state.partition).await?;
    }
    compare_last(log, state).await
}

async fn append(log: &dyn Log, config: &Config, partition: PartitionId, genesis: &Genesis) -> Result<(), Interrupted> {
    let record = Record::genesis(partition, genesis);
    let receipt = log.enqueue(partition, record.room, encode(&record)).map_err(Interrupted::retry)?;
    // Whatever is reported: what lies at offset 0 decides.
    match timeout(config.append_deadline, receipt).await {
        Ok(_) if log.end(partition).await? > Cursor::ZERO => Ok(()),
        _ => Err(Interrupted::retry("genesis is not in the log yet")),
    }
}

/// The record at offset 0; `None` where it is no longer kept.
async fn first_record(log: &dyn Log, partition: PartitionId) -> Result<Option<LogRecord>, LogError> {
    match log.read(partition, Cursor::ZERO, ONE).await {
        Ok(records) => Ok(records.into_iter().next()),
        Err(LogError::OutOfRange { first, .. }) if first > Cursor::ZERO => Ok(None),
        Err(error) => Err(error),
    }
}

async fn first_genesis(log: &dyn Log, partition: PartitionId) -> Result<Option<Genesis>, Interrupted> {
    match first_record(log, partition).await? {
        Some(first) => judge(&first, partition),
        None => Ok(None),
    }
}

fn judge(first: &LogRecord, partition: PartitionId) -> Result<Option<Genesis>, Interrupted> {
    match check(&first.bytes, partition) {
        Ok(Record { kind: Kind::Genesis, body: Body::Plain(json), .. }) => Ok(genesis(&json)),
        Err(CheckError::Newer(version)) => Err(Stopped::Newer { position: first.position, version }.into()),
        _ => Ok(None),
    }
}

/// The record at N − 1, where it is still kept, has to be the one that was stored.
async fn compare_last(log: &dyn Log, state: &PartitionState) -> Result<(), Interrupted> {
    let Some(stored) = state.last_hash.filter(|_| state.next > Cursor::ZERO) else {
        return Ok(());
    };
    let position = Position(state.next.0 - 1);
    match log.read(state.partition, position.at(), ONE).await {
        Ok(records) => match records.first() {
            Some(record) if record.position == position && hash(&record.bytes) == stored => Ok(()),
            Some(_) => Err(Stopped::HashMismatch { position }.into()),
            None => Err(out_of_range(log, state).await),
        },
        Err(LogError::OutOfRange { first, end, .. }) if first == state.next && end >= first => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn out_of_range(log: &dyn Log, state: &PartitionState) -> Interrupted {
    match log.end(state.partition).await {
        Ok(end) => Stopped::OutOfRange(LogError::OutOfRange { asked: state.next, first: Cursor::ZERO, end }).into(),
        Err(error) => error.into(),
    }
}

impl From<StoreUnavailable> for Interrupted {
    fn from(error: StoreUnavailable) -> Self {
        Self::retry(error)
    }
}

impl From<LogError> for Interrupted {
    fn from(error: LogError) -> Self {
        match error {
            // A partition that was just added may be this process' share before its log knows of it.
            LogError::Unavailable(_) | LogError::NoPartition(_) => Self::retry(error),
            LogError::OutOfRange { .. } => Stopped::OutOfRange(error).into(),
        }
    }
}
