//! A segment: all of a room's items in [prev, end). Live frames, gap repairs, replays and tails are all segments, and one rule ([`step`]) says
//! what a reader does with one.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use serde::Deserialize;

use crate::{
    event::SystemEvent,
    ids::UserId,
    item::Item,
    position::{Cursor, Position},
};

/// Items of one room, encoded once: as they travel over the bus, lie in a room's tail and are cut into socket frames.
///
/// ```text
/// count u32 | count × (key u64, json_len u32) | the items' JSON, joined by commas
/// ```
///
/// The key says when a reader applies an item: its position, or for a stored row that changed later the position of the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    keys: Vec<(Position, u32)>,
    json: Bytes,
}

/// The bytes are not a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed group of frames")]
pub struct MalformedGroup;

impl Group {
    /// No items.
    pub fn empty() -> Self {
        Self { keys: Vec::new(), json: Bytes::new() }
    }

    /// Encodes items; each comes with its key, in ascending order of keys.
    pub fn new<'a>(items: impl IntoIterator<Item = (Position, &'a Item)>) -> Self {
        let mut keys = Vec::new();
        let mut json = Vec::new();
        for (key, item) in items {
            if !keys.is_empty() {
                json.push(b',');
            }
            let before = json.len();
            serde_json::to_writer(&mut json, item).expect("an item has only string keys, and a Vec takes every write");
            keys.push((key, u32::try_from(json.len() - before).expect("items are limited to far below 4 GiB")));
        }
        Self { keys, json: json.into() }
    }

    /// The bytes for the bus.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(4 + self.keys.len() * 12 + self.json.len());
        out.put_u32(u32::try_from(self.keys.len()).expect("groups are limited to 64 KiB"));
        for (key, len) in &self.keys {
            out.put_u64(key.0);
            out.put_u32(*len);
        }
        out.put_slice(&self.json);
        out.freeze()
    }

    /// The group in `bytes`.
    pub fn from_bytes(mut bytes: Bytes) -> Result<Self, MalformedGroup> {
        let count = bytes.try_get_u32().map_err(|_| MalformedGroup)? as usize;
        if bytes.len() < count.saturating_mul(12) {
            return Err(MalformedGroup);
        }
        let keys: Vec<_> = (0..count).map(|_| (Position(bytes.get_u64()), bytes.get_u32())).collect();
        let json_len: u64 = keys.iter().map(|(_, len)| u64::from(*len)).sum::<u64>() + (count as u64).saturating_sub(1);
        let ascending = keys.is_sorted_by_key(|(key, _)| *key);
        if bytes.len() as u64 != json_len || !ascending || std::str::from_utf8(&bytes).is_err() {
            return Err(MalformedGroup);
        }
        Ok(Self { keys, json: bytes })
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many items.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of the items' JSON.
    pub fn json_len(&self) -> usize {
        self.json.len()
    }

    /// The first item's key.
    pub fn first(&self) -> Option<Position> {
        self.keys.first().map(|(key, _)| *key)
    }

    /// The last item's key.
    pub fn last(&self) -> Option<Position> {
        self.keys.last().map(|(key, _)| *key)
    }

    /// The JSON of the items with keys at or above `from`, joined by commas.
    pub fn json_from(&self, from: Cursor) -> &str {
        self.json_in(from, Cursor::LIMIT)
    }

    /// The JSON of the items with keys in [from, to), joined by commas.
    pub fn json_in(&self, from: Cursor, to: Cursor) -> &str {
        let below = |cursor: Cursor| self.keys.partition_point(|(key, _)| key.at() < cursor);
        let (skipped, kept) = (below(from), below(to));
        if skipped >= kept {
            return "";
        }
        let start: usize = self.keys[..skipped].iter().map(|(_, len)| *len as usize + 1).sum();
        let with_commas: usize = self.keys[skipped..kept].iter().map(|(_, len)| *len as usize + 1).sum();
        std::str::from_utf8(&self.json[start..start + with_commas - 1]).unwrap_or_default()
    }

    /// The items, decoded, with their keys.
    pub fn items(&self) -> Vec<(Position, Item)> {
        self.each().filter_map(|(key, json)| Some((key, serde_json::from_slice(json).ok()?))).collect()
    }

    /// Whose membership ends in it, and with which item. Of the items only the heads are looked at, unless they are events.
    pub fn departures(&self) -> Vec<(Position, UserId)> {
        #[derive(Deserialize)]
        struct Event {
            body: SystemEvent,
        }
        let ended = |json| {
            let member = serde_json::from_slice::<Event>(json).ok()?.body.member?;
            member.role.is_none().then_some(member.user)
        };
        self.each().filter(|(_, json)| is_event(json)).filter_map(|(key, json)| Some((key, ended(json)?))).collect()
    }

    fn each(&self) -> impl Iterator<Item = (Position, &[u8])> {
        let mut start = 0;
        self.keys.iter().map(move |(key, len)| {
            let end = start + *len as usize;
            let json = &self.json[start..end];
            start = end + 1;
            (*key, json)
        })
    }
}

/// By the two fields with which an item begins.
fn is_event(item: &[u8]) -> bool {
    let Some(position) = item.strip_prefix(br#"{"position":"#) else { return false };
    let digits = position.iter().take_while(|byte| byte.is_ascii_digit()).count();
    [&br#","kind":"system""#[..], br#","kind":"removed""#].iter().any(|kind| position[digits..].starts_with(kind))
}

/// All items of a room in [prev, end).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub prev: Cursor,
    pub end: Cursor,
    pub group: Group,
}

/// What a reader at cursor c does with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing new in it.
    Drop,
    /// Apply the items from here on; the cursor becomes the segment's end.
    Apply { from: Cursor },
    /// What lies in [from, to) was missed: read it first.
    Gap { from: Cursor, to: Cursor },
}

/// The one rule of delivery.
pub fn step(cursor: Cursor, prev: Cursor, end: Cursor) -> Step {
    if end <= cursor {
        Step::Drop
    } else if prev <= cursor {
        Step::Apply { from: cursor }
    } else {
        Step::Gap { from: cursor, to: prev }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_applies_drops_or_sees_the_gap() {
        assert_eq!(step(Cursor(5), Cursor(3), Cursor(5)), Step::Drop);
        assert_eq!(step(Cursor(5), Cursor(5), Cursor(8)), Step::Apply { from: Cursor(5) });
        assert_eq!(step(Cursor(6), Cursor(5), Cursor(8)), Step::Apply { from: Cursor(6) });
        assert_eq!(step(Cursor(4), Cursor(5), Cursor(8)), Step::Gap { from: Cursor(4), to: Cursor(5) });
    }

    #[test]
    fn malformed_groups_are_refused() {
        for bad in [&b""[..], &[0, 0, 0, 1], &[255; 4], &[0, 0, 0, 0, 1]] {
            assert_eq!(Group::from_bytes(Bytes::copy_from_slice(bad)), Err(MalformedGroup), "{bad:?}");
        }
        assert_eq!(Group::from_bytes(Group::empty().to_bytes()), Ok(Group::empty()));
    }
}
