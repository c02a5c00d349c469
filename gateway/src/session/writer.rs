//! Writes a socket's frames. They are encoded already and shared by many sockets, so they go to the connection as they are, many in one system call, past the
//! library that reads from it: that would copy each into a buffer of every socket's own, which keeps the size of the largest thing that was ever written.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use futures::SinkExt;
use hyper_tungstenite::HyperWebsocketStream;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite;

use crate::frame::Frame;

/// Frames in one system call, at most.
const FRAMES_AT_ONCE: usize = 64;
/// What a burst needed is kept up to so many frames.
const KEPT: usize = 16;

/// What is not written yet.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) frames: VecDeque<Frame>,
    /// A part of the first one is written.
    begun: bool,
    /// The library may have something to write: an answer to a ping.
    is_library_waiting: bool,
}

impl Writer {
    /// The library read something, and may have to answer it.
    pub(super) fn library_may_write(&mut self) {
        self.is_library_waiting = true;
    }

    /// Writes everything. Given up half-way, it goes on where it was.
    pub(super) async fn write(&mut self, socket: &mut HyperWebsocketStream) -> Result<(), tungstenite::Error> {
        // Its answer is written whole before anything else is.
        if self.is_library_waiting && !self.begun {
            socket.flush().await?;
            self.is_library_waiting = false;
        }
        let stream = socket.get_mut();
        while let Some(first) = self.frames.front() {
            // Mostly there is one.
            let written = match self.frames.len() {
                1 => stream.write(first.bytes()).await?,
                _ => write_many(stream, &self.frames).await?,
            };
            match written {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                written => self.written(written),
            }
        }
        self.frames.shrink_to(KEPT);
        Ok(stream.flush().await?)
    }

    /// Writes the rest of a frame that was begun and drops the others: what follows is not taken for a part of it.
    pub(super) async fn finish(&mut self, socket: &mut HyperWebsocketStream) -> Result<(), tungstenite::Error> {
        self.frames.truncate(usize::from(self.begun));
        self.write(socket).await
    }

    fn written(&mut self, mut written: usize) {
        while let Some(first) = self.frames.front_mut().filter(|_| written > 0) {
            let len = first.bytes().len();
            self.begun = written < len;
            if self.begun {
                return first.advance(written);
            }
            written -= len;
            self.frames.pop_front();
        }
    }
}

async fn write_many(stream: &mut (impl AsyncWrite + Unpin), frames: &VecDeque<Frame>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); FRAMES_AT_ONCE];
    let count = slices.iter_mut().zip(frames).map(|(slice, frame)| *slice = IoSlice::new(frame.bytes())).count();
    stream.write_vectored(&slices[..count]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(writer: &Writer) -> Vec<usize> {
        writer.frames.iter().map(|frame| frame.bytes().len()).collect()
    }

    #[test]
    fn it_goes_on_where_it_was() {
        let mut writer = Writer { frames: ["a", "bcd", "efghi"].map(Frame::text).into(), ..Writer::default() };
        assert_eq!(left(&writer), [3, 5, 7]);
        writer.written(2);
        assert_eq!((left(&writer), writer.begun), (vec![1, 5, 7], true));
        writer.written(1);
        assert_eq!((left(&writer), writer.begun), (vec![5, 7], false));
        writer.written(11);
        assert_eq!((left(&writer), writer.begun, writer.frames[0].bytes()), (vec![1], true, &b"i"[..]));
        writer.written(1);
        assert_eq!((left(&writer), writer.begun), (vec![], false));
    }
}
