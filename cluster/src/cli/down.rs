//! `down`: ends the supervisor of this folder, and makes sure that what it ran is gone.

use std::{path::Path, time::Duration};

use anyhow::bail;
use parley_cluster::process::ProcessId;
use rustix::process::Signal;

use super::state::ClusterState;

/// How long the supervisor may take: its services have their own deadlines, one wave after the other.
const END_DEADLINE: Duration = Duration::from_secs(60);
/// How long a process may take to go after SIGKILL.
const KILL_DEADLINE: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(dir: &Path) -> anyhow::Result<()> {
    let Some(state) = ClusterState::read(dir)? else {
        println!("no cluster runs in {}", dir.display());
        return Ok(());
    };
    state.supervisor.signal(Signal::TERM);
    if !wait_for_end(state.supervisor, END_DEADLINE) {
        state.supervisor.signal(Signal::KILL);
        wait_for_end(state.supervisor, KILL_DEADLINE);
    }
    // Of a supervisor that was killed. They are known by number and start: a number alone may be another's by now.
    for process in state.services.iter().filter_map(|service| service.process) {
        process.signal(Signal::KILL);
        if !wait_for_end(process, KILL_DEADLINE) {
            bail!("process {} is still there", process.pid);
        }
    }
    ClusterState::remove(dir);
    println!("stopped; the data stays in {}", dir.display());
    Ok(())
}

/// False if it still runs at the deadline.
fn wait_for_end(process: ProcessId, deadline: Duration) -> bool {
    let looks = deadline.as_millis() / LOOK.as_millis();
    (0..looks).any(|_| {
        let gone = !process.is_alive();
        if !gone {
            std::thread::sleep(LOOK);
        }
        gone
    })
}
