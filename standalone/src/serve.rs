//! `parley serve`: from the engines up to the gateway, and down again.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use parley_engines::store::{Store, projection::Phase};
use parley_gateway::gateway;
use parley_persister::PersisterStatus;
use parley_runtime::{
    admin::{self, Admin, Part, Readiness},
    metrics::{self, Buckets, Metrics},
    shutdown::Shutdown,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, LogUrl},
    engines::{self, Engines},
    obstacles::Obstacles,
    running::{self, Running},
    token_key,
};

/// Between two looks at how the persister is doing.
const READINESS_LOOK: Duration = Duration::from_millis(100);

/// Which parts run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Roles {
    /// Gateway and persister, on any engines.
    Both,
    /// A gateway beside others; the persister runs elsewhere.
    Gateway,
    /// A persister beside gateways.
    Persister,
}

/// Serves until it is told to end. Then the gateway drains, the persister stores what an embedded log has, the log closes; a second signal ends it at once.
pub(crate) async fn serve(config: Config, roles: Roles) -> anyhow::Result<()> {
    if roles != Roles::Both {
        engines::ensure_shared(&config)?;
    }
    let shutdown = Shutdown::new(config.drain_deadline);
    shutdown.on_signals()?;
    let stopped = shutdown.hard().clone();
    tokio::select! {
        ended = serve_until_drained(config, roles, shutdown) => ended,
        () = stopped.cancelled() => bail!("stopped before everything was drained; what was acked is in the log"),
    }
}

async fn serve_until_drained(mut config: Config, roles: Roles, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = install_metrics()?;
    let Start { engines, admin_listener, listener } = Start::prepare(&config, roles).await?;
    if listener.is_some() && !config.token_key_is_set {
        config.gateway.token_key = token_key::load_or_make(&config.log.folder)?;
    }

    let ports = gateway::Engines { log: engines.log.clone(), bus: engines.bus.clone(), store: engines.store.clone() };
    let readiness = Readiness::new();
    let backend = Backend::start(engines, roles, &config, &readiness);
    let admin_end = CancellationToken::new();
    let _admin_ends_with_this = admin_end.clone().drop_guard();
    if let Some(listener) = &listener {
        say_where("listening", listener)?;
    }
    say_where("admin listener", &admin_listener)?;
    let admin = Admin { readiness, metrics, shutdown: shutdown.clone() };
    let admin = tokio::spawn(admin::serve(admin_listener, admin, admin_end.clone()));

    let served = match listener {
        Some(listener) => gateway::serve(config.gateway, ports, listener, shutdown.soft().clone()).await,
        None => {
            shutdown.soft().cancelled().await;
            Ok(())
        }
    };
    // A gateway that failed takes its persister along.
    shutdown.drain();
    backend.end(roles, &config.log_url).await;
    admin_end.cancel();
    admin.await.context("the admin listener")?.context("the admin listener")?;
    tracing::info!("everything is stored and closed");
    Ok(served?)
}

/// What a process has to have before it serves.
#[derive(Debug)]
struct Start {
    engines: Engines,
    admin_listener: TcpListener,
    /// `None` where no gateway is to run.
    listener: Option<TcpListener>,
}

impl Start {
    /// Fails with everything that is in the way.
    async fn prepare(config: &Config, roles: Roles) -> Result<Self, Obstacles> {
        let mut obstacles = Obstacles::default();
        if roles == Roles::Gateway && !config.token_key_is_set {
            obstacles.note::<()>(Err(anyhow!("PARLEY_TOKEN_KEY is not set: gateways beside each other share one")));
        }
        let engines = obstacles.note_all(Engines::open(config).await);
        let admin_listener = obstacles.note(bind(config.admin_listen, "PARLEY_ADMIN_LISTEN").await);
        let listener = match roles {
            Roles::Persister => None,
            Roles::Both | Roles::Gateway => obstacles.note(bind(config.gateway.listen, "PARLEY_LISTEN").await),
        };
        match (engines, admin_listener) {
            (Some(engines), Some(admin_listener)) if obstacles.is_empty() => Ok(Self { engines, admin_listener, listener }),
            (engines, _) => {
                if let Some(engines) = engines {
                    engines.close().await;
                }
                Err(obstacles)
            }
        }
    }
}

/// What is behind a gateway in this process.
#[derive(Debug)]
enum Backend {
    /// Engines alone: the persister runs elsewhere.
    Engines(Engines),
    Persisted(Running),
}

impl Backend {
    fn start(engines: Engines, roles: Roles, config: &Config, readiness: &Readiness) -> Self {
        if roles == Roles::Gateway {
            tokio::spawn(watch_store(engines.store.clone(), readiness.part("store")));
            return Self::Engines(engines);
        }
        let running = Running::start(engines, config);
        if let Some(status) = running.status() {
            tokio::spawn(watch_persister(status, readiness.part("persister")));
        }
        Self::Persisted(running)
    }

    async fn end(self, roles: Roles, log: &LogUrl) {
        match self {
            Self::Engines(engines) => engines.close().await,
            Self::Persisted(running) => {
                // What others append to a shared log is for their persisters as well.
                if roles == Roles::Both
                    && *log == LogUrl::Embedded
                    && let Err(error) = running.caught_up().await
                {
                    tracing::warn!(%error, "ending with records that are in the log only; they are stored at the next start");
                }
                running.end().await;
            }
        }
    }
}

/// On standard output, for people and for whoever started the process on port 0.
fn say_where(what: &str, listener: &TcpListener) -> anyhow::Result<()> {
    println!("{what} on http://{}", listener.local_addr()?);
    Ok(())
}

/// Not ready until the store has said once that partitions are open; a store that goes later takes nothing away from those who are here.
async fn watch_store(store: Arc<dyn Store>, part: Part) {
    loop {
        match store.partitions().await {
            Ok(partitions) if !partitions.is_empty() && partitions.iter().all(|state| state.phase == Phase::Open) => return part.ready(),
            Ok(_) => part.not_ready("partitions are being opened"),
            Err(error) => part.not_ready(error.to_string()),
        }
        tokio::time::sleep(READINESS_LOOK).await;
    }
}

fn install_metrics() -> anyhow::Result<Metrics> {
    let counted = [parley_engines::log::metrics::COMMIT_RECORDS, parley_persister::metrics::BATCH_RECORDS];
    let metrics = metrics::install(&counted.map(|histogram| Buckets { histogram, bounds: &metrics::COUNTS }))?;
    parley_engines::log::metrics::describe();
    parley_engines::bus::metrics::describe();
    parley_gateway::metrics::describe();
    parley_persister::metrics::describe();
    Ok(metrics)
}

async fn bind(address: SocketAddr, setting: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{setting}: {address} can't be had; is it another program's? Choose another port"))
}

/// Not ready while a partition opens or has stopped.
async fn watch_persister(status: PersisterStatus, part: Part) {
    loop {
        let stopped = status.stopped();
        if !stopped.is_empty() {
            part.not_ready(running::name_stopped(&stopped));
        } else if status.is_ready() {
            part.ready();
        } else {
            part.not_ready("partitions are being opened");
        }
        tokio::time::sleep(READINESS_LOOK).await;
    }
}
