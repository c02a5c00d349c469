//! Bugs on purpose, at the ports and at the client: what a product with that bug would do to its engines or tell its people. The simulation is only
//! believed because it catches them. The product itself has none of this code, in no build.

use clap::ValueEnum;

/// One bug; a run has at most one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sabotage {
    /// The log's word is told before the log has the record.
    AckBeforeReport,
    /// Frames never tell where the room stood before.
    NoGapDetection,
    /// The beat finds nothing.
    BeatOff,
    /// A subscription is confirmed before it is there.
    SnapshotBeforeSubscribe,
    /// The end of the log is what it was a moment ago.
    StaleEnd,
    /// A tail without entries says that nothing ever happened.
    EmptyTailIsWhole,
    /// A bus that lost its state takes the next publish for the first.
    PublishOnEmpty,
    /// Each notice claims to follow the one before it.
    NoticesUnchained,
    /// A socket loses single frames.
    SocketDropsFrames,
}
