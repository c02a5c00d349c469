//! WebSocket frames (RFC 6455) as far as benchmarks need them: whole text messages, pings, closes. No extensions, no fragments.

use anyhow::{Context, bail};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// A frame at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
    /// Of the whole frame.
    pub(crate) len: usize,
}

/// The first frame of `bytes`; `None` if it has not arrived as a whole. A mask has to be zero, which is what [`masked`] makes.
pub(crate) fn first(bytes: &[u8]) -> anyhow::Result<Option<Frame<'_>>> {
    let &[head, second, ..] = bytes else { return Ok(None) };
    if head & 0xF0 != 0x80 {
        bail!("a fragment or an extension: {head:#x}");
    }
    let (mut start, len) = match second & 0x7F {
        126 => match bytes.get(2..4) {
            Some(len) => (4, usize::from(u16::from_be_bytes(len.try_into()?))),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10) {
            Some(len) => (10, usize::try_from(u64::from_be_bytes(len.try_into()?)).context("a huge frame")?),
            None => return Ok(None),
        },
        len => (2, usize::from(len)),
    };
    if second & 0x80 != 0 {
        start += 4;
    }
    Ok(bytes.get(start..start + len).map(|payload| Frame { opcode: head & 0x0F, payload, len: start + len }))
}

/// As a server sends it.
pub(crate) fn plain(opcode: u8, payload: &[u8]) -> Vec<u8> {
    encoded(opcode, payload, false)
}

/// As a client sends it: under a mask, which is zero and so changes nothing.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    encoded(opcode, payload, true)
}

fn encoded(opcode: u8, payload: &[u8], is_masked: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    let mask = if is_masked { 0x80 } else { 0 };
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..126 => out.push(mask | len as u8),
        len @ 126..65_536 => {
            out.push(mask | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(mask | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    if is_masked {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_are_read_as_written_and_not_before_they_are_whole() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; len];
            for bytes in [plain(TEXT, &payload), masked(TEXT, &payload)] {
                assert_eq!(first(&bytes).unwrap(), Some(Frame { opcode: TEXT, payload: &payload, len: bytes.len() }));
                for cut in [0, 1, 3, bytes.len() - 1] {
                    assert_eq!(first(&bytes[..cut.min(bytes.len() - 1)]).unwrap(), None, "{len} {cut}");
                }
            }
        }
        assert!(first(&[0x01, 0]).is_err());
    }
}
