//! Which engine serves a port. The address may hold a password: no message repeats it.

use std::{fmt, path::PathBuf, str::FromStr};

/// `embedded:`, in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Embedded;

impl FromStr for Embedded {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if url == "embedded:" { Ok(Self) } else { Err("this program has no other engine than embedded:") }
    }
}

impl fmt::Display for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("embedded:")
    }
}

/// `sqlite:PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SqliteUrl(pub(super) PathBuf);

impl FromStr for SqliteUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        match url.strip_prefix("sqlite:") {
            Some("") => Err("sqlite: is followed by the file's path"),
            Some(path) => Ok(Self(PathBuf::from(path))),
            None => Err("this program has no other engine than sqlite:PATH"),
        }
    }
}
