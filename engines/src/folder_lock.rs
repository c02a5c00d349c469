//! One process per data folder: an advisory lock on `<folder>/lock` that the operating system lets go when the process ends, however it ends.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Holds the folder until it is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// Why the folder can't be had.
#[derive(Debug, Error)]
pub enum FolderLockError {
    #[error("{} is in use by {}; stop it first, or choose another folder", folder.display(), holder(*pid))]
    InUse { folder: PathBuf, pid: Option<u32> },
    #[error("{} can't be used: {source}", folder.display())]
    Io { folder: PathBuf, source: io::Error },
}

impl FolderLock {
    /// Locks `folder`, which is made if it is missing. Fails at once where another holder, be it in this process, has it.
    pub fn acquire(folder: &Path) -> Result<Self, FolderLockError> {
        let io = |source| FolderLockError::Io { folder: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(io)?;
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(folder.join("lock")).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FolderLockError::InUse { folder: folder.to_owned(), pid: read_pid(&mut file) }),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(io)?;
        Ok(Self { _file: file })
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_holder_at_a_time_and_the_other_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let lock = FolderLock::acquire(&data).unwrap();
        let refused = FolderLock::acquire(&data).unwrap_err().to_string();
        assert!(refused.contains(&format!("in use by process {}", std::process::id())), "{refused}");
        drop(lock);
        FolderLock::acquire(&data).unwrap();
    }
}
