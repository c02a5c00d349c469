//! The secret that signs tokens where none is set: made at the first start, kept in the data folder for its owner alone.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use parley_gateway::tokens::{TokenKey, WeakKey};
use thiserror::Error;

const OWNER_ONLY: u32 = 0o600;

/// Why there is no key.
#[derive(Debug, Error)]
pub(crate) enum TokenKeyError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} {source}; remove it, and everybody has to sign in again", path.display())]
    Weak { path: PathBuf, source: WeakKey },
    #[error("{} can be read by others than its owner: chmod 600 it", path.display())]
    ReadByOthers { path: PathBuf },
}

/// The key in `folder`/token.key, which is made if it is missing. For whoever holds the folder's lock.
pub(crate) fn load_or_make(folder: &Path) -> Result<TokenKey, TokenKeyError> {
    let path = folder.join("token.key");
    let secret = match std::fs::read_to_string(&path) {
        Ok(secret) => secret,
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(folder, &path).map_err(|source| TokenKeyError::Io { path: path.clone(), source })?,
        Err(source) => return Err(TokenKeyError::Io { path, source }),
    };
    let mode = std::fs::metadata(&path).map_err(|source| TokenKeyError::Io { path: path.clone(), source })?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(TokenKeyError::ReadByOthers { path });
    }
    TokenKey::new(secret.trim()).map_err(|source| TokenKeyError::Weak { path, source })
}

/// Written beside and moved into place, so that a kill leaves no half key.
fn make(folder: &Path, path: &Path) -> io::Result<String> {
    let secret = hex::encode(rand::random::<[u8; 32]>());
    let beside = folder.join("token.key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ONLY).open(&beside)?;
    file.set_permissions(PermissionsExt::from_mode(OWNER_ONLY))?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_make(folder.path()).unwrap();
        assert_eq!(load_or_make(folder.path()).unwrap(), first);
        let path = folder.path().join("token.key");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(matches!(load_or_make(folder.path()), Err(TokenKeyError::ReadByOthers { .. })));
    }

    #[test]
    fn a_key_that_is_no_key_is_not_replaced_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        std::fs::write(&path, "short").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(OWNER_ONLY)).unwrap();
        assert!(matches!(load_or_make(folder.path()), Err(TokenKeyError::Weak { .. })));
    }
}
