//! Redis that keeps nothing: what is in it can be lost at any time, by design.

use std::{net::SocketAddr, path::Path};

use crate::{
    error::ClusterError,
    files,
    health::{self, Probe},
    install::{self, Need, off_runtime},
    ports::PortLease,
    service::{Service, ServiceSpec},
};

/// A running Redis.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    addr: SocketAddr,
    _port: PortLease,
}

impl Redis {
    /// Starts it and waits until it serves; on a free port if none is given.
    pub async fn start(folder: &Path, port: Option<u16>) -> Result<Self, ClusterError> {
        off_runtime(|| install::ensure(&[Need::Setpriv, Need::Redis])).await?;
        let folder = files::make_folder(folder)?;
        let port = PortLease::take(port)?;
        let addr = port.addr();
        let mut spec = ServiceSpec::new("redis", "redis-server", folder).args([
            "--bind",
            "127.0.0.1",
            "--port",
            &addr.port().to_string(),
            // Neither snapshots nor a journal.
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        spec.address = Some(addr);
        spec.probe = Probe::Redis(addr);
        let redis = Self { service: Service::start(spec)?, addr, _port: port };
        redis.service.wait_ready().await?;
        Ok(redis)
    }

    pub fn service(&self) -> &Service {
        &self.service
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// As `PARLEY_BUS_URL` has it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// The fault "everything in Redis is lost" while it goes on serving.
    pub async fn flush_all(&self) -> Result<(), String> {
        match health::redis(self.addr, "FLUSHALL").await? {
            answer if answer.starts_with("+OK") => Ok(()),
            answer => Err(answer),
        }
    }
}
