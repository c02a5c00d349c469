//! The two steps of an end.

use std::{
    process::{Command, id},
    time::Duration,
};

use parley_runtime::shutdown::Shutdown;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_hard_step_follows_the_soft_one_after_the_deadline() {
    let shutdown = Shutdown::new(Duration::from_millis(200));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!shutdown.hard().is_cancelled(), "the deadline counts from the drain on");
    shutdown.drain();
    assert!(shutdown.is_draining() && !shutdown.hard().is_cancelled());
    timeout(SOON, shutdown.hard().cancelled()).await.expect("the deadline passes");
}

#[tokio::test]
async fn stopping_is_also_the_end_of_the_soft_step() {
    let shutdown = Shutdown::new(Duration::from_secs(60));
    shutdown.clone().stop();
    assert!(shutdown.soft().is_cancelled() && shutdown.hard().is_cancelled());
}

#[tokio::test]
async fn the_first_signal_drains_and_the_second_stops() {
    let shutdown = Shutdown::new(Duration::from_secs(60));
    shutdown.on_signals().unwrap();
    signal_myself("TERM");
    timeout(SOON, shutdown.soft().cancelled()).await.expect("the first one drains");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!shutdown.hard().is_cancelled());
    signal_myself("INT");
    timeout(SOON, shutdown.hard().cancelled()).await.expect("the second one stops");
}

fn signal_myself(signal: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", id())]).status().unwrap();
    assert!(sent.success());
}
