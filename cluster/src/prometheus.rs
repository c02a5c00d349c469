//! Prometheus with the repository's own configuration (`observability/prometheus/`).

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::{
    error::ClusterError,
    files,
    health::Probe,
    install::{self, Need, off_runtime},
    ports::PortLease,
    service::{Service, ServiceSpec},
};

/// One admin listener to scrape.
#[derive(Debug, Clone)]
pub struct Target {
    /// `gateway-1`.
    pub process: String,
    /// `gateway` or `persister`.
    pub role: &'static str,
    pub addr: SocketAddr,
}

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    service: Service,
    addr: SocketAddr,
    _port: PortLease,
}

impl Prometheus {
    /// Starts it and waits until it serves; on a free port if none is given.
    pub async fn start(folder: &Path, port: Option<u16>, targets: &[Target]) -> Result<Self, ClusterError> {
        off_runtime(|| install::ensure(&[Need::Setpriv, Need::Prometheus])).await?;
        let folder = files::make_folder(folder)?;
        let file = write_configuration(&folder, targets)?;
        let port = PortLease::take(port)?;
        let addr = port.addr();
        let mut spec = ServiceSpec::new("prometheus", "prometheus", &folder).args([
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            "--storage.tsdb.retention.time=2d".to_owned(),
            format!("--web.listen-address={addr}"),
            "--log.level=warn".to_owned(),
        ]);
        spec.address = Some(addr);
        spec.probe = Probe::HttpOk { addr, path: "/-/ready" };
        let prometheus = Self { service: Service::start(spec)?, addr, _port: port };
        prometheus.service.wait_ready().await?;
        Ok(prometheus)
    }

    pub fn service(&self) -> &Service {
        &self.service
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

fn write_configuration(folder: &Path, targets: &[Target]) -> Result<PathBuf, ClusterError> {
    let conf = files::make_folder(&folder.join("conf"))?;
    files::make_folder(&conf.join("rules"))?;
    files::make_folder(&conf.join("targets"))?;
    files::write(&conf.join("rules/parley.yml"), include_str!("../../observability/prometheus/rules/parley.yml"))?;
    let groups: Vec<_> =
        targets.iter().map(|target| serde_json::json!({"targets": [target.addr], "labels": {"process": target.process, "role": target.role}})).collect();
    files::write(&conf.join("targets/parley.json"), &serde_json::Value::from(groups).to_string())?;
    let file = conf.join("prometheus.yml");
    files::write(&file, include_str!("../../observability/prometheus/prometheus.yml"))?;
    Ok(file)
}
