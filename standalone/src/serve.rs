//! `parley serve`: from the engines up to the gateway, and down again.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
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
    config::Config,
    running::{self, Running},
    token_key,
};

/// Between two looks at how the persister is doing.
const READINESS_LOOK: Duration = Duration::from_millis(100);

/// Serves until it is told to end. Then the gateway drains, the persister stores what the log has, the log closes; a second signal ends it at once.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = Shutdown::new(config.drain_deadline);
    shutdown.on_signals()?;
    let stopped = shutdown.hard().clone();
    tokio::select! {
        ended = serve_until_drained(config, shutdown) => ended,
        () = stopped.cancelled() => bail!("stopped before everything was drained; what was acked is in the log"),
    }
}

async fn serve_until_drained(mut config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let metrics = install_metrics()?;
    let running = Running::start(&config).await?;
    if !config.token_key_is_set {
        config.gateway.token_key = token_key::load_or_make(&config.log.folder)?;
    }
    let listener = bind(config.gateway.listen, "PARLEY_LISTEN").await?;
    let admin_listener = bind(config.admin_listen, "PARLEY_ADMIN_LISTEN").await?;
    println!("listening on http://{}", listener.local_addr()?);
    println!("admin listener on http://{}", admin_listener.local_addr()?);

    let readiness = Readiness::new();
    tokio::spawn(watch_persister(running.status(), readiness.part("persister")));
    let admin_end = CancellationToken::new();
    let _admin_ends_with_this = admin_end.clone().drop_guard();
    let admin = tokio::spawn(admin::serve(admin_listener, Admin { readiness, metrics, shutdown: shutdown.clone() }, admin_end.clone()));

    let engines = gateway::Engines { log: running.engines.log.clone(), bus: running.engines.bus.clone(), store: running.engines.store.clone() };
    let served = gateway::serve(config.gateway, engines, listener, shutdown.soft().clone()).await;
    shutdown.drain();
    if let Err(error) = running.caught_up().await {
        tracing::warn!(%error, "ending with records that are in the log only; they are stored at the next start");
    }
    running.end().await;
    admin_end.cancel();
    admin.await.context("the admin listener")?.context("the admin listener")?;
    tracing::info!("everything is stored and closed");
    Ok(served?)
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
