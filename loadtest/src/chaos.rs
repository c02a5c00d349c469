//! Chaos: a whole cluster, people who use it, and faults from a seed. At its end everything that was told and everything that was left is checked.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use parley_cluster::{Cluster, ClusterConfig, cluster::Brokers};
use tokio::time::{Instant, sleep};

use self::{
    faults::Faults,
    memory::Memory,
    schedule::{Parts, Step},
};
use crate::{
    check::{Judgement, Limits, Needs, Promise, Trouble, Verdict, judge, trouble},
    history::{self, micros_since},
    people::{Crowd, Talking},
    verify::{Deployment, Report, truth, verify},
};

mod faults;
mod memory;
mod schedule;
mod summary;

pub use self::summary::Summary;

/// After the last fault everything has to be settled within this (G14), times the slack.
const SETTLED: Duration = Duration::from_secs(60);
/// Votes are shown to everybody within this after the last one (G7), times the slack.
const QUIET: Duration = Duration::from_secs(2);
/// Before the first fault.
const WARM_UP: Duration = Duration::from_secs(3);
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For the cluster's data and the histories; it has to be empty or absent.
    pub folder: PathBuf,
    pub seed: u64,
    pub length: Length,
    pub people: usize,
    pub rooms: usize,
    /// Wishes in a second, all together.
    pub rate: f64,
    /// How often a wish is to say something: see [`SAY`](crate::people::SAY).
    pub say: u32,
    pub gateways: usize,
    pub persisters: usize,
    pub brokers: Brokers,
    /// The promised times are multiplied by this.
    pub slack: u32,
    pub parley_bin: Option<PathBuf>,
}

/// How long, and which faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Every component is killed once, and the log is once the only place where messages are.
    Smoke,
    /// A rotation of everything.
    Time(Duration),
}

/// A whole run.
#[derive(Debug)]
pub struct Outcome {
    pub summary: Summary,
    pub judgement: Judgement,
    pub report: Report,
}

impl Outcome {
    pub fn verdict(&self) -> Verdict {
        if self.report.holds() { self.judgement.verdict() } else { Verdict::Invalid }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}", self.report, self.judgement, self.summary)?;
        let verdict = match self.verdict() {
            Verdict::Valid => "VALID",
            Verdict::Invalid => "INVALID",
            Verdict::Unknown => "UNKNOWN",
        };
        writeln!(f, "\n{verdict} (seed {})", self.summary.seed)
    }
}

/// Runs it. Fails only where the run itself could not be made; a broken promise is in the outcome.
pub async fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let histories = plan.folder.join("histories");
    std::fs::create_dir_all(&histories).with_context(|| histories.display().to_string())?;
    let cluster = start(plan).await?;
    let outcome = run_on(plan, &cluster, &histories).await;
    cluster.stop().await;
    outcome
}

async fn start(plan: &Plan) -> anyhow::Result<Cluster> {
    let defaults = ClusterConfig::new(plan.folder.join("cluster"));
    let config = ClusterConfig {
        links: true,
        gateways: plan.gateways,
        persisters: plan.persisters,
        brokers: plan.brokers,
        parley_bin: plan.parley_bin.clone().unwrap_or(defaults.parley_bin.clone()),
        ..defaults
    };
    Ok(Cluster::start(config).await?)
}

async fn run_on(plan: &Plan, cluster: &Cluster, histories: &Path) -> anyhow::Result<Outcome> {
    let began = Instant::now();
    let web = format!("http://{}", cluster.web_addr().context("NGINX")?);
    let deployment = Deployment { log_url: cluster.log_url(), bus_url: cluster.redis().url(), store_url: cluster.postgres().url() };
    // Most come through NGINX; some know a gateway, and stay when NGINX goes.
    let mut socket_urls = vec![web.clone(); 4];
    socket_urls.extend(cluster.gateways().iter().map(|gateway| format!("http://{}", gateway.addr)));
    let Plan { people, rooms, rate, say, seed, .. } = *plan;
    let crowd = Crowd { url: web, socket_urls, people, rooms, rooms_each: rooms.min(3), rate, say, seed };
    let talking = crowd.start(histories, began).await?;
    println!("{} people talk in {} rooms; seed {}", plan.people, plan.rooms, plan.seed);
    let mut faults = Faults::new(cluster, &deployment, plan.folder.clone(), began).await?;
    let mut memory = Memory::default();
    let disturbing = disturb(plan, cluster, &mut faults);
    tokio::select! {
        done = disturbing => done?,
        never = watch(cluster, &talking, &mut memory, began) => never,
    }
    let troubles = faults.troubles();
    trouble::write(histories, &troubles)?;
    let ended = Instant::now();
    let settled = talking.settle(SETTLED * plan.slack).await;
    let report = verify(&deployment, (SETTLED * plan.slack).saturating_sub(ended.elapsed()).max(Duration::from_secs(1))).await?;
    let settled_after = ended.elapsed();
    sleep(QUIET * plan.slack).await;
    let counters = talking.counters.clone();
    talking.end().await?;
    let limits = Limits::promised(plan.slack).beside(&troubles);
    let truth = truth(&deployment).await?;
    let files = history::files(histories)?;
    let checking = Instant::now();
    let read = || files.iter().map(|path| history::read(path)).collect();
    let mut judgement = judge(read, &truth, &troubles, &limits, &needs(plan.length))?;
    judgement.findings.that(Promise::Whole, settled, || format!("something that was begun was not settled {:?} after the last fault", SETTLED * plan.slack));
    memory.judge(&mut judgement.findings);
    let summary = Summary::new(plan.seed, ended.duration_since(began), &troubles, &counters, settled_after, memory.most(), truth.records, checking.elapsed());
    Ok(Outcome { summary, judgement, report })
}

async fn disturb(plan: &Plan, cluster: &Cluster, faults: &mut Faults<'_>) -> anyhow::Result<()> {
    let parts = Parts::of(cluster);
    let steps = match plan.length {
        Length::Smoke => schedule::smoke(plan.seed, &parts),
        Length::Time(time) => schedule::rotation(plan.seed, &parts, time),
    };
    let until = match plan.length {
        Length::Smoke => None,
        Length::Time(time) => Some(Instant::now() + time),
    };
    sleep(WARM_UP).await;
    for Step { calm, fault } in steps {
        if until.is_some_and(|until| Instant::now() + calm >= until) {
            break;
        }
        sleep(calm).await;
        let trouble = faults.make(&fault).await.with_context(|| format!("{fault:?}"))?;
        let Trouble { part, kind, began, ended, effect, .. } = &trouble;
        println!("{:>7.1} s  {kind} of {part} for {:.1} s: {}", *began as f64 / 1e6, (*ended - *began) as f64 / 1e6, effect.as_deref().unwrap_or("NO EFFECT"));
    }
    // The last fault's recovery is looked at, too.
    sleep(WARM_UP).await;
    Ok(())
}

/// Says how it goes, and how much memory is taken.
async fn watch(cluster: &Cluster, talking: &Talking, memory: &mut Memory, began: Instant) -> ! {
    use std::sync::atomic::Ordering::Relaxed;
    let mut told = Instant::now();
    loop {
        sleep(Duration::from_secs(1)).await;
        memory.look(cluster);
        if told.elapsed() >= PROGRESS {
            told = Instant::now();
            let counters = &talking.counters;
            println!(
                "{:>7.1} s  {} acked, {} rejected, {} unknown, {} lines shown, {} subscribes, {} resumes",
                micros_since(began, told) as f64 / 1e6,
                counters.acked.load(Relaxed),
                counters.rejected.load(Relaxed),
                counters.unknown.load(Relaxed),
                counters.received.load(Relaxed),
                counters.subscribed.load(Relaxed),
                counters.resumed.load(Relaxed)
            );
        }
    }
}

/// What a run of this length reaches if it is worth anything.
fn needs(length: Length) -> Needs {
    let minutes = match length {
        Length::Smoke => 1,
        Length::Time(time) => (time.as_secs() / 60).max(1),
    };
    Needs {
        acked: 500 * minutes,
        votes: 50 * minutes,
        retried: 1,
        subscribes: 30 * minutes,
        resumes: 20 * minutes,
        leaves: minutes,
        sign_outs: minutes / 3,
        from_log_alone: 1,
    }
}

/// How often each kind of fault was felt, by part.
pub(crate) fn felt(troubles: &[Trouble]) -> BTreeMap<(String, String), (u64, u64)> {
    let mut felt: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for trouble in troubles {
        let (times, with_effect) = felt.entry((trouble.part.clone(), trouble.kind.clone())).or_default();
        *times += 1;
        *with_effect += u64::from(trouble.effect.is_some());
    }
    felt
}
