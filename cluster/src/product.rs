//! The product's own processes: `parley migrate` once, then `parley gateway` and `parley persister`, configured by their environment alone.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    error::ClusterError,
    files,
    health::Probe,
    install,
    ports::PortLease,
    service::{Service, ServiceSpec},
};

/// What all of them are told: engines and secret; and the program.
#[derive(Debug, Clone)]
pub struct Product {
    /// The binary `parley`.
    pub program: PathBuf,
    /// `PARLEY_LOG_URL`, `PARLEY_BUS_URL`, `PARLEY_STORE_URL`, `PARLEY_TOKEN_KEY`, and what the caller adds.
    pub env: Vec<(String, String)>,
}

/// A gateway, and where it listens.
#[derive(Debug)]
pub struct Gateway {
    pub service: Service,
    pub addr: SocketAddr,
    pub admin: SocketAddr,
    _ports: [PortLease; 2],
}

/// A persister, and its admin listener.
#[derive(Debug)]
pub struct Persister {
    pub service: Service,
    pub admin: SocketAddr,
    _port: PortLease,
}

impl Product {
    /// Told this as well; what is said twice is as said here.
    #[must_use]
    pub fn with(&self, env: &[(String, String)]) -> Self {
        Self { program: self.program.clone(), env: [&self.env, env].concat() }
    }

    /// Makes topic and schema, or finds them made. Blocks until it is done.
    pub fn migrate(&self, folder: &Path) -> Result<(), ClusterError> {
        let folder = files::make_folder(folder)?;
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARLEY_")) {
            command.env_remove(name);
        }
        install::run(command.arg("migrate").envs(self.env.iter().map(|(name, value)| (name, value))).current_dir(folder))
    }

    /// Starts a gateway; it need not serve yet.
    pub fn gateway(&self, folder: &Path, name: &str, ports: [PortLease; 2]) -> Result<Gateway, ClusterError> {
        let [addr, admin] = [ports[0].addr(), ports[1].addr()];
        let own = [("PARLEY_LISTEN", addr.to_string()), ("PARLEY_GATEWAY_NAME", name.to_owned())];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let spec = self.process(folder, name, "gateway", admin, own.into_iter())?;
        Ok(Gateway { service: Service::start(ServiceSpec { address: Some(addr), ..spec })?, addr, admin, _ports: ports })
    }

    /// Starts a persister; it need not serve yet.
    pub fn persister(&self, folder: &Path, name: &str, port: PortLease) -> Result<Persister, ClusterError> {
        let admin = port.addr();
        let spec = self.process(folder, name, "persister", admin, std::iter::once(("PARLEY_PERSISTER_NAME".to_owned(), name.to_owned())))?;
        Ok(Persister { service: Service::start(spec)?, admin, _port: port })
    }

    fn process(
        &self,
        folder: &Path,
        name: &str,
        command: &str,
        admin: SocketAddr,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<ServiceSpec, ClusterError> {
        let mut spec = ServiceSpec::new(name, &self.program, files::make_folder(folder)?).args([command]);
        spec.address = Some(admin);
        spec.env = self.env.iter().cloned().chain([("PARLEY_ADMIN_LISTEN".to_owned(), admin.to_string())]).chain(env).collect();
        spec.probe = Probe::HttpOk { addr: admin, path: "/readyz" };
        spec.ready_deadline = Duration::from_secs(60);
        // The product takes up to 30 s for a drain, which would hold up every test that ends with open sockets.
        spec.stop_deadline = Duration::from_secs(10);
        Ok(spec)
    }
}
