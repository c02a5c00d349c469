//! What the gateways are told: a notice after each commit, and a tick that says where the store is.

use parley_engines::bus::{Bus, Channel};
use parley_proto::notice::Notice;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{consume::Shared, metrics};

/// Told or not: a gateway that misses one asks the store.
pub(crate) async fn send(bus: &dyn Bus, notice: &Notice) {
    let payload = match serde_json::to_vec(notice) {
        Ok(payload) => payload,
        Err(error) => return tracing::error!(%error, "a notice can't be written"),
    };
    if let Err(error) = bus.announce(Channel::Notices(notice.partition), payload.into()).await {
        tracing::debug!(notice.partition = notice.partition.0, %error, "a notice reached nobody");
    }
}

/// Each second: the `next` of each partition of the share, as just read from the store, and how far it lags behind the log.
pub(crate) async fn tick(shared: Shared) {
    let mut ticks = interval(shared.config.tick_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        // Only what is away makes this slow, and then there is nothing to tell.
        let _ = timeout(shared.config.tick_interval, tick_once(&shared)).await;
    }
}

async fn tick_once(shared: &Shared) {
    let states = match shared.store.partitions().await {
        Ok(states) => states,
        Err(error) => return tracing::debug!(%error, "no tick: the store is away"),
    };
    for state in states.into_iter().filter(|state| shared.status.has(state.partition)) {
        let next = state.next;
        send(&*shared.bus, &Notice::tick(state.partition, next)).await;
        if let Ok(end) = shared.log.end(state.partition).await {
            metrics::lag(state.partition, end.since(next));
        }
    }
}
