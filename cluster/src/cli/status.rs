//! What runs where, for people: a table, redrawn where there is a terminal; else a line for each change.

use std::{
    fmt::Write,
    io::{IsTerminal, stdout},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};

use super::state::{ClusterState, Condition, ServiceState, TOKEN_KEY};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Prints the table once.
pub(crate) fn show(dir: &Path) -> anyhow::Result<()> {
    let state = running(dir)?;
    print!("{}", table(&state));
    if state.started && state.services.iter().all(|service| service.condition == Condition::Serves) {
        return Ok(());
    }
    bail!("not everything serves")
}

/// Until Ctrl-C, or the cluster's end.
pub(crate) fn watch(dir: &Path) -> anyhow::Result<()> {
    let terminal = stdout().is_terminal();
    let mut known: Option<ClusterState> = None;
    loop {
        let state = running(dir)?;
        if known.as_ref() != Some(&state) {
            if terminal {
                // Clears the screen and starts at its top.
                print!("\x1b[2J\x1b[H{}", table(&state));
            } else {
                tell_changes(known.as_ref(), &state);
            }
            known = Some(state);
        }
        std::thread::sleep(LOOK);
    }
}

/// The settings that a command of the product needs to reach this cluster's engines.
pub(crate) fn env(dir: &Path) -> anyhow::Result<()> {
    for (name, value) in running(dir)?.settings {
        println!("export {name}='{}'", value.replace('\'', "'\\''"));
    }
    let key = std::fs::read_to_string(dir.join("token.key")).context("the cluster's token.key")?;
    println!("export {TOKEN_KEY}='{key}'");
    Ok(())
}

/// The state of a cluster whose supervisor is alive.
pub(crate) fn running(dir: &Path) -> anyhow::Result<ClusterState> {
    match ClusterState::read(dir)? {
        Some(state) if state.supervisor.is_alive() => Ok(state),
        _ => bail!("no cluster runs in {}", dir.display()),
    }
}

/// One line per service.
pub(crate) fn table(state: &ClusterState) -> String {
    let mut text = format!("{:<14} {:>8}  {:<22} {:<9} {}\n", "name", "pid", "address", "state", "restarts");
    for service in &state.services {
        let pid = service.process.map_or_else(|| "-".to_owned(), |process| process.pid.to_string());
        let address = service.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
        // Writing into a String can't fail.
        let _ = writeln!(text, "{:<14} {pid:>8}  {address:<22} {:<9} {}", service.name, name(service.condition), service.restarts);
    }
    text
}

/// A line for each service that is in another state than before.
pub(crate) fn tell_changes(before: Option<&ClusterState>, now: &ClusterState) {
    let Some(before) = before else {
        print!("{}", table(now));
        return;
    };
    let different = |service: &&ServiceState| !before.services.contains(service);
    for service in now.services.iter().filter(different) {
        let pid = service.process.map(|process| format!(", pid {}", process.pid)).unwrap_or_default();
        println!("{}: {}{pid}, {} restarts", service.name, name(service.condition), service.restarts);
    }
}

fn name(condition: Condition) -> &'static str {
    match condition {
        Condition::Serves => "serves",
        Condition::Starting => "starting",
        Condition::Paused => "paused",
        Condition::Died => "died",
        Condition::Down => "down",
    }
}
