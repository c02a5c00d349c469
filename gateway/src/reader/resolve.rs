//! Finds an identity in a piece of the log: how a retry learns what became of its earlier attempts.

use memchr::memmem;
use parley_engines::log::{LogError, ReadMax};
use parley_proto::{Cid, Cursor, Kind, MessageId, PartitionId, Position, check, fold};

use super::Reader;

impl Reader {
    /// The first record in [from, to) with this identity that is neither dead nor expired: what the fold meets first.
    pub(crate) async fn first_occurrence(
        &self,
        partition: PartitionId,
        id: MessageId,
        cid: Cid,
        from: Cursor,
        to: Cursor,
    ) -> Result<Option<(Position, Kind)>, LogError> {
        // The bytes of the cid are compared first: hashing every record of the range would cost more than reading it.
        let has_cid = memmem::Finder::new(cid.0.as_bytes());
        let mut next = from;
        while next < to {
            let records = self.log.read(partition, next, ReadMax::default()).await?;
            let Some(last) = records.last() else { return Ok(None) };
            next = last.position.next();
            for record in &records {
                if record.position.at() >= to {
                    return Ok(None);
                }
                if has_cid.find(&record.bytes).is_none() {
                    continue;
                }
                if let Ok(found) = check::check(&record.bytes, partition)
                    && found.cid == cid
                    && found.id() == id
                    && !fold::is_expired(&found, record.position)
                {
                    return Ok(Some((record.position, found.kind)));
                }
            }
        }
        Ok(None)
    }
}
