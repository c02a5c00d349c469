//! Faults on demand: one line to the supervisor's socket, one line back.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::ValueEnum;
use parley_cluster::{Cluster, ClusterError};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt},
    net::UnixListener,
};

/// What can be done to a service.
#[derive(Debug, Clone, Copy, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// SIGKILL, NGINX' workers and Postgres' sessions included; it is started again.
    Kill9,
    /// Ask it to end; it is started again.
    Terminate,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
    /// End it, start it, wait until it serves.
    Restart,
    /// Leave it dead when it dies next.
    Unsupervise,
    /// Stop it; it stays down.
    Down,
    /// Start it again, supervised.
    Up,
    /// Wait until it serves.
    WaitReady,
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    fault: Fault,
    name: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    error: Option<String>,
}

/// Asks the supervisor, and fails if it could not do it.
pub(crate) fn send(dir: &Path, fault: Fault, name: &str) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(path(dir)).with_context(|| format!("no cluster runs in {}", dir.display()))?;
    let order = Order { fault, name: name.to_owned() };
    stream.write_all(format!("{}\n", serde_json::to_string(&order)?).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    match serde_json::from_str::<Answer>(&line).context("the supervisor ended")?.error {
        None => Ok(()),
        Some(error) => bail!("{error}"),
    }
}

/// The supervisor's end. Only its user may connect.
pub(crate) fn listen(dir: &Path) -> anyhow::Result<UnixListener> {
    let path = path(dir);
    // One that was left by a supervisor that was killed; the folder's lock is ours.
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).with_context(|| path.display().to_string())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// One order after the other, for ever.
pub(crate) async fn obey(listener: &UnixListener, cluster: &Cluster) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            continue;
        };
        let mut line = String::new();
        if tokio::io::BufReader::new(&mut stream).read_line(&mut line).await.is_err() {
            continue;
        }
        let done = match serde_json::from_str::<Order>(&line) {
            Ok(order) => execute(cluster, &order).await.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let answer = serde_json::json!({"error": done.err()});
        // Whoever asked may have gone; it is done all the same.
        let _ = stream.write_all(format!("{answer}\n").as_bytes()).await;
    }
}

async fn execute(cluster: &Cluster, Order { fault, name }: &Order) -> Result<(), ClusterError> {
    match fault {
        Fault::Kill9 => cluster.kill9(name),
        Fault::Terminate => cluster.terminate(name).await,
        Fault::Pause => cluster.pause(name),
        Fault::Resume => cluster.resume(name),
        Fault::Restart => cluster.restart(name).await,
        Fault::Unsupervise => cluster.unsupervise(name),
        Fault::Down => cluster.down(name).await,
        Fault::Up => cluster.up(name),
        Fault::WaitReady => cluster.wait_ready(name).await,
    }
}

fn path(dir: &Path) -> PathBuf {
    dir.join("control.sock")
}
