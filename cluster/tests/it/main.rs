//! Real services, started, broken and stopped.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod binary;
mod cluster;
mod engines;
mod nginx;
mod proxy;
mod upstream;

use std::time::Duration;

use parley_cluster::{Service, process::ProcessId};
use tokio::time::Instant;

/// Kills it, and returns once supervision has it back.
async fn kill_and_wait(service: &Service) {
    let killed = ProcessId::of(service.pid().unwrap()).unwrap();
    let since = Instant::now();
    service.kill9().unwrap();
    assert!(!killed.is_alive());
    service.wait_ready().await.unwrap();
    assert_ne!(service.pid(), Some(killed.pid));
    assert_eq!(service.status().restarts, 1);
    println!("{} serves again {} ms after kill -9", service.name(), since.elapsed().as_millis());
}

/// A paused service answers nothing, and goes on afterwards as the same process.
async fn pause_and_resume(service: &Service) {
    let pid = service.pid();
    service.pause().unwrap();
    assert!(service.status().paused);
    assert!(service.probe().await.is_err());
    service.resume().unwrap();
    service.wait_ready().await.unwrap();
    assert_eq!(service.pid(), pid);
}

/// Every process of these services.
fn processes<'a>(services: impl IntoIterator<Item = &'a Service>) -> Vec<ProcessId> {
    let trees = services.into_iter().filter_map(Service::pid).flat_map(parley_cluster::process::tree);
    trees.filter_map(ProcessId::of).collect()
}

/// None of them may be left. Children of what was killed go a moment after it.
async fn assert_gone(processes: &[ProcessId]) {
    assert!(!processes.is_empty());
    let until = Instant::now() + Duration::from_secs(2);
    while processes.iter().any(|process| process.is_alive()) {
        assert!(Instant::now() < until, "{:?} are left", processes.iter().filter(|process| process.is_alive()).collect::<Vec<_>>());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
