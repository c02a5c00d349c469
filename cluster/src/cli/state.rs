//! `state.json`: who supervises, and what runs where. Written by the supervisor alone; gone when it has ended in order.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context;
use parley_cluster::{Cluster, process::ProcessId, service};
use serde::{Deserialize, Serialize};

/// What an onlooker needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClusterState {
    pub(crate) supervisor: ProcessId,
    /// Everything has served once.
    pub(crate) started: bool,
    pub(crate) web: Option<SocketAddr>,
    pub(crate) services: Vec<ServiceState>,
    /// `PARLEY_*`, but for the secret.
    pub(crate) settings: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServiceState {
    pub(crate) name: String,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) process: Option<ProcessId>,
    pub(crate) condition: Condition,
    pub(crate) restarts: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Condition {
    Serves,
    /// It runs and does not serve yet, or no longer.
    Starting,
    Paused,
    /// It died; the next try is soon.
    Died,
    Down,
}

impl ClusterState {
    /// Before there is anything to tell.
    pub(crate) fn starting(supervisor: ProcessId) -> Self {
        Self { supervisor, started: false, web: None, services: Vec::new(), settings: Vec::new() }
    }

    /// Asks every service.
    pub(crate) async fn of(cluster: &Cluster, supervisor: ProcessId) -> Self {
        let mut services = Vec::new();
        for service in cluster.services() {
            let status = service.status();
            let condition = match status.state {
                service::State::Down => Condition::Down,
                service::State::Waiting => Condition::Died,
                service::State::Running { .. } if status.paused => Condition::Paused,
                service::State::Running { .. } if service.probe().await.is_ok() => Condition::Serves,
                service::State::Running { .. } => Condition::Starting,
            };
            services.push(ServiceState {
                name: service.name().to_owned(),
                address: service.spec().address,
                process: service.pid().and_then(ProcessId::of),
                condition,
                restarts: status.restarts,
            });
        }
        let settings = cluster.product().env.iter().filter(|(name, _)| name != TOKEN_KEY).cloned().collect();
        Self { supervisor, started: true, web: cluster.web_addr(), services, settings }
    }

    /// `None` if no cluster was started here, or it has ended in order.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = path(dir);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| path.display().to_string()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Beside and into place: nobody reads half of it.
    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let beside = dir.join("state.json.new");
        fs::write(&beside, serde_json::to_vec_pretty(self)?)?;
        Ok(fs::rename(&beside, path(dir))?)
    }

    pub(crate) fn remove(dir: &Path) {
        // Nothing is lost if it stays: it names a supervisor that is gone.
        let _ = fs::remove_file(path(dir));
    }
}

/// Kept out of `state.json`.
pub(crate) const TOKEN_KEY: &str = "PARLEY_TOKEN_KEY";

fn path(dir: &Path) -> PathBuf {
    dir.join("state.json")
}
