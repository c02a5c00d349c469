//! What happens in a run, drawn from the seed before it begins: faults, and what people do. A list, so that a failing run can be made smaller.

use std::time::Duration;

use crate::{bugs::Exposure, dice::Dice};

/// When faults and people stop.
pub(crate) const BUSY: Duration = Duration::from_secs(30);
pub(crate) const GATEWAYS: usize = 2;
pub(crate) const PERSISTERS: usize = 2;
pub(crate) const ROOMS: usize = 2;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Nobody gets an answer from the log.
    LogSilent,
    LogSlow,
    /// Some appends get lost, land without a word, late, or twice.
    AppendsUncertain,
    BusAway,
    /// One gateway can't reach the bus.
    BusAwayFor(usize),
    /// All subscriber connections break.
    BusCut,
    /// Some frames reach some gateway not.
    FramesLost,
    NoticesLost,
    /// Calls take effect, and their answers get lost.
    BusAnswersLost,
    BusEmptied,
    SetEvicted,
    TailsEvicted,
    /// An old copy of the bus' state comes back, `age` after it was made.
    BusRolledBack {
        age: Duration,
    },
    StoreAway,
    StoreSlow,
    StoreAnswersLost,
    /// The database refuses some rows.
    StoreRefuses,
    GatewayKilled(usize),
    GatewayPaused(usize),
    PersisterKilled(usize),
    PersisterPaused(usize),
    /// Paused, and killed after the first thing that it does with the store then. Only with a bug.
    PersisterDoomed(usize),
    ConnectionsCut,
    ClockJumps {
        seconds: i64,
    },
    /// Calls of the bus take long. Only with a bug.
    BusSlow,
    /// What gateways write reaches nobody. Only with a bug.
    ReadersSlow,
}

/// What somebody does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// So many messages at once.
    Send {
        room: usize,
        messages: usize,
    },
    /// Votes on one of the newest messages that they see.
    Vote {
        room: usize,
        back: usize,
        value: i8,
    },
    /// Discards the first send whose outcome is unknown.
    Discard,
    /// The connection goes; they come back to a gateway.
    Reconnect {
        gateway: usize,
        after: Duration,
    },
    /// The page is loaded anew: all that it knew is gone, but the outbox.
    Reload {
        gateway: usize,
    },
    Resubscribe {
        room: usize,
    },
    /// A page of older messages.
    Scroll {
        room: usize,
    },
    LeaveAndJoin {
        room: usize,
        after: Duration,
    },
    /// Changes one of the newest messages of theirs. Only with a bug.
    Edit {
        room: usize,
        back: usize,
    },
    /// Ends the session, and listens on. Only with a bug.
    SignOut,
}

/// A fault that a bug has to go with: so often, in this time, for so long; in milliseconds. Which gateway or persister is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Often {
    pub(crate) fault: Fault,
    pub(crate) count: u64,
    pub(crate) at: (u64, u64),
    pub(crate) lasts: (u64, u64),
}

/// What people do so that a bug shows; the rest is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    Send,
    Vote,
    Discard,
    Reconnect,
    Reload,
    Resubscribe,
    LeaveAndJoin,
    Scroll,
    Edit,
    SignOut,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// It goes wrong for so long.
    Fault(Fault, Duration),
    /// This client does this.
    Act(usize, Act),
}

/// In order of time.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) clients: usize,
    pub(crate) partitions: u16,
    pub(crate) events: Vec<(Duration, What)>,
}

impl Schedule {
    /// The run of `seed` and what exposes a bug, without the events whose numbers are in `without`.
    pub(crate) fn new(seed: u64, exposure: Option<&Exposure>, without: &[usize]) -> Self {
        let dice = Dice::new(seed, "schedule");
        let clients = 3 + dice.below(2);
        let partitions = if dice.chance(0.7) { 1 } else { 2 };
        let mut events = Vec::new();
        for _ in 0..dice.number(2..9) {
            events.push((dice.millis(1_000..28_000), fault(&dice)));
        }
        for client in 0..clients {
            for _ in 0..dice.number(8..30) {
                events.push((dice.millis(500..29_000), What::Act(client, act(&dice))));
            }
        }
        if let Some(exposure) = exposure {
            expose(&mut events, exposure, clients, &Dice::new(seed, "exposure"));
        }
        events.sort_by_key(|(at, _)| *at);
        let kept = events.into_iter().enumerate().filter(|(number, _)| !without.contains(number)).map(|(_, event)| event);
        Self { clients, partitions, events: kept.collect() }
    }
}

/// Adds what exposes a bug.
fn expose(events: &mut Vec<(Duration, What)>, exposure: &Exposure, clients: usize, dice: &Dice) {
    events.retain(|(_, what)| !exposure.calm || matches!(what, What::Act(..)));
    for often in exposure.faults {
        for _ in 0..often.count {
            let fault = match often.fault {
                Fault::BusAwayFor(_) => Fault::BusAwayFor(dice.below(GATEWAYS)),
                Fault::GatewayKilled(_) => Fault::GatewayKilled(dice.below(GATEWAYS)),
                Fault::GatewayPaused(_) => Fault::GatewayPaused(dice.below(GATEWAYS)),
                Fault::PersisterKilled(_) => Fault::PersisterKilled(dice.below(PERSISTERS)),
                Fault::PersisterPaused(_) => Fault::PersisterPaused(dice.below(PERSISTERS)),
                Fault::PersisterDoomed(_) => Fault::PersisterDoomed(dice.below(PERSISTERS)),
                fault => fault,
            };
            events.push((dice.millis(often.at.0..often.at.1), What::Fault(fault, dice.millis(often.lasts.0..often.lasts.1))));
        }
    }
    for (deed, count) in exposure.deeds {
        for _ in 0..*count {
            let (client, room, gateway) = (dice.below(clients), dice.below(ROOMS), dice.below(GATEWAYS));
            let act = match deed {
                Deed::Send => Act::Send { room, messages: 1 + dice.below(4) },
                Deed::Vote => Act::Vote { room, back: dice.below(2), value: [1, -1, 0][dice.below(3)] },
                Deed::Discard => Act::Discard,
                Deed::Reconnect => Act::Reconnect { gateway, after: dice.millis(0..4_000) },
                Deed::Reload => Act::Reload { gateway },
                Deed::Resubscribe => Act::Resubscribe { room },
                Deed::LeaveAndJoin => Act::LeaveAndJoin { room, after: dice.millis(0..500) },
                Deed::Scroll => Act::Scroll { room },
                Deed::Edit => Act::Edit { room, back: dice.below(8) },
                Deed::SignOut => Act::SignOut,
            };
            // Who signs out does so while there is still much to hear.
            let until = if matches!(act, Act::SignOut) { 8_000 } else { 29_000 };
            events.push((dice.millis(1_000..until), What::Act(client, act)));
        }
    }
    let until = Duration::from_millis(exposure.deeds_until);
    events.retain(|(at, what)| *at < until || matches!(what, What::Fault(..)));
}

fn fault(dice: &Dice) -> What {
    let gateway = dice.below(GATEWAYS);
    let persister = dice.below(PERSISTERS);
    let fault = match dice.number(0..29) {
        0 => Fault::LogSilent,
        1 => Fault::LogSlow,
        2 | 3 => Fault::AppendsUncertain,
        4 => Fault::BusAway,
        5 => Fault::BusAwayFor(gateway),
        6 => Fault::BusCut,
        7 | 8 => Fault::FramesLost,
        9 => Fault::NoticesLost,
        10 => Fault::BusAnswersLost,
        11 | 12 => Fault::BusEmptied,
        13 => Fault::SetEvicted,
        14 => Fault::TailsEvicted,
        15 | 16 => Fault::BusRolledBack { age: dice.millis(50..6_000) },
        17 => Fault::StoreAway,
        18 => Fault::StoreSlow,
        19 => Fault::StoreAnswersLost,
        20 => Fault::StoreRefuses,
        21 | 22 => Fault::GatewayKilled(gateway),
        23 => Fault::GatewayPaused(gateway),
        24 => Fault::PersisterKilled(persister),
        25 | 26 => Fault::PersisterPaused(persister),
        27 => Fault::ConnectionsCut,
        _ => Fault::ClockJumps { seconds: i64::try_from(dice.number(0..600)).unwrap_or_default() - 300 },
    };
    What::Fault(fault, dice.millis(200..8_000))
}

fn act(dice: &Dice) -> Act {
    let room = dice.below(ROOMS);
    let gateway = dice.below(GATEWAYS);
    match dice.number(0..20) {
        0..8 => Act::Send { room, messages: 1 + dice.below(4) },
        8..12 => Act::Vote { room, back: dice.below(4), value: [1, -1, 0][dice.below(3)] },
        12 => Act::Discard,
        13 | 14 => Act::Reconnect { gateway, after: dice.millis(0..4_000) },
        15 => Act::Reload { gateway },
        16 => Act::Resubscribe { room },
        17 | 18 => Act::Scroll { room },
        _ => Act::LeaveAndJoin { room, after: dice.millis(0..2_000) },
    }
}
