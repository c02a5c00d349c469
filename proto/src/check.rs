//! The one judgement of a record's content. The gateway calls it before the append and every reader after it, so an accepted record never dies later.

use thiserror::Error;

use crate::{
    codec::{self, DecodeError},
    ids::{MessageId, PartitionId, RoomId},
    limits,
    position::Cursor,
    record::{Body, Genesis, Kind, Record},
    text::{self, TextError},
};

/// Why a record is a dead letter. `Display` is the reason that the dead letter keeps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DeadReason {
    #[error(transparent)]
    Decode(DecodeError),
    #[error("the room belongs to partition {0}")]
    WrongPartition(PartitionId),
    #[error("{0} is not a position")]
    NotAPosition(u64),
    #[error("floor is below base")]
    FloorBelowBase,
    #[error("body: {0}")]
    Body(TextError),
    #[error("body does not fit the kind")]
    BodyShape,
    #[error("target is missing or superfluous")]
    Target,
    #[error("value does not fit the kind")]
    Value,
}

/// What reading a record can say besides the record itself.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    /// Skip it, keep it with its reason.
    #[error(transparent)]
    Dead(#[from] DeadReason),
    /// Stop this partition: nothing may be skipped.
    #[error("record version {0} is newer than this reader")]
    Newer(u8),
}

/// Decodes and judges one record of `partition`.
pub fn check(bytes: &[u8], partition: PartitionId) -> Result<Record, CheckError> {
    let record = codec::decode(bytes).map_err(|error| match error {
        DecodeError::Newer(version) => CheckError::Newer(version),
        other => CheckError::Dead(DeadReason::Decode(other)),
    })?;
    check_record(&record, partition)?;
    Ok(record)
}

/// Judges a decoded (or not yet encoded) record.
pub fn check_record(record: &Record, partition: PartitionId) -> Result<(), DeadReason> {
    if record.room.partition() != partition {
        return Err(DeadReason::WrongPartition(record.room.partition()));
    }
    for cursor in [record.base, record.floor, record.auth] {
        if cursor > Cursor::LIMIT {
            return Err(DeadReason::NotAPosition(cursor.0));
        }
    }
    if record.floor < record.base {
        return Err(DeadReason::FloorBelowBase);
    }
    if record.kind.has_target() != record.target.is_some_and(|target| target != MessageId::NIL) {
        return Err(DeadReason::Target);
    }
    let value_fits = match record.kind {
        Kind::Vote => (-1..=1).contains(&record.value),
        Kind::Reaction => (0..=1).contains(&record.value),
        Kind::Read => (-(1 << 53)..1 << 53).contains(&record.value),
        _ => record.value == 0,
    };
    if !value_fits {
        return Err(DeadReason::Value);
    }
    check_body(record)
}

fn check_body(record: &Record) -> Result<(), DeadReason> {
    match (record.kind, &record.body) {
        (Kind::Message | Kind::Edit, Body::Plain(body)) => text::check_body(body).map_err(DeadReason::Body),
        (Kind::Message | Kind::Edit, Body::A256Gcm { data, .. }) if data.len() <= limits::BODY_SEALED_BYTES => Ok(()),
        (Kind::Reaction, Body::Plain(emoji)) if is_emoji(emoji) => Ok(()),
        (Kind::System | Kind::Removed | Kind::Archived, Body::Plain(json)) if json.len() <= limits::EVENT_BYTES && is_event(json) => Ok(()),
        (Kind::Genesis, Body::Plain(json)) if record.room == RoomId::of_partition(record.room.partition()) && genesis(json).is_some() => Ok(()),
        (Kind::Delete | Kind::Vote | Kind::Read | Kind::Cancel | Kind::Erased, Body::Plain(body)) if body.is_empty() => Ok(()),
        _ => Err(DeadReason::BodyShape),
    }
}

/// The genesis in this body.
pub fn genesis(json: &str) -> Option<Genesis> {
    serde_json::from_str(json).ok()
}

/// Any text that is short enough: which emoji there are is not for the log to know.
fn is_emoji(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains('\0') && text.len() <= limits::EMOJI_BYTES
}

fn is_event(json: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Event<'a> {
        #[serde(borrow)]
        event: std::borrow::Cow<'a, str>,
    }
    // No name holds U+0000, which not every store can keep.
    !json.contains("\\u0000") && serde_json::from_str::<Event<'_>>(json).is_ok_and(|event| !event.event.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Cid, UserId};

    fn record(kind: Kind, value: i64, body: &str) -> Record {
        let (room, sender, cid) = (RoomId::new(PartitionId(0), [1; 16]), UserId(uuid::Uuid::from_u128(1)), Cid(uuid::Uuid::from_u128(2)));
        let target = kind.has_target().then_some(MessageId(uuid::Uuid::from_u128(3)));
        Record { target, value, body: Body::Plain(body.to_owned()), ..Record::bare(kind, room, sender, cid) }
    }

    /// Not every store can keep it: what is accepted must not die later.
    #[test]
    fn u_0000_is_refused_wherever_text_is_kept() {
        for (kind, value, good, bad) in [
            (Kind::Message, 0, "a", "a\0"),
            (Kind::Reaction, 1, "👍", "👍\0"),
            (Kind::System, 0, r#"{"event":"renamed","name":"a"}"#, r#"{"event":"renamed","name":"a\u0000"}"#),
        ] {
            assert_eq!(check_record(&record(kind, value, good), PartitionId(0)), Ok(()), "{kind:?}");
            assert!(check_record(&record(kind, value, bad), PartitionId(0)).is_err(), "{kind:?}");
        }
    }
}
