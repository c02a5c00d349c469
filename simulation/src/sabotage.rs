//! Bugs on purpose, at the ports and at the client: what a product with that bug would do to its engines or tell its people. Those inside the product are
//! [`parley_proto::planted`]'s.

/// One bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The log's word is told before the log has the record.
    AckBeforeReport,
    /// Frames never tell where the room stood before.
    NoGapDetection,
    /// The beat finds nothing.
    BeatOff,
    /// A tail without entries says that nothing ever happened.
    EmptyTailIsWhole,
    /// Each notice claims to follow the one before it.
    NoticesUnchained,
    /// A socket loses single frames.
    SocketDropsFrames,
}
