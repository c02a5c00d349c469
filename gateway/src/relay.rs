//! The relay: reads the log in order and publishes it to the bus.
//!
//! Per partition one task, in the role that [`roles`] gives. Publishing is a compare-and-set on the bus' `next`, so two relays, a zombie, a lost reply,
//! an emptied or rolled-back bus are all harmless: what is published is a function of the log, and only from where the last publish ended.

mod batch;
mod pace;
pub(crate) mod roles;

use std::{sync::Arc, time::Duration};

use parley_engines::{
    bus::{Beat, Bus, BusUnavailable, Incarnation, Published},
    log::{
        Log, LogError, LogFollower, ReadMax,
        folding::{FoldError, judge},
    },
};
use parley_proto::{
    Cursor, PartitionId,
    fold::Fold,
    planted::{PlantedBug, planted},
};
use tokio::{sync::watch, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::metrics;
use batch::Pending;
use pace::Pace;
use roles::Role;

/// With nothing to publish, an empty publish notices a bus that went back.
const IDLE_LOOK: Duration = Duration::from_millis(250);
/// A standby publishes when `next` is below its own read cursor and has not moved for this long.
const STANDSTILL: Duration = Duration::from_millis(750);
/// A relay that is twice told that another one was ahead leaves the partition to it for this long.
const YIELD: Duration = Duration::from_secs(2);
/// Records read and not yet published, at most.
const PENDING_MAX: usize = 4_096;
/// Between attempts while the bus or the log is away.
const RETRY: Duration = Duration::from_millis(100);
/// While the log is away each partition says so at its first attempt, and again after this.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// How often a standby looks at the bus.
const STANDBY_LOOK: Duration = Duration::from_millis(250);

/// Starts the relays of all partitions; they stop with `stop`.
pub(crate) fn start(tasks: &TaskTracker, log: &Arc<dyn Log>, bus: &Arc<dyn Bus>, gateway: &str, live: &watch::Receiver<Vec<String>>, stop: &CancellationToken) {
    for partition in (0..log.partitions()).map(PartitionId) {
        let relay = Relay { partition, log: Arc::clone(log), bus: Arc::clone(bus), gateway: gateway.to_owned(), live: live.clone(), said_away: None };
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::select! {
                () = relay.run() => {}
                () = stop.cancelled() => {}
            }
        });
    }
}

struct Relay {
    partition: PartitionId,
    log: Arc<dyn Log>,
    bus: Arc<dyn Bus>,
    gateway: String,
    live: watch::Receiver<Vec<String>>,
    /// When it last said that the log is away.
    said_away: Option<Instant>,
}

/// Why a turn of the relay ended.
enum Ended {
    /// The gateway's role is another one now.
    RoleChanged,
    /// The bus has no state (any more): seed it.
    Unseeded,
    /// The bus' `next` is where this relay can't go on from: begin there.
    Restart,
    /// Another relay is ahead.
    Yield,
    Log(LogError),
    /// Nothing may be skipped.
    Newer(u8),
}

impl From<FoldError> for Ended {
    fn from(error: FoldError) -> Self {
        match error {
            FoldError::Log(error) => Self::Log(error),
            FoldError::Newer(version) => Self::Newer(version),
        }
    }
}

impl Relay {
    fn role(&self) -> Role {
        roles::role(self.partition, &self.gateway, &self.live.borrow())
    }

    async fn run(mut self) {
        loop {
            if self.role() == Role::Idle {
                if self.live.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let Some(next) = self.bus_next().await else { continue };
            match self.turn(next).await {
                Ended::RoleChanged | Ended::Unseeded | Ended::Restart => {}
                Ended::Yield => tokio::time::sleep(YIELD).await,
                Ended::Log(error) => self.log_is_away(&error).await,
                Ended::Newer(version) => {
                    metrics::relay_stopped(self.partition);
                    tracing::error!(partition = self.partition.0, version, "relay.newer_record: this partition's live delivery stops; upgrade this gateway");
                    return;
                }
            }
        }
    }

    /// Where the next publish has to begin; seeds a bus without state at the log's end. `None`: not known yet.
    async fn bus_next(&mut self) -> Option<Cursor> {
        match self.bus.beat(self.partition, Cursor::LIMIT).await {
            Ok(Beat::State { next, .. }) => return Some(next),
            Ok(Beat::Unseeded) => {}
            Err(error) => {
                tracing::debug!(partition = self.partition.0, %error, "relay.bus");
                tokio::time::sleep(RETRY).await;
                return None;
            }
        }
        // The end is read after the bus was seen without state: nothing that was published before is above it.
        match self.log.end(self.partition).await {
            Ok(end) => match self.bus.seed(self.partition, end, Incarnation(rand::random_range(1..1 << 53)), None).await {
                Ok(seeded) => {
                    if seeded {
                        metrics::relay_seeded();
                        tracing::debug!(partition = self.partition.0, %end, "relay.seeded");
                    }
                }
                Err(error) => {
                    tracing::debug!(partition = self.partition.0, %error, "relay.seed");
                    tokio::time::sleep(RETRY).await;
                }
            },
            Err(error) => self.log_is_away(&error).await,
        }
        None
    }

    /// Before the next attempt.
    async fn log_is_away(&mut self, error: &LogError) {
        if self.said_away.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            self.said_away = Some(Instant::now());
            tracing::warn!(partition = self.partition.0, %error, "relay.log");
        } else {
            tracing::debug!(partition = self.partition.0, %error, "relay.log");
        }
        tokio::time::sleep(RETRY).await;
    }

    /// Publishes from `next` on until something changes.
    async fn turn(&mut self, next: Cursor) -> Ended {
        let mut fold = Fold::new(self.partition, next);
        let mut follower = self.log.follow(self.partition, next);
        let mut pending = Pending::new(next);
        let mut pace = Pace::default();
        let mut outrun = 0;
        let mut watch = Standstill::new(next);
        loop {
            let role = self.role();
            if role == Role::Idle {
                return Ended::RoleChanged;
            }
            if let Err(ended) = self.fill(&mut *follower, &mut fold, &mut pending, role, &pace).await {
                return ended;
            }
            if pending.len() == 0 && planted(PlantedBug::IdleRelaySilent) {
                continue;
            }
            if role == Role::Standby {
                match self.stands_still(&mut watch, &mut pending).await {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(ended) => return ended,
                }
            }
            let cut = pending.cut();
            let (from, to) = (cut.from, cut.to);
            let (answer, lost) = self.publish(cut).await;
            match answer {
                Published::Ok => {
                    outrun = 0;
                    pending.published(to);
                    watch = Standstill::new(to);
                    pace.published(to.since(from), Instant::now());
                    metrics::relay_published(to.since(from));
                }
                Published::Unseeded => return Ended::Unseeded,
                Published::Moved { next, .. } if next < pending.from() || next > pending.end() => {
                    if next >= to && !lost {
                        outrun += 1;
                        if outrun >= 2 && role == Role::Primary {
                            return Ended::Yield;
                        }
                    }
                    return Ended::Restart;
                }
                Published::Moved { next, .. } => {
                    if next >= to && to > from && !lost {
                        outrun += 1;
                        if outrun >= 2 {
                            return Ended::Yield;
                        }
                    }
                    pending.published(next);
                }
            }
        }
    }

    /// Reads on if there is room, but not for longer than an idle look may wait. Where much is said, it lets more come before that is published.
    async fn fill(&self, follower: &mut dyn LogFollower, fold: &mut Fold, pending: &mut Pending, role: Role, pace: &Pace) -> Result<(), Ended> {
        if pending.len() >= PENDING_MAX {
            if role == Role::Standby {
                tokio::time::sleep(STANDBY_LOOK).await;
            }
            return Ok(());
        }
        let wait = match (role, pending.len()) {
            (Role::Standby, _) => STANDBY_LOOK,
            (_, 0) => IDLE_LOOK,
            _ => return Ok(()),
        };
        let came = self.read(follower, fold, pending, Instant::now() + wait).await?;
        if !came || role != Role::Primary || !pace.lingers(Instant::now()) {
            return Ok(());
        }
        let until = Instant::now() + pace::LINGER;
        while pending.len() < PENDING_MAX && self.read(follower, fold, pending, until).await? {}
        Ok(())
    }

    /// Whether something came in time.
    async fn read(&self, follower: &mut dyn LogFollower, fold: &mut Fold, pending: &mut Pending, until: Instant) -> Result<bool, Ended> {
        let records = match tokio::time::timeout_at(until, follower.next(ReadMax::default())).await {
            Err(_) => return Ok(false),
            Ok(Err(error)) => return Err(Ended::Log(error)),
            Ok(Ok(records)) => records,
        };
        for record in &records {
            let verdict = judge(fold, &*self.log, self.partition, record).await?;
            pending.push(record.position, &verdict);
        }
        Ok(true)
    }

    /// Whether a standby has to publish: the bus' `next` is below what it has read and has not moved for a while.
    async fn stands_still(&self, watch: &mut Standstill, pending: &mut Pending) -> Result<bool, Ended> {
        match self.bus.beat(self.partition, Cursor::LIMIT).await {
            Ok(Beat::Unseeded) => Err(Ended::Unseeded),
            Ok(Beat::State { next, .. }) if next < pending.from() || next > pending.end() => Err(Ended::Restart),
            Ok(Beat::State { next, .. }) => {
                pending.published(next);
                Ok(watch.lasts(next) && next < pending.end())
            }
            Err(error) => {
                tracing::debug!(partition = self.partition.0, %error, "relay.standby");
                Ok(false)
            }
        }
    }

    /// The same call again until there is an answer. A lost reply is harmless: the call may have taken effect, then the next one is told `moved`.
    async fn publish(&self, cut: batch::Cut) -> (Published, bool) {
        let mut lost = false;
        loop {
            match self.bus.publish(self.partition, cut.from, cut.to, cut.rooms.clone()).await {
                Ok(answer) => return (answer, lost),
                Err(BusUnavailable(reason)) => {
                    tracing::debug!(partition = self.partition.0, reason, "relay.publish");
                    lost = true;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

/// How long the bus' `next` has not moved.
struct Standstill {
    next: Cursor,
    since: Instant,
}

impl Standstill {
    fn new(next: Cursor) -> Self {
        Self { next, since: Instant::now() }
    }

    fn lasts(&mut self, next: Cursor) -> bool {
        if next != self.next {
            *self = Self::new(next);
        }
        self.since.elapsed() >= STANDSTILL
    }
}
