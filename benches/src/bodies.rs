//! What people really wrote: the bodies of `data/ubuntu-irc.jsonl.gz`, in its order.

use std::{
    fs::File,
    io::{BufRead, BufReader},
};

use anyhow::{Context, ensure};
use flate2::read::GzDecoder;
use parley_proto::text;
use serde::Deserialize;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/ubuntu-irc.jsonl.gz");

#[derive(Deserialize)]
struct Line {
    kind: String,
    #[serde(default)]
    body: String,
}

/// The first `count` of them.
pub(crate) fn read(count: usize) -> anyhow::Result<Vec<String>> {
    let file = File::open(FILE).context(FILE)?;
    let mut bodies = Vec::with_capacity(count);
    for line in BufReader::new(GzDecoder::new(file)).split(b'\n') {
        if bodies.len() == count {
            break;
        }
        if let Ok(Line { kind, body }) = serde_json::from_slice(&line?)
            && kind == "message"
            && text::check_body(&body).is_ok()
        {
            bodies.push(body);
        }
    }
    ensure!(!bodies.is_empty(), "{FILE} has no messages");
    Ok(bodies)
}
