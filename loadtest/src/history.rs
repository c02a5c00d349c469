//! What one client did and saw, with times: one line of JSON per event, in a file per client. Positions and ids are the server's; texts are kept as digests.
//! Nothing is judged here.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use parley_proto::{
    Cid, Cursor, ErrorCode, MessageId, Position, RoomId, UserId,
    item::Item,
    wire::{Ref, ResumeOutcome, RoomCursor, Tallies},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// Written to the file once so much has come together.
const BUFFER_BYTES: usize = 64 * 1024;

/// Microseconds since the run began, on the monotonic clock that all clients of a run share.
pub type Micros = u64;

/// What somebody was shown of a line: position, id, sender, digest of the body.
pub type Shown = (Position, MessageId, UserId, u64);

/// Of one message: up, down, and the reader's own vote where it was told.
pub type Counted = (MessageId, u64, u64, Option<i64>);

/// Absolute tallies, and what they are as of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Votes {
    pub as_of: Cursor,
    pub items: Vec<Counted>,
}

/// How a page came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The answer to that subscribe.
    Subscribed(Ref),
    Resync,
    History,
}

/// What is asked for over REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    Join(RoomId),
    Leave(RoomId),
    SignOut,
}

/// One thing that a client did or saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Whose history it is: the first line.
    Person {
        user: UserId,
        name: String,
    },
    /// A socket is open and says hello.
    Hello {
        url: String,
        resume: Option<Vec<RoomCursor>>,
    },
    Welcome {
        gateway: String,
        resume: ResumeOutcome,
    },
    /// The socket ended; without a code it was the client or the network.
    Closed {
        code: Option<u16>,
        by_us: bool,
    },
    /// `due`: when the schedule wanted it sent first.
    Send {
        room: RoomId,
        cid: Cid,
        base: Cursor,
        body: u64,
        retry: bool,
        due: Micros,
    },
    Vote {
        room: RoomId,
        cid: Cid,
        base: Cursor,
        target: MessageId,
        value: i64,
        retry: bool,
        due: Micros,
    },
    Drop {
        room: RoomId,
        cid: Cid,
    },
    Ack {
        cid: Cid,
        id: MessageId,
        at_most: Position,
    },
    Rejected {
        cid: Cid,
        code: ErrorCode,
        last: bool,
    },
    Unknown {
        cid: Cid,
        last: bool,
    },
    Subscribe {
        #[serde(rename = "ref")]
        reference: Ref,
        room: RoomId,
    },
    /// Given up by the client, to subscribe anew.
    Unsubscribe {
        room: RoomId,
    },
    /// The server's word that the room is not received any more, or was not subscribed.
    Unsubscribed {
        room: RoomId,
        code: Option<ErrorCode>,
    },
    Page {
        how: How,
        room: RoomId,
        start: Cursor,
        end: Cursor,
        items: Vec<Shown>,
        catching_up: bool,
        votes: Option<Votes>,
    },
    Replay {
        room: RoomId,
        prev: Cursor,
        cursor: Cursor,
        items: Vec<Shown>,
        more: bool,
        catching_up: bool,
    },
    Frames {
        room: RoomId,
        prev: Cursor,
        items: Vec<Shown>,
    },
    Cursors {
        items: Vec<RoomCursor>,
    },
    Tallies {
        room: RoomId,
        votes: Votes,
    },
    Voided {
        room: RoomId,
        positions: Vec<Position>,
    },
    Asked {
        deed: Deed,
    },
    Done {
        deed: Deed,
    },
    /// It reads nothing for a while, on purpose.
    Stall {
        micros: Micros,
    },
    /// Something that the schedule wanted was not offered: too much was waiting.
    Skipped,
    /// Nobody does anything any more, and all of it is stored.
    Quiet,
}

/// A line of the file.
pub type Line = (Micros, Event);

/// The digest by which bodies are compared.
pub fn digest(body: &str) -> u64 {
    let hash = Sha256::digest(body.as_bytes());
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What is kept of items.
pub fn shown(items: &[Item]) -> Vec<Shown> {
    items.iter().map(|item| (item.position, item.id, item.sender, item.body.as_str().map_or(0, digest))).collect()
}

impl From<&Tallies> for Votes {
    fn from(tallies: &Tallies) -> Self {
        let items = tallies.items.iter().map(|tally| (tally.target, tally.up, tally.down, tally.mine.map(i64::from))).collect();
        Self { as_of: tallies.as_of, items }
    }
}

/// Writes one client's history. Holds [`BUFFER_BYTES`] at most.
#[derive(Debug)]
pub struct Recorder {
    began: Instant,
    file: BufWriter<File>,
}

impl Recorder {
    /// `began` is the run's, the same for all.
    pub fn create(folder: &Path, name: &str, began: Instant) -> io::Result<Self> {
        Ok(Self { began, file: BufWriter::with_capacity(BUFFER_BYTES, File::create(folder.join(format!("{name}.jsonl")))?) })
    }

    /// Now, on the run's clock.
    pub fn now(&self) -> Micros {
        micros_since(self.began, Instant::now())
    }

    /// The same of another instant.
    pub fn at(&self, at: Instant) -> Micros {
        micros_since(self.began, at)
    }

    /// Writes an event with the time it is.
    pub fn note(&mut self, event: &Event) -> io::Result<()> {
        let line = (self.now(), event);
        serde_json::to_writer(&mut self.file, &line)?;
        self.file.write_all(b"\n")
    }

    /// Everything is in the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// On the run's clock.
pub fn micros_since(began: Instant, at: Instant) -> Micros {
    u64::try_from(at.saturating_duration_since(began).as_micros()).unwrap_or(u64::MAX)
}

/// The histories of a folder, by client.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort_unstable();
    Ok(files)
}

/// One history, line by line.
pub fn read(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Line>> + use<>> {
    let lines = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?).lines();
    Ok(lines.map(|line| line.and_then(|line| serde_json::from_str(&line).map_err(Into::into))))
}
