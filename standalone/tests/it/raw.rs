//! A client that writes its frames byte by byte, so that it can write wrong ones. It knows nothing of rooms; whoever watches is a [`crate::client::Socket`].

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::client::{PATIENCE, Person};

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
/// The last piece of a message.
pub(crate) const FIN: u8 = 0x80;
const MASK: [u8; 4] = [0x5A, 0x0F, 0xC3, 0x96];

/// A frame as a client has to write it: masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = announced(first, payload.len() as u64);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// The whole header of a masked frame that announces this many bytes, and none of them.
pub(crate) fn announced(first: u8, len: u64) -> Vec<u8> {
    let mut out = header(first, 0x80, len);
    out.extend(MASK);
    out
}

/// The beginning of a frame that announces this many bytes, in the shortest form.
pub(crate) fn header(first: u8, masked: u8, len: u64) -> Vec<u8> {
    let mut out = vec![first];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short), _) if short < 126 => out.push(masked | short),
        (_, Ok(medium)) => {
            out.push(masked | 126);
            out.extend(medium.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend(len.to_be_bytes());
        }
    }
    out
}

/// A connection after its upgrade and its hello.
#[derive(Debug)]
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn open(person: &Person) -> Self {
        let host = person.url.strip_prefix("http://").unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((person.home, 0).into()).unwrap();
        let mut stream = socket.connect(host.parse().unwrap()).await.unwrap();
        let head = format!(
            "GET /api/v1/socket HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: parley.v1\r\nauthorization: Bearer {}\r\n\r\n",
            person.access_token
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        let mut raw = Self(stream);
        raw.write(&frame(FIN | TEXT, br#"{"type":"hello","ref":1,"version":1}"#)).await;
        assert!(raw.text().await.contains(r#""type":"welcome""#));
        raw
    }

    /// Writes as much as the server takes: one that has closed takes no more.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = tokio::time::timeout(PATIENCE, self.0.write_all(bytes)).await.expect("the server reads or closes");
    }

    /// The next text that the server writes.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.frame().await {
                Some((TEXT, payload)) => return String::from_utf8(payload).unwrap(),
                Some((CLOSE, payload)) => panic!("closed: {payload:?}"),
                Some(_) => {}
                None => panic!("the connection is gone"),
            }
        }
    }

    /// Waits for a text that has this in it; `false` if the server closes before.
    pub(crate) async fn text_of(&mut self, part: &str) -> bool {
        loop {
            match self.frame().await {
                Some((TEXT, payload)) if String::from_utf8_lossy(&payload).contains(part) => return true,
                Some((CLOSE, _)) | None => return false,
                Some(_) => {}
            }
        }
    }

    /// The code with which the server closes; 1005 without one, 1006 where it only goes.
    pub(crate) async fn close_code(&mut self) -> u16 {
        self.closed_within(PATIENCE).await.expect("the server closes in time")
    }

    /// The same, however long that takes; `None` after this long.
    pub(crate) async fn closed_within(&mut self, time: Duration) -> Option<u16> {
        let closed = async {
            loop {
                match self.read_frame().await {
                    Ok((CLOSE, payload)) => return payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code)),
                    Ok(_) => {}
                    Err(_) => return 1006,
                }
            }
        };
        tokio::time::timeout(time, closed).await.ok()
    }

    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        tokio::time::timeout(PATIENCE, self.read_frame()).await.expect("the server says something in time").ok()
    }

    async fn read_frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let opcode = self.0.read_u8().await? & 0x0F;
        let len = match self.0.read_u8().await? {
            126 => u64::from(self.0.read_u16().await?),
            127 => self.0.read_u64().await?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(len).unwrap()];
        self.0.read_exact(&mut payload).await?;
        Ok((opcode, payload))
    }

    /// Goes as a machine that lost its power does: no close, no FIN, a reset.
    pub(crate) fn reset(self) {
        self.0.set_zero_linger().unwrap();
    }

    /// Whether the server keeps the connection open for this long.
    pub(crate) async fn stays(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.read_frame()).await.is_err()
    }
}
