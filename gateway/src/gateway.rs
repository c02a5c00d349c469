//! A gateway from start to end: put together, serve, drain.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::serve::{Listener, ListenerExt};
use parley_engines::{bus::Bus, log::Log, store::Store};
use parley_proto::LogId;
use thiserror::Error;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    chat::Chat,
    config::GatewayConfig,
    ends::Ends,
    http::{self, AppParts, AppState},
    hub::{Hub, HubParts},
    limits::Limits,
    passwords::HashError,
    peer::{Peer, Wired},
    presence::Presence,
    profiles::Profiles,
    reader::Reader,
    relay,
    rights::Rights,
    session::{Shared, Sockets},
    subscribe::Subscriber,
};

/// How often a gateway that starts before the store has partitions looks again.
const PARTITIONS_LOOK: Duration = Duration::from_millis(100);
/// A start waits no longer for a log that does not answer.
const WARM_UP_MAX: Duration = Duration::from_millis(500);
/// How long sockets may take to leave when the gateway drains.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// What a gateway works on.
#[derive(Debug, Clone)]
pub struct Engines {
    pub log: Arc<dyn Log>,
    pub bus: Arc<dyn Bus>,
    pub store: Arc<dyn Store>,
}

/// Why a gateway ended.
#[derive(Debug, Error)]
pub enum GatewayError {
    #[error("serving: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Serves on `listener` until `drain`: then no new sockets, those that are there are told where to go, and what was acked is safe in the log anyway.
///
/// # Errors
/// If the listener breaks.
pub async fn serve(config: GatewayConfig, engines: Engines, listener: TcpListener, drain: CancellationToken) -> Result<(), GatewayError> {
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "gateway.nodelay");
        }
    });
    serve_on(config, engines, listener, drain).await
}

/// The same on any kind of connection: the simulation's are in memory.
///
/// # Errors
/// If the listener breaks.
pub async fn serve_on<L>(config: GatewayConfig, engines: Engines, listener: L, drain: CancellationToken) -> Result<(), GatewayError>
where
    L: Listener<Addr = SocketAddr>,
{
    let Engines { log, bus, store } = engines;
    let Some(log_id) = log_id(&store, &drain).await else { return Ok(()) };
    let (background, sockets) = (TaskTracker::new(), TaskTracker::new());
    let stop = CancellationToken::new();
    let _stopped_with_this = stop.clone().drop_guard();

    let (live, watch_live) = watch::channel(vec![config.gateway.clone()]);
    background.spawn(relay::roles::keep_lease(Arc::clone(&bus), config.gateway.clone(), live, stop.clone()));
    relay::start(&background, &log, &bus, &config.gateway, &watch_live, &stop);

    let ends = Ends::new(Arc::clone(&log));
    // Whoever comes first would wait until the log's client has asked each partition's leader for the first time.
    let _ = tokio::time::timeout(WARM_UP_MAX, ends.all_fresh()).await;
    let reader = Reader::new(Arc::clone(&log), Arc::clone(&bus), Arc::clone(&store));
    let rights = Rights::new(Arc::clone(&store));
    let profiles = Profiles::new(Arc::clone(&store));
    let limits = Limits::new(config.limits, Arc::clone(&bus) as _, &config.gateway);
    limits.start(&background, &stop);
    let chat = Chat::new(Arc::clone(&log), Arc::clone(&store), reader.clone(), ends.clone(), rights.clone(), limits.clone());

    let presence = Presence::new(Arc::clone(&bus) as _, Arc::clone(&store), &limits);
    background.spawn(presence.clone().keep(stop.clone()));

    let (name, socket_limits) = (config.gateway.clone(), config.sockets);
    let state = AppState::new(AppParts {
        config: Arc::new(config),
        store: Arc::clone(&store),
        bus: Arc::clone(&bus),
        chat: chat.clone(),
        rights: rights.clone(),
        profiles: profiles.clone(),
        limits: limits.clone(),
        presence: presence.clone(),
    })?;
    let hub = HubParts {
        bus,
        store: Arc::clone(&store),
        partitions: log.partitions(),
        reader: reader.clone(),
        ends: ends.clone(),
        presence,
        rights: rights.clone(),
        sessions: state.accounts.sessions().clone(),
        revocations: state.revocations.clone(),
    };
    let hub = Hub::start(&background, hub, &stop);
    let shared = Shared {
        hub: hub.clone(),
        chat,
        subscriber: Subscriber { reader, ends, store: Arc::clone(&store) },
        profiles,
        rights,
        sessions: state.accounts.sessions().clone(),
        store,
        signer: state.signer.derive("resume"),
        log_id,
        gateway: name,
        limits: socket_limits,
        personal: limits,
        tasks: sockets.clone(),
        drain: drain.clone(),
    };
    let router = http::router(state, http::socket::route(Sockets::new(shared)));
    let router = router.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(Wired(listener), router).with_graceful_shutdown(drain.clone().cancelled_owned()).into_future();
    // Requests that never end don't hold up the drain.
    let served = tokio::select! {
        served = serving => served,
        () = async { drain.cancelled().await; tokio::time::sleep(DRAIN_DEADLINE).await } => Ok(()),
    };

    sockets.close();
    if tokio::time::timeout(DRAIN_DEADLINE, sockets.wait()).await.is_err() {
        tracing::warn!(sockets = hub.sockets(), "gateway.drain.deadline");
    }
    stop.cancel();
    background.close();
    background.wait().await;
    tracing::info!("gateway.stopped");
    Ok(served?)
}

/// The log that the store's rows are of; waits for the persister to say it. `None`: drained before.
async fn log_id(store: &Arc<dyn Store>, drain: &CancellationToken) -> Option<LogId> {
    loop {
        match store.partitions().await {
            Ok(partitions) => {
                if let Some(state) = partitions.first() {
                    return Some(state.log_id);
                }
            }
            Err(error) => tracing::warn!(%error, "gateway.partitions"),
        }
        tokio::select! {
            () = tokio::time::sleep(PARTITIONS_LOOK) => {}
            () = drain.cancelled() => return None,
        }
    }
}
