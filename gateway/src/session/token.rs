//! The resume token: where a client's socket stood, signed so that it can't be made up.
//!
//! ```text
//! version u8 | user 16 | session 16 | log_id 16 | rights u64 | count u16 | count × (room 16, cursor u64, tallies' as_of u64)     then signed
//! ```
//!
//! `rights` is one above the version of the person's rights that their rooms were received by; 0 where it was not known.

use bytes::{Buf, BufMut};
use parley_proto::{Cursor, LogId, RoomId, SessionId, UserId, limits};
use uuid::Uuid;

use crate::{hub::Told, tokens::Signer};

const VERSION: u8 = 2;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResumeToken {
    pub(super) user: UserId,
    pub(super) session: SessionId,
    pub(super) log_id: LogId,
    /// The version of the person's rights by which they received these rooms.
    pub(super) rights: Option<u64>,
    pub(super) rooms: Vec<Told>,
}

impl ResumeToken {
    pub(super) fn sign(&self, signer: &Signer) -> String {
        let mut out = Vec::with_capacity(59 + self.rooms.len() * 32);
        out.put_u8(VERSION);
        for id in [self.user.0, self.session.0, self.log_id.0] {
            out.put_slice(id.as_bytes());
        }
        out.put_u64(self.rights.map_or(0, |version| version.saturating_add(1)));
        out.put_u16(u16::try_from(self.rooms.len()).unwrap_or(u16::MAX));
        for entry in self.rooms.iter().take(usize::from(u16::MAX)) {
            out.put_slice(entry.room.0.as_bytes());
            out.put_u64(entry.cursor.0);
            out.put_u64(entry.as_of.0);
        }
        signer.sign(&out)
    }

    /// `None` for anything that we did not sign.
    pub(super) fn verify(text: &str, signer: &Signer) -> Option<Self> {
        let payload = signer.verify(text)?;
        let mut input = &payload[..];
        if input.try_get_u8().ok()? != VERSION {
            return None;
        }
        let mut id = || input.try_get_u128().ok().map(Uuid::from_u128);
        let (user, session, log_id) = (UserId(id()?), SessionId(id()?), LogId(id()?));
        let rights = input.try_get_u64().ok()?.checked_sub(1);
        let count = usize::from(input.try_get_u16().ok()?);
        if count > limits::SUBSCRIPTIONS || input.len() != count * 32 {
            return None;
        }
        let rooms = (0..count)
            .map(|_| {
                let room = RoomId(Uuid::from_u128(input.get_u128()));
                let (cursor, as_of) = (Cursor(input.get_u64()), Cursor(input.get_u64()));
                Told { room, cursor, as_of }
            })
            .collect();
        Some(Self { user, session, log_id, rights, rooms })
    }
}

/// What `make fuzz` asks, in its builds alone.
#[cfg(fuzzing)]
pub(super) fn is_read_as_written(root: &Signer, payload: &[u8]) -> bool {
    let signer = root.derive("resume");
    let signed = signer.sign(payload);
    ResumeToken::verify(&signed, &signer).is_none_or(|token| token.sign(&signer) == signed)
}
