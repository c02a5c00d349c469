//! A frame as it goes over the wire, encoded once for all sockets that get it.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use parley_proto::wire::ServerFrame;

/// Final, text (RFC 6455, section 5.2).
const FINAL_TEXT: u8 = 0x81;
/// Lengths up to here stand in the header's second byte; there these two say that the length follows in two or in eight bytes.
const SHORT_MAX: usize = 125;
const TWO_BYTES: u8 = 126;
const EIGHT_BYTES: u8 = 127;
const HEADER_MAX: usize = 10;

/// A ping without a payload.
const PING: &[u8] = &[0x89, 0];

/// A whole frame of a server, mostly text: header and JSON, unmasked, in one piece. Clones share the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// What is to be said, encoded; `None`, and a line in our log, if it can't be.
    pub(crate) fn of(said: &ServerFrame) -> Option<Self> {
        match serde_json::to_string(said) {
            Ok(json) => Some(Self::text(&json)),
            Err(error) => {
                tracing::error!(%error, "frame.encode");
                None
            }
        }
    }

    /// The frame that carries this JSON.
    pub fn text(json: &str) -> Self {
        let mut out = BytesMut::with_capacity(HEADER_MAX + json.len());
        out.put_u8(FINAL_TEXT);
        match (u8::try_from(json.len()), u16::try_from(json.len())) {
            (Ok(len), _) if json.len() <= SHORT_MAX => out.put_u8(len),
            (_, Ok(len)) => {
                out.put_u8(TWO_BYTES);
                out.put_u16(len);
            }
            _ => {
                out.put_u8(EIGHT_BYTES);
                out.put_u64(json.len() as u64);
            }
        }
        out.put_slice(json.as_bytes());
        Self(out.freeze())
    }

    /// What is encoded already.
    pub(crate) fn raw(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }

    /// Asks whether the client is there.
    pub(crate) fn ping() -> Self {
        Self(Bytes::from_static(PING))
    }

    /// Bytes on the wire that are not written yet.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// So many of them were written.
    pub(crate) fn advance(&mut self, written: usize) {
        self.0.advance(written);
    }

    /// What it carries.
    #[cfg(test)]
    pub(crate) fn json(&self) -> &str {
        let header = match self.0[1] {
            EIGHT_BYTES => HEADER_MAX,
            TWO_BYTES => 4,
            _ => 2,
        };
        std::str::from_utf8(&self.0[header..]).unwrap()
    }
}

#[cfg(test)]
impl From<&str> for Frame {
    fn from(json: &str) -> Self {
        Self::text(json)
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::protocol::{
        Message,
        frame::{
            Frame as TheirFrame,
            coding::{Data, OpCode},
        },
    };

    use super::*;

    #[test]
    fn a_frame_of_every_length_is_what_the_library_would_write() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let json = "x".repeat(len);
            let mut theirs = Vec::new();
            TheirFrame::message(Message::text(json.clone()).into_data(), OpCode::Data(Data::Text), true).format(&mut theirs).unwrap();
            assert_eq!(Frame::text(&json).bytes(), theirs, "{len}");
            assert_eq!(Frame::text(&json).json(), json);
        }
    }

    #[test]
    fn a_ping_is_what_the_library_would_write() {
        let mut theirs = Vec::new();
        TheirFrame::ping(Vec::new()).format(&mut theirs).unwrap();
        assert_eq!(Frame::ping().bytes(), theirs);
    }
}
