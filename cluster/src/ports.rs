//! Ports on loopback: given, or free ones that no other test takes meanwhile.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::DirBuilderExt,
};

use crate::error::ClusterError;

/// Where free ports are looked for: below those that Linux gives to outgoing connections, or one of them could take a port while its service restarts.
const FREE_PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port that is ours as long as this lives.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    /// Locked; whoever looks for a free port passes it over.
    _lock: Option<File>,
}

impl PortLease {
    /// This port, or a free one.
    pub fn take(port: Option<u16>) -> Result<Self, ClusterError> {
        port.map_or_else(Self::free, Self::fixed)
    }

    /// A free port.
    pub fn free() -> Result<Self, ClusterError> {
        let folder = std::env::temp_dir().join(format!("parley-ports-{}", rustix::process::geteuid().as_raw()));
        let failed = || ClusterError::io(folder.display().to_string());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed())?;
        loop {
            let port = rand::random_range(FREE_PORTS);
            let lock = File::create(folder.join(port.to_string())).map_err(failed())?;
            if lock.try_lock().is_ok() && is_free(port) {
                return Ok(Self { port, _lock: Some(lock) });
            }
        }
    }

    fn fixed(port: u16) -> Result<Self, ClusterError> {
        if is_free(port) { Ok(Self { port, _lock: None }) } else { Err(ClusterError::PortTaken { port }) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on loopback.
    pub fn addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leased_port_is_not_given_twice() {
        let leases: Vec<_> = (0..50).map(|_| PortLease::free().unwrap()).collect();
        let ports: std::collections::BTreeSet<_> = leases.iter().map(PortLease::port).collect();
        assert_eq!(ports.len(), leases.len());
    }

    #[test]
    fn a_port_of_somebody_else_is_refused() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = other.local_addr().unwrap().port();
        assert!(matches!(PortLease::take(Some(port)), Err(ClusterError::PortTaken { .. })));
    }
}
