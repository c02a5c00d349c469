//! Folders, small files and the ends of logs.

use std::{
    fs::{self, Permissions},
    io::{Read, Seek, SeekFrom},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::error::ClusterError;

/// As much of a log as is shown with an error, in bytes.
const TAIL_BYTES: u64 = 4_096;

/// Makes the folder and what leads to it, and returns its absolute path.
pub(crate) fn make_folder(folder: &Path) -> Result<PathBuf, ClusterError> {
    fs::create_dir_all(folder).and_then(|()| fs::canonicalize(folder)).map_err(ClusterError::io(folder.display().to_string()))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), ClusterError> {
    fs::write(path, text).map_err(ClusterError::io(path.display().to_string()))
}

/// The last lines of a log, indented; empty if there is none.
pub(crate) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    let from = lines.len().saturating_sub(20);
    lines[from..].iter().map(|line| format!("  | {line}\n")).collect()
}

/// Whether somebody else than the owner can pass through every folder above and including this one. Folders of ours under the system's folder for temporary
/// files are opened for that, since `mktemp` closes them.
pub(crate) fn passable_by_others(folder: &Path) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    let temporary = std::env::temp_dir();
    folder.ancestors().all(|ancestor| {
        let Ok(metadata) = fs::metadata(ancestor) else {
            return false;
        };
        let mode = metadata.permissions().mode();
        let open = mode & 0o001 != 0;
        let may_open = metadata.uid() == ours && ancestor != temporary && ancestor.starts_with(&temporary);
        open || (may_open && fs::set_permissions(ancestor, Permissions::from_mode((mode & 0o7777) | 0o011)).is_ok())
    })
}
