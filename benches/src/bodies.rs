//! What people really wrote: the bodies of `data/ubuntu-irc.jsonl.gz`, in its order.

use std::path::Path;

pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/ubuntu-irc.jsonl.gz");

/// The first `count` of them.
pub(crate) fn read(count: usize) -> anyhow::Result<Vec<String>> {
    parley_loadtest::texts::read(Path::new(FILE), count)
}
