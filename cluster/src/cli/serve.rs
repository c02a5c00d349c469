//! The supervisor: holds the cluster until it is told to end.

use std::{path::Path, time::Duration};

use anyhow::Context;
use parley_cluster::{Cluster, cluster::Progress, process::ProcessId};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Options, control, state::ClusterState, status};

/// Between two looks at the services.
const LOOK: Duration = Duration::from_millis(500);

/// Until SIGINT or SIGTERM.
pub(crate) fn run(dir: &Path, options: Options) -> anyhow::Result<()> {
    // In the background this makes it independent of the terminal; in the foreground it leads its group already and the call does nothing.
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        let _ = rustix::process::setsid();
    }
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(dir, options))
}

async fn serve(dir: &Path, options: Options) -> anyhow::Result<()> {
    let mut ends = Ends::listen()?;
    let supervisor = ProcessId::of(std::process::id()).context("/proc can't be read")?;
    if ClusterState::read(dir)?.is_none_or(|state| !state.supervisor.is_alive()) {
        ClusterState::starting(supervisor).write(dir)?;
    }
    let starting = Cluster::start(options.into_config(dir, Progress::new(|line| println!("{line}"))));
    let cluster = tokio::select! {
        cluster = starting => cluster?,
        () = ends.wait() => {
            ClusterState::remove(dir);
            return Ok(());
        }
    };
    let listener = control::listen(dir)?;
    tokio::select! {
        never = watch(dir, &cluster, supervisor) => never?,
        () = control::obey(&listener, &cluster) => {}
        () = ends.wait() => {}
    }
    println!("stopping");
    cluster.stop().await;
    ClusterState::remove(dir);
    println!("stopped");
    Ok(())
}

/// Writes the state whenever it is another, and says what changed.
async fn watch(dir: &Path, cluster: &Cluster, supervisor: ProcessId) -> anyhow::Result<()> {
    let mut known: Option<ClusterState> = None;
    loop {
        let state = ClusterState::of(cluster, supervisor).await;
        if known.as_ref() != Some(&state) {
            state.write(dir)?;
            status::tell_changes(known.as_ref(), &state);
            known = Some(state);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The signals that end it.
#[derive(Debug)]
struct Ends {
    interrupt: Signal,
    terminate: Signal,
}

impl Ends {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
