//! The engines with a persister on them, this process' own or somebody else's: what both the server and the importer are made of.

use std::time::Duration;

use anyhow::ensure;
use parley_persister::{Persister, PersisterStatus, Stopped};
use parley_proto::PartitionId;
use tokio_util::sync::CancellationToken;

use crate::{config::Config, engines::Engines};

/// Between two looks whether the store has what the log has.
const LOOK: Duration = Duration::from_millis(20);

/// Opened engines whose log is followed by a persister.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) engines: Engines,
    /// `None` where others persist.
    persister: Option<Persister>,
    stop: CancellationToken,
}

/// How far log and store are, over all partitions, in records.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub(crate) accepted: u64,
    pub(crate) stored: u64,
}

impl Progress {
    pub(crate) fn lag(self) -> u64 {
        self.accepted.saturating_sub(self.stored)
    }
}

impl Running {
    /// Starts to persist.
    pub(crate) fn start(engines: Engines, config: &Config) -> Self {
        let stop = CancellationToken::new();
        let persister = Persister::start(engines.log.clone(), engines.bus.clone(), engines.store.clone(), config.persister.clone(), stop.clone());
        Self { engines, persister: Some(persister), stop }
    }

    /// Others persist: a process that comes and goes would only move partitions to and fro.
    pub(crate) fn beside_others(engines: Engines) -> Self {
        Self { engines, persister: None, stop: CancellationToken::new() }
    }

    /// Of this process' own persister.
    pub(crate) fn status(&self) -> Option<PersisterStatus> {
        self.persister.as_ref().map(Persister::status)
    }

    /// Where the log ends and how far the store is.
    pub(crate) async fn progress(&self) -> anyhow::Result<Progress> {
        let mut progress = Progress::default();
        for partition in (0..self.engines.log.partitions()).map(PartitionId) {
            progress.accepted += self.engines.log.end(partition).await?.0;
        }
        progress.stored = self.engines.store.partitions().await?.iter().map(|state| state.next.0).sum();
        Ok(progress)
    }

    /// Returns once the store has everything that the log has; fails where a partition has stopped.
    pub(crate) async fn caught_up(&self) -> anyhow::Result<()> {
        loop {
            self.check_stopped()?;
            if self.status().is_none_or(|status| status.is_ready()) && self.progress().await?.lag() == 0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Returns once every change of rooms and members has come back from the log.
    pub(crate) async fn outbox_empty(&self) -> anyhow::Result<()> {
        for partition in (0..self.engines.log.partitions()).map(PartitionId) {
            while !self.engines.store.outbox(partition, 1).await?.value.is_empty() {
                self.check_stopped()?;
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// Fails where a partition has stopped: what waits for the persister would wait for ever.
    pub(crate) fn check_stopped(&self) -> anyhow::Result<()> {
        let stopped = self.status().map(|status| status.stopped()).unwrap_or_default();
        ensure!(stopped.is_empty(), "the persister has stopped: {}", name_stopped(&stopped));
        Ok(())
    }

    /// Ends the persister, then closes the engines.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        if let Some(persister) = self.persister {
            persister.finished().await;
        }
        self.engines.close().await;
    }
}

/// What an operator is told of partitions that stopped.
pub(crate) fn name_stopped(stopped: &[(PartitionId, Stopped)]) -> String {
    stopped.iter().map(|(partition, reason)| format!("partition {partition}: {reason}")).collect::<Vec<_>>().join("; ")
}
