//! How much memory our own processes take while everything goes wrong (G8).

use std::collections::BTreeMap;

use parley_cluster::{Cluster, process::resident_bytes};

use crate::check::{Findings, Promise};

/// No process of ours has a reason to grow above it at these sizes; what is normal is a tenth.
const BYTES_MAX: u64 = 1 << 30;

/// The most that each was seen to take.
#[derive(Debug, Default)]
pub(super) struct Memory {
    most: BTreeMap<String, u64>,
}

impl Memory {
    pub(super) fn look(&mut self, cluster: &Cluster) {
        let services = cluster.gateways().iter().map(|gateway| &gateway.service).chain(cluster.persisters().iter().map(|persister| &persister.service));
        for service in services {
            if let Some(bytes) = service.pid().and_then(resident_bytes) {
                let most = self.most.entry(service.name().to_owned()).or_default();
                *most = bytes.max(*most);
            }
        }
    }

    pub(super) fn judge(&self, findings: &mut Findings) {
        for (name, bytes) in &self.most {
            findings.that(Promise::Memory, *bytes <= BYTES_MAX, || format!("{name} took {bytes} bytes"));
        }
    }

    pub(super) fn most(&self) -> &BTreeMap<String, u64> {
        &self.most
    }
}
