//! What the gateways are told: a notice after each commit, and a tick that says where the store is.

use futures::future::join_all;
use parley_engines::bus::{Bus, Channel};
use parley_proto::{Cursor, PartitionId, notice::Notice};
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
        // Only a store or a bus that is away makes this slow, and then there is nothing to tell.
        let Ok(Some(share)) = timeout(shared.config.tick_interval, tell_share(&shared)).await else { continue };
        // What the gateways are told does not wait for a log that is away.
        let lags = join_all(share.into_iter().map(|(partition, next)| tell_lag(&shared, partition, next)));
        let _ = timeout(shared.config.tick_interval, lags).await;
    }
}

/// Tells where each partition of the share is; `None`: the store is away.
async fn tell_share(shared: &Shared) -> Option<Vec<(PartitionId, Cursor)>> {
    let states = match shared.store.partitions().await {
        Ok(states) => states,
        Err(error) => {
            tracing::debug!(%error, "no tick: the store is away");
            return None;
        }
    };
    let share: Vec<_> = states.into_iter().filter(|state| shared.status.has(state.partition)).map(|state| (state.partition, state.next)).collect();
    for (partition, next) in &share {
        send(&*shared.bus, &Notice::tick(*partition, *next)).await;
    }
    Some(share)
}

async fn tell_lag(shared: &Shared, partition: PartitionId, next: Cursor) {
    if let Ok(end) = shared.log.end(partition).await {
        metrics::lag(partition, end.since(next));
    }
}
