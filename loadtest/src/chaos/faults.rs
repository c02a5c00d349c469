//! Faults made real, each with what shows that it was felt.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use parley_cluster::{
    Cluster, Service,
    ports::PortLease,
    product::Persister,
    proxy::{Counted, Trouble as WireTrouble},
};
use parley_engines::log::{
    LogReader,
    kafka::{KafkaConfig, KafkaLog},
};
use parley_proto::{Cursor, PartitionId};
use sqlx::{Connection, PgConnection, Row};
use tokio::time::{Instant, sleep};

use super::schedule::{Fault, Wrong};
use crate::{
    check::Trouble,
    history::{Micros, micros_since},
    verify::Deployment,
};

/// How slow a slow link is.
const LATENCY: Duration = Duration::from_millis(150);
const JITTER: Duration = Duration::from_millis(300);
/// How narrow a narrow one is.
const BYTES_PER_SECOND: u32 = 30_000;
/// A link over which too little goes to feel it stays as it is for so long.
const FELT_WITHIN: Duration = Duration::from_secs(6);
const LOOK: Duration = Duration::from_millis(100);
/// What people say in it is in the log and in Redis before Redis is emptied.
const SAID: Duration = Duration::from_millis(1_500);
/// More persisters in a storm.
const MORE_PERSISTERS: usize = 2;

/// Makes them, one after the other.
#[derive(Debug)]
pub(super) struct Faults<'a> {
    cluster: &'a Cluster,
    log: KafkaLog,
    redis: redis::Client,
    store_url: String,
    folder: PathBuf,
    began: Instant,
    done: Vec<Trouble>,
}

impl<'a> Faults<'a> {
    /// Times will be since `began`.
    pub(super) async fn new(cluster: &'a Cluster, deployment: &Deployment, folder: PathBuf, began: Instant) -> anyhow::Result<Self> {
        let log = KafkaLog::open(KafkaConfig::from_url(&deployment.log_url)?).await?;
        let redis = redis::Client::open(deployment.bus_url.as_str())?;
        Ok(Self { cluster, log, redis, store_url: deployment.store_url.clone(), folder, began, done: Vec::new() })
    }

    pub(super) fn troubles(&self) -> Vec<Trouble> {
        self.done.clone()
    }

    fn now(&self) -> Micros {
        micros_since(self.began, Instant::now())
    }

    /// Makes it, and returns when it is over: the part is whole again.
    pub(super) async fn make(&mut self, fault: &Fault) -> anyhow::Result<Trouble> {
        let began = self.now();
        let (part, kind, effect) = match fault {
            Fault::Kill(part) => (part.as_str(), "kill", self.kill(part).await?),
            Fault::Terminate(part) => (part.as_str(), "terminate", self.terminate(part).await?),
            Fault::Pause { part, hold } => (part.as_str(), "pause", self.pause(part, *hold).await?),
            Fault::Link { link, wrong, hold } => (link.as_str(), wrong.name(), self.link(link, *wrong, *hold).await?),
            Fault::EmptyRedis => ("redis", "empty", self.empty_redis().await?),
            Fault::KillBackend => ("postgres", "kill of a session", self.kill_backend().await?),
            Fault::Rebalance { hold } => ("persisters", "rebalance", self.rebalance(*hold).await?),
            Fault::LogAlone { hold } => return self.log_alone(*hold).await,
        };
        let trouble = Trouble { part: part.to_owned(), kind: kind.to_owned(), began, ended: self.now(), effect, only_in_log: Vec::new() };
        self.done.push(trouble.clone());
        Ok(trouble)
    }

    async fn kill(&self, part: &str) -> anyhow::Result<Option<String>> {
        let service = self.cluster.service(part)?;
        let before = service.pid();
        service.kill9()?;
        service.wait_ready().await?;
        Ok(replaced(service, before))
    }

    async fn terminate(&self, part: &str) -> anyhow::Result<Option<String>> {
        let service = self.cluster.service(part)?;
        let before = service.pid();
        service.terminate().await?;
        service.wait_ready().await?;
        Ok(replaced(service, before))
    }

    async fn pause(&self, part: &str, hold: Duration) -> anyhow::Result<Option<String>> {
        let service = self.cluster.service(part)?;
        let pid = service.pid();
        service.pause()?;
        sleep(hold).await;
        let effect = (service.status().paused && service.pid() == pid).then(|| format!("stopped ({pid:?}) all the time"));
        service.resume()?;
        service.wait_ready().await?;
        Ok(effect)
    }

    async fn link(&self, name: &str, wrong: Wrong, hold: Duration) -> anyhow::Result<Option<String>> {
        let link = self.cluster.link(name)?;
        let before = link.counted();
        link.set(wrong.trouble());
        sleep(hold).await;
        let until = Instant::now() + FELT_WITHIN;
        while wrong.count(link.counted().since(before)) == 0 && Instant::now() < until {
            sleep(LOOK).await;
        }
        let felt = link.counted().since(before);
        link.set(WireTrouble::None);
        let count = wrong.count(felt);
        Ok((count > 0).then(|| format!("{count} {}", wrong.counts())))
    }

    async fn empty_redis(&self) -> anyhow::Result<Option<String>> {
        let mut redis = self.redis.get_multiplexed_async_connection().await?;
        let keys: u64 = redis::cmd("DBSIZE").query_async(&mut redis).await?;
        self.cluster.redis().flush_all().await.map_err(anyhow::Error::msg)?;
        Ok((keys > 0).then(|| format!("{keys} keys were lost")))
    }

    async fn kill_backend(&self) -> anyhow::Result<Option<String>> {
        let pid = self.cluster.postgres().kill_backend()?;
        // The postmaster ends all others before it serves again.
        sleep(Duration::from_millis(100)).await;
        self.cluster.wait_ready("postgres").await?;
        let gone = !std::path::Path::new(&format!("/proc/{pid}")).exists();
        Ok(gone.then(|| format!("session {pid} is gone")))
    }

    async fn rebalance(&self, hold: Duration) -> anyhow::Result<Option<String>> {
        let persisters = self.cluster.persisters();
        let first = persisters.first().context("a persister")?;
        let before = share(first).await;
        let mut more = Vec::new();
        for number in 0..MORE_PERSISTERS {
            let name = format!("persister-more-{number}");
            more.push(self.cluster.product().persister(&self.folder.join(&name), &name, PortLease::free()?)?);
        }
        for persister in &more {
            persister.service.wait_ready().await?;
        }
        sleep(hold).await;
        let meanwhile = share(first).await;
        if let Some(persister) = more.pop() {
            persister.service.kill9()?;
        }
        // Dropped: asked to end, all of them.
        tokio::task::spawn_blocking(move || drop(more)).await?;
        Ok((before != meanwhile).then(|| format!("{} had {before:?} partitions, then {meanwhile:?}", first.service.name())))
    }

    async fn log_alone(&mut self, hold: Duration) -> anyhow::Result<Trouble> {
        let names: Vec<_> = self.cluster.persisters().iter().map(|persister| persister.service.name().to_owned()).collect();
        for name in &names {
            self.cluster.down(name).await?;
        }
        let stored = self.stored().await?;
        sleep(SAID).await;
        let mut only_in_log = Vec::new();
        for (partition, next) in stored {
            // The end before Redis is emptied: what is below is in no tail afterwards.
            only_in_log.push((partition, next, self.log.end(partition).await?));
        }
        only_in_log.retain(|(_, from, to)| from < to);
        self.cluster.redis().flush_all().await.map_err(anyhow::Error::msg)?;
        let began = self.now();
        for link in self.cluster.links().iter().filter(|link| link.name().starts_with("nginx~")) {
            link.set(WireTrouble::Reset);
            sleep(Duration::from_millis(50)).await;
            link.set(WireTrouble::None);
        }
        sleep(hold).await;
        let ended = self.now();
        for name in &names {
            self.cluster.up(name)?;
        }
        for name in &names {
            self.cluster.wait_ready(name).await?;
        }
        let records: u64 = only_in_log.iter().map(|(_, from, to)| to.since(*from)).sum();
        let effect = (records > 0).then(|| format!("{records} records were in the log alone"));
        let trouble = Trouble { part: "persisters and redis".to_owned(), kind: "log alone".to_owned(), began, ended, effect, only_in_log };
        self.done.push(trouble.clone());
        Ok(trouble)
    }

    /// How far each partition is stored.
    async fn stored(&self) -> anyhow::Result<Vec<(PartitionId, Cursor)>> {
        let mut store = PgConnection::connect(&self.store_url).await?;
        let rows = sqlx::query("select partition, next from partitions order by partition").fetch_all(&mut store).await?;
        let row = |row: &sqlx::postgres::PgRow| {
            let (partition, next) = (row.try_get::<i32, _>("partition")?, row.try_get::<i64, _>("next")?);
            anyhow::Ok((PartitionId(u16::try_from(partition)?), Cursor(u64::try_from(next)?)))
        };
        rows.iter().map(row).collect()
    }
}

impl Wrong {
    fn name(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Reset => "reset",
            Self::Slow => "slow",
            Self::Narrow => "narrow",
            Self::HalfClosed => "half close",
        }
    }

    fn trouble(self) -> WireTrouble {
        match self {
            Self::Cut => WireTrouble::Cut,
            Self::Reset => WireTrouble::Reset,
            Self::Slow => WireTrouble::Slow { latency: LATENCY, jitter: JITTER },
            Self::Narrow => WireTrouble::Narrow { bytes_per_second: BYTES_PER_SECOND },
            Self::HalfClosed => WireTrouble::HalfClosed,
        }
    }

    fn count(self, felt: Counted) -> u64 {
        match self {
            Self::Cut => felt.held,
            Self::Reset => felt.resets,
            Self::Slow | Self::Narrow => felt.delayed,
            Self::HalfClosed => felt.half_closed,
        }
    }

    fn counts(self) -> &'static str {
        match self {
            Self::Cut => "pieces or connections were held",
            Self::Reset => "connections were reset",
            Self::Slow | Self::Narrow => "pieces came late",
            Self::HalfClosed => "connections were half closed",
        }
    }
}

/// Another process than before serves.
fn replaced(service: &Service, before: Option<u32>) -> Option<String> {
    let now = service.pid();
    (before.is_some() && now.is_some() && now != before).then(|| format!("process {before:?} was replaced by {now:?}"))
}

/// How many partitions are a persister's, as its own metrics say.
async fn share(persister: &Persister) -> Option<String> {
    let metrics = reqwest::get(format!("http://{}/metrics", persister.admin)).await.ok()?.text().await.ok()?;
    metrics.lines().find_map(|line| line.strip_prefix("parley_persister_share_partitions ")).map(str::to_owned)
}
