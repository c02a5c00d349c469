//! Real servers for the tests, through the crate that runs the cluster: on free loopback ports, with data that goes with them. A server ends when its handle
//! is dropped, and in any case with the process that runs the tests.

use std::{path::Path, process::Command, sync::OnceLock};

use parley_cluster::Service;
use tempfile::TempDir;

pub(crate) mod kafka;
pub(crate) mod postgres;
pub(crate) mod redis;

const PREFIX: &str = "parley-test-of-";

/// A folder for one server's data. What processes left behind that are gone is taken away first: servers that tests share outlive their handles.
fn data_folder() -> TempDir {
    static SWEPT: OnceLock<()> = OnceLock::new();
    SWEPT.get_or_init(|| {
        for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
            if owner.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                // Another process may be quicker, or another user's it may be.
                let _gone = std::fs::remove_dir_all(entry.path());
            }
        }
    });
    tempfile::Builder::new().prefix(&format!("{PREFIX}{}-", std::process::id())).tempdir().unwrap()
}

/// `kill -9`; it stays dead until [`restart`].
fn kill(service: &Service) {
    service.unsupervise();
    service.kill9().unwrap();
}

/// Starts it again where it was, and waits until it serves.
async fn restart(service: &Service) {
    service.up();
    service.wait_ready().await.unwrap();
}

/// Runs a command of an installation to its end.
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
