//! Bugs on purpose, for the simulation alone: without the feature `planted-bugs` this module says `false`, and the compiler drops whatever hangs on it.
//!
//! Each is planted where the right code stands, by one question. A check is only believed after it has caught them: see `docs/simulation.md`.

/// A bug of the list in the promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    /// The offset is stored, and then the rows.
    OffsetBeforeRows,
    /// Who subscribes does not wait for the bus to confirm it.
    SnapshotBeforeSubscribe,
    /// Who comes back is given what is dated later than what they have.
    ResumeByTime,
    /// Frames leave in another order than the log's.
    PublishOrder,
    /// Any later commit's vote wins.
    VoteWithoutGuard,
    /// A batch is written wherever the store is.
    CompareAndSetRemoved,
    /// The persister takes a repeat for something new.
    RetryMakesSecondRow,
    /// A full outbox drops what waits in its middle.
    OutboxDropsMiddle,
    /// Ended rights end nothing that is open.
    RevocationIgnored,
    /// A bus without state takes the next publish for the first.
    PublishOnEmptyBus,
    /// The relay takes a repeat for something new.
    RelayWithoutFold,
    /// A publish is taken from wherever it begins.
    PublishWithoutFrom,
    /// A relay with nothing to say does not look at the bus.
    IdleRelaySilent,
    /// A tail outlives the bus' state.
    TailWithoutIncarnation,
    /// What was published is taken for what there is.
    SubscribeWithoutEnd,
    /// A page is what the store has.
    HistoryFromStoreOnly,
    /// Older rows that changed are not replayed.
    ResumeByPosition,
    /// A retry is refused as a first attempt is.
    RetryRejected,
    /// Each copy of a vote counts.
    VotesWithoutIdentity,
    /// Who comes back is given the tallies that changed above their cursor.
    TalliesByCursor,
    /// A retry is answered by where it landed itself.
    RetryByReportAlone,
    /// A cancelled send is refused as one that may be sent again.
    CancelledSentAgain,
    /// A page leaves as it was when it was asked for.
    PageBeforeCursor,
    /// A beat speaks of rooms that went live after it was called.
    BeatRaisesLateRoom,
    /// What was overtaken by a later request about the same room takes effect after it.
    OvertakenTakesEffect,
}

/// Whether this bug is in. Never, in a build without the feature.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn planted(_: PlantedBug) -> bool {
    false
}

#[cfg(feature = "planted-bugs")]
mod switch;
#[cfg(feature = "planted-bugs")]
pub use switch::{plant, planted};
