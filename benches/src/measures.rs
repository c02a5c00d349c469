//! The measures, one file each. Each runs the product and its limit in turn, round by round, in one run.

use std::path::PathBuf;

use tokio::runtime::Runtime;

use crate::report::Measured;

mod ack;
mod counts;
mod delivery;
mod growth;
mod idle;
mod path;
mod persist;
mod producer;
mod publish;
mod reach;
mod rooms;
mod sign_in;
mod votes;

/// A measure: its name for `ONLY=`, its title, and how it is run.
#[derive(Debug)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) run: fn(&Context) -> anyhow::Result<Measured>,
}

/// What measures have in common.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) runtime: Runtime,
    /// For their data; it is gone with the run.
    pub(crate) folder: PathBuf,
    pub(crate) scale: Scale,
    /// Rows of the large history, at full scale.
    pub(crate) history: usize,
}

/// How large everything is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// As the figures are promised.
    Full,
    /// Small and short: to see that the benchmark itself works. Its figures are not kept.
    Small,
}

impl Scale {
    pub(crate) fn of<T>(self, full: T, small: T) -> T {
        match self {
            Self::Full => full,
            Self::Small => small,
        }
    }
}

pub(crate) const ALL: &[Measure] = &[
    Measure { name: "delivery", title: "CPU per delivery, one room of 1 000 members", run: delivery::run },
    Measure { name: "counts", title: "Instructions and system calls per delivery, which noise can't move", run: counts::run },
    Measure { name: "persist", title: "Persisted rows a second, draining a backlog of 1 000 000 in one partition", run: persist::one },
    Measure { name: "persist-16", title: "The same in 16 partitions", run: persist::sixteen },
    Measure { name: "votes", title: "Persisted votes a second, nine of ten on what was voted on before", run: votes::run },
    Measure { name: "ack", title: "Send to ack, beside a bare producer", run: ack::run },
    Measure { name: "reach", title: "Send to the last of 1 000 members, and with some of them stalled", run: reach::run },
    Measure { name: "rooms", title: "CPU per delivery in rooms of 10 and of 100, beside bare PUBLISH", run: rooms::run },
    Measure { name: "path", title: "CPU per delivery of the whole path with NGINX, one room of 1 000 members", run: path::run },
    Measure { name: "producer", title: "CPU of the producer for each message, beside a bare producer", run: producer::run },
    Measure { name: "publish", title: "CPU of Redis for each publish, beside plain PUBLISH", run: publish::run },
    Measure { name: "growth-rooms", title: "From one room to 100 000: CPU per delivery and memory, beside the limit's own growth", run: growth::rooms::run },
    Measure { name: "growth-members", title: "From 10 members to 9 500: CPU per delivery", run: growth::members::run },
    Measure { name: "growth-history", title: "From 10 000 stored rows upwards: adding rows, and reading pages", run: growth::history::run },
    Measure { name: "growth-backlog", title: "From no backlog to 1 000 000 records: send to ack while it is drained", run: growth::backlog::run },
    Measure { name: "sign-in", title: "Refused sign-ins: whether their time tells if there is such a person", run: sign_in::run },
    Measure { name: "idle", title: "Sockets that do nothing: 9 000 in two rooms", run: idle::run },
];
