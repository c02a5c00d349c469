//! A room's frames as they lie in its tail and travel over its channel: `prev in decimal ':' end as u64 big-endian ‖ group`. The script writes `prev`
//! in front of what it was handed and looks at nothing else.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parley_proto::{
    Cursor,
    segment::{Group, Segment},
};
use thiserror::Error;

use crate::bus::RoomFrames;

/// What lies there was not written by this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed entry of a room's tail")]
pub(super) struct MalformedEntry;

/// What a publish hands over: all of an entry but its `prev`.
pub(super) fn frames(rooms: &RoomFrames) -> Bytes {
    let mut out = BytesMut::with_capacity(8 + rooms.frames.len());
    out.put_u64(rooms.last.next().0);
    out.put_slice(&rooms.frames);
    out.freeze()
}

pub(super) fn decode(mut entry: Bytes) -> Result<Segment, MalformedEntry> {
    let colon = entry.iter().position(|byte| *byte == b':').ok_or(MalformedEntry)?;
    let prev = std::str::from_utf8(&entry[..colon]).ok().and_then(|prev| prev.parse().ok()).map(Cursor).ok_or(MalformedEntry)?;
    entry.advance(colon + 1);
    let end = Cursor(entry.try_get_u64().map_err(|_| MalformedEntry)?);
    let group = Group::from_bytes(entry).map_err(|_| MalformedEntry)?;
    Ok(Segment { prev, end, group })
}

#[cfg(test)]
mod tests {
    use parley_proto::{PartitionId, Position, RoomId};

    use super::*;

    #[test]
    fn an_entry_is_read_back_as_it_was() {
        let group = Group::empty();
        let rooms = RoomFrames { room: RoomId::of_partition(PartitionId(0)), last: Position(41), frames: group.to_bytes() };
        let entry = [b"9007199254740990:", frames(&rooms).as_ref()].concat();
        assert_eq!(decode(entry.into()), Ok(Segment { prev: Cursor(9_007_199_254_740_990), end: Cursor(42), group }));
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for entry in ["", ":", "1", "x:12345678", "1:1234567", "1:12345678", "1:12345678\0\0\0"] {
            assert_eq!(decode(Bytes::from_static(entry.as_bytes())), Err(MalformedEntry), "{entry:?}");
        }
    }
}
