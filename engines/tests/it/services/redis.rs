//! A Redis server of the tests' own.

use parley_cluster::Redis;
use tempfile::TempDir;

use super::data_folder;

#[derive(Debug)]
pub(crate) struct RedisServer {
    server: Redis,
    _folder: TempDir,
}

impl RedisServer {
    /// The one that tests share which do it no harm.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: tokio::sync::OnceCell<RedisServer> = tokio::sync::OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of the caller's own.
    pub(crate) async fn start() -> Self {
        let folder = data_folder();
        Self { server: Redis::start(folder.path(), None).await.unwrap(), _folder: folder }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn kill(&self) {
        super::kill(self.server.service());
    }

    /// Starts it again where it was, without what it held.
    pub(crate) async fn restart(&self) {
        super::restart(self.server.service()).await;
    }
}
