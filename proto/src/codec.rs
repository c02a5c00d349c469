//! Bytes of a record, version 1. All integers big-endian:
//!
//! ```text
//! "PRLY" | version u8 | kind u8 | flags u8 | enc u8 | room 16 | sender 16 | cid 16 | base u64 | floor u64 | auth u64
//!        | target 16 (zero: none) | value i64 | sent_at i64 | key_id u32 | body_len u32 | body | crc32c u32 (of everything before it)
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;
use uuid::Uuid;

use crate::{
    ids::{Cid, MessageId, RoomId, UserId},
    position::Cursor,
    record::{Body, Kind, Record, UnixMillis},
};

/// The record version that this build writes, and the newest that it reads.
pub const VERSION: u8 = 1;

const MAGIC: &[u8; 4] = b"PRLY";
const FIXED: usize = 4 + 1 + 3 + 48 + 24 + 16 + 16 + 8;
const CRC: usize = 4;
const FLAG_IMPORTED: u8 = 1;
const ENC_NONE: u8 = 0;
const ENC_A256GCM: u8 = 1;

/// Why bytes are not a record that this build can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("empty record")]
    Empty,
    #[error("record is truncated")]
    Truncated,
    #[error("record does not begin with PRLY")]
    WrongMagic,
    #[error("record's checksum is wrong")]
    WrongChecksum,
    #[error("record's kind is unknown")]
    UnknownKind,
    #[error("record is malformed")]
    Malformed,
    /// Magic and checksum are right, the version is above ours: the reader must stop, nothing may be skipped.
    #[error("record has version {0}, newer than this reader")]
    Newer(u8),
}

/// The bytes of `record`.
pub fn encode(record: &Record) -> Bytes {
    let (enc, key_id, body): (u8, u32, &[u8]) = match &record.body {
        Body::Plain(text) => (ENC_NONE, 0, text.as_bytes()),
        Body::A256Gcm { key_id, data } => (ENC_A256GCM, *key_id, data),
    };
    let mut out = BytesMut::with_capacity(FIXED + body.len() + CRC);
    out.put_slice(MAGIC);
    out.put_u8(VERSION);
    out.put_u8(record.kind as u8);
    out.put_u8(if record.imported { FLAG_IMPORTED } else { 0 });
    out.put_u8(enc);
    for id in [record.room.0, record.sender.0, record.cid.0] {
        out.put_slice(id.as_bytes());
    }
    for cursor in [record.base, record.floor, record.auth] {
        out.put_u64(cursor.0);
    }
    out.put_slice(record.target.unwrap_or(MessageId::NIL).0.as_bytes());
    out.put_i64(record.value);
    out.put_i64(record.sent_at.0);
    out.put_u32(key_id);
    out.put_u32(u32::try_from(body.len()).expect("bodies are limited to far below 4 GiB"));
    out.put_slice(body);
    let crc = crc32c::crc32c(&out);
    out.put_u32(crc);
    out.freeze()
}

/// The record in `bytes`. Only its form is judged here; [`crate::check::check`] judges its content too.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    if bytes.len() < MAGIC.len() + 1 + CRC {
        return Err(DecodeError::Truncated);
    }
    if &bytes[..4] != MAGIC {
        return Err(DecodeError::WrongMagic);
    }
    let (payload, mut crc) = bytes.split_at(bytes.len() - CRC);
    if crc32c::crc32c(payload) != crc.get_u32() {
        return Err(DecodeError::WrongChecksum);
    }
    match payload[4] {
        VERSION => decode_v1(&payload[5..]),
        version if version > VERSION => Err(DecodeError::Newer(version)),
        _ => Err(DecodeError::Malformed),
    }
}

fn decode_v1(mut input: &[u8]) -> Result<Record, DecodeError> {
    if input.len() < FIXED - 5 {
        return Err(DecodeError::Truncated);
    }
    let kind = Kind::from_number(input.get_u8()).ok_or(DecodeError::UnknownKind)?;
    let flags = input.get_u8();
    let enc = input.get_u8();
    if flags & !FLAG_IMPORTED != 0 {
        return Err(DecodeError::Malformed);
    }
    let mut id = || Uuid::from_u128(input.get_u128());
    let (room, sender, cid) = (RoomId(id()), UserId(id()), Cid(id()));
    let mut cursor = || Cursor(input.get_u64());
    let (base, floor, auth) = (cursor(), cursor(), cursor());
    let target = MessageId(Uuid::from_u128(input.get_u128()));
    let value = input.get_i64();
    let sent_at = UnixMillis(input.get_i64());
    let key_id = input.get_u32();
    let body_len = input.get_u32() as usize;
    if input.len() != body_len {
        return Err(DecodeError::Malformed);
    }
    let body = match (enc, key_id) {
        (ENC_NONE, 0) => Body::Plain(String::from_utf8(input.to_vec()).map_err(|_| DecodeError::Malformed)?),
        (ENC_A256GCM, key_id) => Body::A256Gcm { key_id, data: Bytes::copy_from_slice(input) },
        _ => return Err(DecodeError::Malformed),
    };
    Ok(Record {
        kind,
        room,
        sender,
        cid,
        base,
        floor,
        auth,
        target: (target != MessageId::NIL).then_some(target),
        value,
        body,
        imported: flags & FLAG_IMPORTED != 0,
        sent_at,
    })
}
