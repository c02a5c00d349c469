//! A Redis server of the tests' own.

use std::{net::TcpStream, path::PathBuf, sync::OnceLock};

use tempfile::TempDir;

use super::{Process, data_folder, free_port, require, wait_until_up};

#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    process: Process,
    folder: TempDir,
}

impl RedisServer {
    /// The one that tests share which do it no harm.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: tokio::sync::OnceCell<RedisServer> = tokio::sync::OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of the caller's own.
    pub(crate) async fn start() -> Self {
        static INSTALLED: OnceLock<()> = OnceLock::new();
        INSTALLED.get_or_init(|| require("redis-server", "redis-server"));
        let (port, folder) = (free_port(), data_folder());
        let process = launch(port, folder.path().to_owned());
        let server = Self { port, process, folder };
        server.wait().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, without what it held.
    pub(crate) async fn restart(&mut self) {
        self.process = launch(self.port, self.folder.path().to_owned());
        self.wait().await;
    }

    async fn wait(&self) {
        wait_until_up("Redis", async || TcpStream::connect(("127.0.0.1", self.port)).is_ok()).await;
    }
}

fn launch(port: u16, folder: PathBuf) -> Process {
    let log = folder.join("log");
    let arguments = ["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", &folder.display().to_string()];
    Process::start("redis-server", arguments.map(str::to_owned).to_vec(), log)
}
