//! Who relays what: by rendezvous hash of (partition, live gateway). A wrong idea of the role costs work, never correctness.

use std::{sync::Arc, time::Duration};

use parley_engines::bus::Bus;
use parley_proto::PartitionId;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A gateway that does not renew its lease for this long is taken for dead.
const LEASE: Duration = Duration::from_secs(2);
/// How often a lease is renewed.
const RENEWAL: Duration = Duration::from_millis(500);

/// A gateway's part in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Publishes.
    Primary,
    /// Follows and holds encoded frames; publishes when the bus stands still.
    Standby,
    Idle,
}

/// The part of `gateway` in `partition` while `live` are alive.
pub(crate) fn role(partition: PartitionId, gateway: &str, live: &[String]) -> Role {
    let weight = |name: &str| Sha256::new().chain_update(partition.0.to_be_bytes()).chain_update(name.as_bytes()).finalize();
    let mine = weight(gateway);
    match live.iter().filter(|name| name.as_str() != gateway && weight(name) > mine).count() {
        0 => Role::Primary,
        1 => Role::Standby,
        _ => Role::Idle,
    }
}

/// Renews this gateway's lease until `stop`, and tells who is alive. While the bus is away everybody keeps the role they have.
pub(crate) async fn keep_lease(bus: Arc<dyn Bus>, gateway: String, live: watch::Sender<Vec<String>>, stop: CancellationToken) {
    let mut renewal = tokio::time::interval(RENEWAL);
    renewal.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = renewal.tick() => {}
            () = stop.cancelled() => {
                if let Err(error) = bus.remove_gateway(&gateway).await {
                    tracing::debug!(%error, "relay.lease.remove");
                }
                return;
            }
        }
        match bus.renew_gateway(&gateway, LEASE).await {
            Ok(names) => {
                live.send_if_modified(|current| {
                    let changed = *current != names;
                    *current = names;
                    changed
                });
            }
            Err(error) => tracing::debug!(%error, "relay.lease.renew"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_one_primary_and_one_standby_and_a_death_moves_only_its_own() {
        let live: Vec<String> = ["a", "b", "c"].map(String::from).to_vec();
        let survivors: Vec<String> = ["a", "b"].map(String::from).to_vec();
        for partition in (0..64).map(PartitionId) {
            let roles: Vec<_> = live.iter().map(|name| role(partition, name, &live)).collect();
            assert_eq!(roles.iter().filter(|role| **role == Role::Primary).count(), 1);
            assert_eq!(roles.iter().filter(|role| **role == Role::Standby).count(), 1);
            for name in &survivors {
                if role(partition, name, &live) == Role::Primary {
                    assert_eq!(role(partition, name, &survivors), Role::Primary);
                }
            }
        }
    }
}
