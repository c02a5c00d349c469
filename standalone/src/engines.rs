//! The engines of one process: opened in one folder that no other process has, closed in the order in which nothing is lost.

use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use parley_engines::{bus::embedded::EmbeddedBus, folder_lock::FolderLock, log::embedded::EmbeddedLog, store::sqlite::SqliteStore};

use crate::config::Config;

/// The embedded engines. They are shared; whoever made them closes them.
#[derive(Debug)]
pub(crate) struct Engines {
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) bus: Arc<EmbeddedBus>,
    pub(crate) store: Arc<SqliteStore>,
    /// Of the store's folder, where it is not the log's, which the log itself locks.
    _store_lock: Option<FolderLock>,
}

impl Engines {
    /// Opens them, or makes them.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        make_private(&config.log.folder)?;
        let log = EmbeddedLog::open(config.log.clone()).await?;
        let store_lock = lock_store(&config.log.folder, &config.store)?;
        let store = SqliteStore::open(&config.store).await.with_context(|| config.store.display().to_string())?;
        Ok(Self { log: Arc::new(log), bus: Arc::new(EmbeddedBus::new()), store: Arc::new(store), _store_lock: store_lock })
    }

    /// Writes what is queued, then lets go of the folder. Nobody may append any more.
    pub(crate) async fn close(self) {
        self.store.close().await;
        self.log.close().await;
    }
}

fn lock_store(log_folder: &Path, store: &Path) -> anyhow::Result<Option<FolderLock>> {
    let folder = match store.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    make_private(&folder)?;
    if folder.canonicalize()? == log_folder.canonicalize()? {
        return Ok(None);
    }
    Ok(Some(FolderLock::acquire(&folder)?))
}

/// Messages and password hashes lie there: a folder that is made is its owner's alone.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| folder.display().to_string())
}
