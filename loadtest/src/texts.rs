//! What people say: the bodies of a file of real messages, in its order. Who said them first, and when, is left out.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use anyhow::{Context, ensure};
use flate2::read::GzDecoder;
use parley_proto::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct Line {
    kind: String,
    #[serde(default)]
    body: String,
}

/// The first `count` bodies that can be sent, of gzipped JSON lines with `kind` and `body`.
pub fn read(file: &Path, count: usize) -> anyhow::Result<Vec<String>> {
    let name = || file.display().to_string();
    let lines = BufReader::new(GzDecoder::new(File::open(file).with_context(name)?)).lines();
    let mut bodies = Vec::new();
    for (number, line) in lines.enumerate() {
        if bodies.len() == count {
            break;
        }
        let Line { kind, body } = serde_json::from_str(&line.with_context(name)?).with_context(|| format!("{}: line {}", file.display(), number + 1))?;
        if kind == "message" && text::check_body(&body).is_ok() {
            bodies.push(body);
        }
    }
    ensure!(!bodies.is_empty(), "{}: there is no message in it", file.display());
    Ok(bodies)
}
