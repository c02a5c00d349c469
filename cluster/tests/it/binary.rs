//! The program `cluster`, as it is used from a shell.

use std::{
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use parley_cluster::process::{self, ProcessId};
use rustix::process::Signal;

use crate::assert_gone;

fn cluster(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cluster"));
    // Far from what a person or another test would use.
    command
        .arg("--dir")
        .arg(dir)
        .args(args)
        .env("GATEWAYS", "0")
        .env("PERSISTERS", "0")
        .env("PARLEY_PORT_BASE", "19000")
        .env("WEB_PORT", "19099")
        .env_remove("PARLEY_WEB_DIR");
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

fn state(dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(dir.join("state.json")).unwrap()).unwrap()
}

/// Everything that the state file names, with its children.
fn processes(dir: &Path) -> Vec<ProcessId> {
    let state = state(dir);
    let services = state["services"].as_array().unwrap();
    let pids = services.iter().filter_map(|service| service["process"]["pid"].as_u64()).map(|pid| u32::try_from(pid).unwrap());
    pids.flat_map(process::tree).filter_map(ProcessId::of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_shows_breaks_and_stops_and_nothing_outlives_the_supervisor() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let up = cluster(dir, &["up", "--no-prometheus"]).stdin(Stdio::null()).output().unwrap();
    assert!(up.status.success() && text(&up).contains("everything serves"), "{}", text(&up));
    let first = processes(dir);

    let again = cluster(dir, &["up"]).output().unwrap();
    assert!(again.status.success() && text(&again).contains("runs already"), "{}", text(&again));
    let env = text(&cluster(dir, &["env"]).output().unwrap());
    assert!(env.contains("export PARLEY_BUS_URL='redis://127.0.0.1:19007'") && env.contains("PARLEY_TOKEN_KEY"), "{env}");

    for fault in [&["kill9", "redis"], &["wait_ready", "redis"], &["pause", "nginx"], &["resume", "nginx"]] {
        let done = cluster(dir, &[&["fault"], &fault[..]].concat()).output().unwrap();
        assert!(done.status.success(), "{fault:?}: {}", text(&done));
    }
    let refused = cluster(dir, &["fault", "kill9", "gateway-1"]).output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("there is no service gateway-1"), "{}", text(&refused));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let status = cluster(dir, &["status"]).output().unwrap();
    assert!(status.status.success() && text(&status).contains("redis"), "{}", text(&status));

    let second = processes(dir);
    let supervisor = u32::try_from(state(dir)["supervisor"]["pid"].as_u64().unwrap()).unwrap();
    ProcessId::of(supervisor).unwrap().signal(Signal::KILL);
    assert_gone(&first).await;
    assert_gone(&second).await;

    let up = cluster(dir, &["up", "--no-prometheus"]).stdin(Stdio::null()).output().unwrap();
    assert!(up.status.success(), "{}", text(&up));
    let third = processes(dir);
    let down = cluster(dir, &["down"]).output().unwrap();
    assert!(down.status.success(), "{}", text(&down));
    assert_gone(&third).await;
    assert!(!cluster(dir, &["status"]).output().unwrap().status.success());
}
