//! A fault as the runner wrote it down: what, when, and what shows that it had an effect.

use std::{fs, io, path::Path};

use parley_proto::{Cursor, PartitionId};
use serde::{Deserialize, Serialize};

use crate::history::Micros;

/// The runner's list of faults, beside the histories.
const FILE: &str = "faults.json";

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// gateway-1, kafka-1, gateway-1~redis, …
    pub part: String,
    /// kill, pause, cut, …
    pub kind: String,
    pub began: Micros,
    /// When the part was whole again: the replacement was ready, the link was healed.
    pub ended: Micros,
    /// What shows that it was felt; `None`: nothing does, and the run proves nothing about it.
    pub effect: Option<String>,
    /// While this went on, these pieces of partitions were in the log alone: neither stored nor in a tail.
    #[serde(default)]
    pub only_in_log: Vec<(PartitionId, Cursor, Cursor)>,
}

impl Trouble {
    /// From when on live delivery counts as due: a killed gateway's sockets need not wait for its replacement.
    pub fn live_from(&self) -> Micros {
        if self.is_gateway_kill() { self.began } else { self.ended }
    }

    pub fn is_gateway_kill(&self) -> bool {
        self.kind == "kill" && self.part.starts_with("gateway") && !self.part.contains('~')
    }
}

/// Writes the list into a run's folder.
pub fn write(folder: &Path, troubles: &[Trouble]) -> io::Result<()> {
    fs::write(folder.join(FILE), serde_json::to_vec_pretty(troubles)?)
}

/// Reads it.
pub fn read(folder: &Path) -> io::Result<Vec<Trouble>> {
    Ok(serde_json::from_slice(&fs::read(folder.join(FILE))?)?)
}
