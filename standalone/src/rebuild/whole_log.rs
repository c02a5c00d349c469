//! The whole log for one reader, and for reading alone.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use parley_engines::log::{EnqueueError, Log, LogError, LogFollower, LogReader, LogRecord, LogWriter, ReadMax, Receipt, Share};
use parley_proto::{Cursor, PartitionId, RoomId};
use tokio::sync::watch;

/// Every partition is this process' own, whatever others think, whose share does not move; nothing can be appended.
#[derive(Debug)]
pub(super) struct WholeLog {
    log: Arc<dyn Log>,
    share: watch::Sender<Share>,
}

impl WholeLog {
    pub(super) fn new(log: Arc<dyn Log>) -> Self {
        let all: BTreeSet<_> = (0..log.partitions()).map(PartitionId).collect();
        Self { log, share: watch::Sender::new(Some(all)) }
    }
}

impl LogWriter for WholeLog {
    fn enqueue(&self, _: PartitionId, _: RoomId, _: Bytes) -> Result<Receipt, EnqueueError> {
        Err(EnqueueError::Closed)
    }
}

#[async_trait]
impl LogReader for WholeLog {
    fn partitions(&self) -> u16 {
        self.log.partitions()
    }

    async fn end(&self, partition: PartitionId) -> Result<Cursor, LogError> {
        self.log.end(partition).await
    }

    async fn read(&self, partition: PartitionId, from: Cursor, max: ReadMax) -> Result<Vec<LogRecord>, LogError> {
        self.log.read(partition, from, max).await
    }

    fn share(&self) -> watch::Receiver<Share> {
        self.share.subscribe()
    }

    fn follow(&self, partition: PartitionId, from: Cursor) -> Box<dyn LogFollower> {
        self.log.follow(partition, from)
    }
}
