//! Folding what is read: a fold that begins in the middle of the log asks for the piece before it.

use parley_proto::{
    PartitionId,
    fold::{Fold, Stop, Verdict},
};
use thiserror::Error;

use super::{LogError, LogReader, LogRecord, ReadMax};

/// Why a fold can't go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FoldError {
    #[error(transparent)]
    Log(#[from] LogError),
    /// Nothing may be skipped: the partition stops here until the reader is upgraded.
    #[error("record version {0} is newer than this reader")]
    Newer(u8),
}

/// What `record`, the next one of `fold`'s partition, means; reads the earlier records that the fold asks for.
///
/// # Errors
/// See [`FoldError`]; the record is not applied then.
pub async fn judge(fold: &mut Fold, log: &(impl LogReader + ?Sized), partition: PartitionId, record: &LogRecord) -> Result<Verdict, FoldError> {
    loop {
        match fold.apply(record.position, &record.bytes) {
            Ok(verdict) => return Ok(verdict),
            Err(Stop::Newer { version }) => return Err(FoldError::Newer(version)),
            Err(Stop::NeedsEarlier { from }) => {
                let mut earlier: Vec<LogRecord> = Vec::new();
                let mut at = from;
                while at < fold.start() {
                    let records = log.read(partition, at, ReadMax::default()).await?;
                    let Some(last) = records.last() else {
                        return Err(LogError::Unavailable("it ends below what was read from it".to_owned()).into());
                    };
                    at = last.position.next();
                    earlier.extend(records);
                }
                fold.extend_back(from, earlier.iter().map(|record| (record.position, &*record.bytes)));
            }
        }
    }
}
