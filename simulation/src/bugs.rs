//! The bugs that the simulation is tried with, each with what exposes it. A check is only believed after it has caught them.
//!
//! A run of a bug has its seed's schedule and, added to it, what the bug has to do with. The same run without the bug, its control, has to be clean: so it
//! was the bug that was caught. What a second lock hides is tried with that lock taken away, in the control as well.

use std::time::Duration;

use parley_proto::planted::PlantedBug;

use crate::{
    sabotage::Sabotage,
    schedule::{Deed, Fault, Often},
};

/// Where a bug is put in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Port(Sabotage),
    Product(PlantedBug),
}

/// What has to go with a bug so that it shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exposure {
    /// Nothing else goes wrong.
    pub(crate) calm: bool,
    pub(crate) faults: &'static [Often],
    pub(crate) deeds: &'static [(Deed, u64)],
    /// When nobody does anything any more, in milliseconds.
    pub(crate) deeds_until: u64,
    /// Locks that hide it.
    pub(crate) without: &'static [Place],
    /// What only this bug makes the verdict say.
    pub(crate) says: &'static str,
    /// Sockets may have as many frames waiting, and the network holds next to nothing.
    pub(crate) outbox_frames: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) exposure: Exposure,
}

/// Nothing but what the seed draws.
const NOTHING: Exposure = Exposure { calm: false, faults: &[], deeds: &[], deeds_until: 29_000, without: &[], says: "BROKEN", outbox_frames: None };

const fn often(fault: Fault, count: u64, lasts: (u64, u64)) -> Often {
    Often { fault, count, at: (1_000, 28_000), lasts }
}

const fn bug(name: &'static str, place: Place, exposure: Exposure) -> Bug {
    Bug { name, place, exposure }
}

const UNCERTAIN: &[Often] = &[often(Fault::AppendsUncertain, 6, (2_000, 6_000))];
const STORE_BEHIND: &[Often] = &[often(Fault::PersisterPaused(0), 8, (3_000, 8_000)), often(Fault::StoreSlow, 2, (2_000, 5_000))];

use Place::{Port, Product};

/// In the words of the promises' own list, and in its order; last three that it does not name.
pub(crate) const ALL: &[Bug] = &[
    bug(
        "offset stored before the rows",
        Product(PlantedBug::OffsetBeforeRows),
        Exposure { faults: &[often(Fault::PersisterKilled(0), 6, (500, 3_000)), often(Fault::StoreAnswersLost, 2, (1_000, 3_000))], ..NOTHING },
    ),
    bug("ack before the broker's report", Port(Sabotage::AckBeforeReport), NOTHING),
    bug(
        "snapshot before subscribe",
        Product(PlantedBug::SnapshotBeforeSubscribe),
        Exposure {
            calm: true,
            faults: &[often(Fault::BusSlow, 4, (3_000, 6_000))],
            deeds: &[(Deed::Reconnect, 10), (Deed::Reload, 20), (Deed::Send, 30)],
            without: &[Port(Sabotage::NoGapDetection), Port(Sabotage::BeatOff)],
            says: "lacks",
            ..NOTHING
        },
    ),
    bug(
        "resume by time",
        Product(PlantedBug::ResumeByTime),
        Exposure { faults: &[often(Fault::ClockJumps { seconds: -200 }, 6, (200, 300))], deeds: &[(Deed::Reconnect, 16)], ..NOTHING },
    ),
    bug("no gap detection", Port(Sabotage::NoGapDetection), Exposure { faults: &[often(Fault::FramesLost, 4, (2_000, 6_000))], ..NOTHING }),
    bug("publish order not log order", Product(PlantedBug::PublishOrder), NOTHING),
    bug(
        "vote without the position guard",
        Product(PlantedBug::VoteWithoutGuard),
        Exposure {
            faults: &[
                often(Fault::StoreSlow, 8, (3_000, 8_000)),
                often(Fault::PersisterDoomed(0), 12, (500, 3_000)),
                often(Fault::PersisterKilled(0), 12, (100, 300)),
            ],
            deeds: &[(Deed::Vote, 240)],
            without: &[Product(PlantedBug::CompareAndSetRemoved)],
            says: "BROKEN: the store counts",
            ..NOTHING
        },
    ),
    bug(
        "compare-and-set removed",
        Product(PlantedBug::CompareAndSetRemoved),
        Exposure { faults: &[often(Fault::PersisterPaused(0), 6, (500, 4_000))], ..NOTHING },
    ),
    bug("retry creates a second row", Product(PlantedBug::RetryMakesSecondRow), Exposure { faults: UNCERTAIN, ..NOTHING }),
    bug(
        "outbox drops from the middle",
        Product(PlantedBug::OutboxDropsMiddle),
        Exposure { faults: &[often(Fault::ReadersSlow, 5, (2_000, 5_000))], deeds: &[(Deed::Send, 40), (Deed::Vote, 20)], outbox_frames: Some(6), ..NOTHING },
    ),
    bug(
        "revocation ignored by open sockets",
        Product(PlantedBug::RevocationIgnored),
        Exposure { calm: true, deeds: &[(Deed::SignOut, 1), (Deed::Send, 30)], ..NOTHING },
    ),
    bug(
        "publish accepted on an empty Redis",
        Product(PlantedBug::PublishOnEmptyBus),
        Exposure { faults: &[often(Fault::SetEvicted, 4, (200, 300)), often(Fault::BusEmptied, 3, (200, 300))], deeds: &[(Deed::Reload, 10)], ..NOTHING },
    ),
    bug("relay without the fold", Product(PlantedBug::RelayWithoutFold), Exposure { faults: UNCERTAIN, ..NOTHING }),
    bug(
        "beat off",
        Port(Sabotage::BeatOff),
        Exposure { calm: true, faults: &[Often { fault: Fault::FramesLost, count: 4, at: (22_000, 28_000), lasts: (2_000, 4_000) }], ..NOTHING },
    ),
    bug(
        "publish without `from = next`",
        Product(PlantedBug::PublishWithoutFrom),
        Exposure {
            faults: &[often(Fault::BusRolledBack { age: Duration::from_millis(2_000) }, 8, (200, 300))],
            deeds: &[(Deed::Reload, 20), (Deed::Send, 20)],
            ..NOTHING
        },
    ),
    bug(
        "idle relay silent",
        Product(PlantedBug::IdleRelaySilent),
        Exposure {
            calm: true,
            faults: &[
                Often { fault: Fault::FramesLost, count: 1, at: (17_000, 17_500), lasts: (2_900, 3_000) },
                Often { fault: Fault::BusRolledBack { age: Duration::from_millis(2_000) }, count: 1, at: (20_050, 20_600), lasts: (200, 300) },
            ],
            deeds: &[(Deed::Send, 40)],
            deeds_until: 20_000,
            ..NOTHING
        },
    ),
    bug(
        "tail keys without incarnation",
        Product(PlantedBug::TailWithoutIncarnation),
        Exposure { faults: &[often(Fault::SetEvicted, 10, (200, 300))], deeds: &[(Deed::Reload, 20), (Deed::Send, 40)], ..NOTHING },
    ),
    bug(
        "subscribe without asking for the log's end",
        Product(PlantedBug::SubscribeWithoutEnd),
        Exposure {
            faults: &[often(Fault::BusSlow, 4, (3_000, 6_000)), often(Fault::StoreSlow, 2, (3_000, 6_000))],
            deeds: &[(Deed::Resubscribe, 30), (Deed::Send, 20)],
            ..NOTHING
        },
    ),
    bug(
        "history from the store only",
        Product(PlantedBug::HistoryFromStoreOnly),
        Exposure { faults: STORE_BEHIND, deeds: &[(Deed::Send, 30), (Deed::Reload, 10), (Deed::Scroll, 40)], ..NOTHING },
    ),
    bug(
        "resume by position only",
        Product(PlantedBug::ResumeByPosition),
        Exposure { faults: &[often(Fault::BusEmptied, 8, (200, 300))], deeds: &[(Deed::Edit, 40), (Deed::Reconnect, 20)], ..NOTHING },
    ),
    bug(
        "plain `rejected` to a retry",
        Product(PlantedBug::RetryRejected),
        Exposure { faults: &[often(Fault::LogSilent, 3, (2_000, 5_000)), often(Fault::AppendsUncertain, 3, (2_000, 6_000))], ..NOTHING },
    ),
    bug("votes without the identity rule", Product(PlantedBug::VotesWithoutIdentity), Exposure { faults: UNCERTAIN, deeds: &[(Deed::Vote, 60)], ..NOTHING }),
    bug(
        "chain of notices ignored",
        Port(Sabotage::NoticesUnchained),
        Exposure { faults: &[often(Fault::NoticesLost, 6, (2_000, 6_000))], deeds: &[(Deed::Vote, 40)], ..NOTHING },
    ),
    bug(
        "tallies at resume by cursor",
        Product(PlantedBug::TalliesByCursor),
        Exposure { faults: STORE_BEHIND, deeds: &[(Deed::Vote, 40), (Deed::Reconnect, 20)], ..NOTHING },
    ),
    bug(
        "retry answered by the broker's report alone",
        Product(PlantedBug::RetryByReportAlone),
        Exposure { faults: UNCERTAIN, deeds: &[(Deed::Send, 20), (Deed::Discard, 30)], ..NOTHING },
    ),
    bug(
        "a cancelled cid sent again",
        Product(PlantedBug::CancelledSentAgain),
        Exposure { faults: UNCERTAIN, deeds: &[(Deed::Send, 20), (Deed::Discard, 30)], ..NOTHING },
    ),
    bug(
        "page cut before the socket's cursor",
        Product(PlantedBug::PageBeforeCursor),
        Exposure {
            faults: &[often(Fault::StoreSlow, 12, (3_000, 6_000))],
            deeds: &[(Deed::Send, 20), (Deed::Edit, 150), (Deed::Reload, 20), (Deed::Scroll, 150)],
            ..NOTHING
        },
    ),
    bug(
        "beat that raises a cursor of a room gone live after its call",
        Product(PlantedBug::BeatRaisesLateRoom),
        Exposure {
            calm: true,
            faults: &[
                Often { fault: Fault::PersisterPaused(0), count: 8, at: (10_000, 12_000), lasts: (9_000, 12_000) },
                Often { fault: Fault::LogSilent, count: 1, at: (14_000, 15_000), lasts: (5_000, 6_000) },
                Often { fault: Fault::TailsEvicted, count: 12, at: (13_000, 20_000), lasts: (200, 300) },
                Often { fault: Fault::BusSlow, count: 1, at: (14_000, 15_000), lasts: (6_000, 7_000) },
            ],
            deeds: &[(Deed::Reload, 60), (Deed::Send, 30)],
            ..NOTHING
        },
    ),
    bug(
        "an overtaken subscribe answered",
        Product(PlantedBug::OvertakenTakesEffect),
        Exposure {
            calm: true,
            faults: &[often(Fault::StoreSlow, 6, (2_000, 4_000))],
            deeds: &[(Deed::Resubscribe, 60), (Deed::LeaveAndJoin, 20), (Deed::Reload, 10), (Deed::Send, 20)],
            says: "G5",
            ..NOTHING
        },
    ),
    bug(
        "an empty tail taken for \"nothing happened\"",
        Port(Sabotage::EmptyTailIsWhole),
        Exposure { faults: &[often(Fault::TailsEvicted, 4, (200, 300))], ..NOTHING },
    ),
    bug("a socket loses single frames", Port(Sabotage::SocketDropsFrames), NOTHING),
];

/// The bug of this name.
pub(crate) fn find(name: &str) -> Result<&'static Bug, String> {
    ALL.iter().find(|bug| bug.name == name).ok_or_else(|| format!("no such bug: {name}"))
}

/// Puts them in: what belongs to the ports is told to the run.
pub(crate) fn put_in(places: impl IntoIterator<Item = Place>) -> anyhow::Result<Vec<Sabotage>> {
    let mut ports = Vec::new();
    for place in places {
        match place {
            Port(sabotage) => ports.push(sabotage),
            Product(planted) => plant(planted)?,
        }
    }
    Ok(ports)
}

#[cfg(feature = "planted-bugs")]
fn plant(bug: PlantedBug) -> anyhow::Result<()> {
    parley_proto::planted::plant(bug);
    Ok(())
}

#[cfg(not(feature = "planted-bugs"))]
fn plant(bug: PlantedBug) -> anyhow::Result<()> {
    anyhow::bail!("{bug:?} sits in the product, and this build's has none: build with --features parley-simulation/planted-bugs")
}
