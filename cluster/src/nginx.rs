//! NGINX with the repository's own configuration (`nginx/`), in a prefix of its own; only the files in `instance/` are written here.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Signal;

use crate::{
    error::ClusterError,
    files,
    health::Probe,
    install::{self, Need, off_runtime},
    ports::PortLease,
    process,
    service::{OrphanSignal, Service, ServiceSpec},
};

mod instance;

/// `nginx/`, as it was when this was built.
const CONFIGURATION: &[(&str, &str)] = &[
    ("nginx.conf", include_str!("../../nginx/nginx.conf")),
    ("snippets/connection.conf", include_str!("../../nginx/snippets/connection.conf")),
    ("snippets/gzip.conf", include_str!("../../nginx/snippets/gzip.conf")),
    ("snippets/headers.conf", include_str!("../../nginx/snippets/headers.conf")),
    ("snippets/hidden.conf", include_str!("../../nginx/snippets/hidden.conf")),
    ("snippets/limits-per-address.conf", include_str!("../../nginx/snippets/limits-per-address.conf")),
    ("snippets/limits.conf", include_str!("../../nginx/snippets/limits.conf")),
    ("snippets/log.conf", include_str!("../../nginx/snippets/log.conf")),
    ("snippets/lost-gateway.conf", include_str!("../../nginx/snippets/lost-gateway.conf")),
    ("snippets/problems.conf", include_str!("../../nginx/snippets/problems.conf")),
    ("snippets/proxy.conf", include_str!("../../nginx/snippets/proxy.conf")),
    ("snippets/real-address.conf", include_str!("../../nginx/snippets/real-address.conf")),
    ("snippets/rest.conf", include_str!("../../nginx/snippets/rest.conf")),
    ("snippets/socket.conf", include_str!("../../nginx/snippets/socket.conf")),
    ("snippets/transport-security.conf", include_str!("../../nginx/snippets/transport-security.conf")),
    ("snippets/types.conf", include_str!("../../nginx/snippets/types.conf")),
    ("snippets/upstream.conf", include_str!("../../nginx/snippets/upstream.conf")),
    ("snippets/url-tokens.conf", include_str!("../../nginx/snippets/url-tokens.conf")),
    ("snippets/web-app.conf", include_str!("../../nginx/snippets/web-app.conf")),
];

/// Who is behind it.
#[derive(Debug, Clone, Default)]
pub struct NginxConfig {
    /// A free one if none is given.
    pub port: Option<u16>,
    /// Public listeners of the gateways.
    pub gateways: Vec<SocketAddr>,
    /// The built web app; without it only the API is there.
    pub web_dir: Option<PathBuf>,
    /// Addresses or networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
}

/// A running NGINX.
#[derive(Debug)]
pub struct Nginx {
    service: Service,
    addr: SocketAddr,
    conf: PathBuf,
    _port: PortLease,
}

impl Nginx {
    /// Writes and checks the configuration, starts, waits until it serves. The gateways need not.
    pub async fn start(folder: &Path, config: &NginxConfig) -> Result<Self, ClusterError> {
        let folder = files::make_folder(folder)?;
        let port = PortLease::take(config.port)?;
        let addr = port.addr();
        let prepared = off_runtime({
            let (folder, config) = (folder.clone(), config.clone());
            move || {
                install::ensure(&[Need::Setpriv, Need::Nginx])?;
                write_configuration(&folder, &config, addr)?;
                install::run(Command::new(nginx_program()).args(arguments(&folder)).arg("-t"))
            }
        });
        prepared.await?;
        let mut spec = ServiceSpec::new("nginx", nginx_program(), &folder).args(arguments(&folder));
        spec.address = Some(addr);
        spec.probe = Probe::HttpAnswers { addr, path: "/" };
        // The master has to take its workers along.
        spec.orphan_signal = OrphanSignal::Terminate;
        let nginx = Self { service: Service::start(spec)?, addr, conf: folder.join("conf"), _port: port };
        nginx.service.wait_ready().await?;
        Ok(nginx)
    }

    pub fn service(&self) -> &Service {
        &self.service
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on it balances over these; open sockets stay where they are for up to 30 s.
    pub fn set_gateways(&self, gateways: &[SocketAddr]) -> Result<(), ClusterError> {
        for (name, text) in instance::gateways(gateways) {
            files::write(&self.conf.join("instance").join(name), &text)?;
        }
        let pid = self.service.pid().ok_or_else(|| ClusterError::NotRunning { name: "nginx".to_owned() })?;
        if let Some(master) = process::ProcessId::of(pid) {
            master.signal(Signal::HUP);
        }
        Ok(())
    }
}

fn nginx_program() -> PathBuf {
    install::program("nginx").unwrap_or_else(|| PathBuf::from("nginx"))
}

fn arguments(folder: &Path) -> [String; 6] {
    let (prefix, file) = (folder.display().to_string(), folder.join("conf/nginx.conf").display().to_string());
    // -e: else it first tries the distribution's log.
    ["-p".to_owned(), prefix, "-c".to_owned(), file, "-e".to_owned(), "stderr".to_owned()]
}

fn write_configuration(folder: &Path, config: &NginxConfig, listen: SocketAddr) -> Result<(), ClusterError> {
    for inside in ["conf/snippets", "conf/instance", "logs", "temp", "no-web-app"] {
        files::make_folder(&folder.join(inside))?;
    }
    for (name, text) in CONFIGURATION {
        files::write(&folder.join("conf").join(name), text)?;
    }
    let web_dir = match &config.web_dir {
        Some(dir) => std::path::absolute(dir).map_err(ClusterError::io(dir.display().to_string()))?,
        None => folder.join("no-web-app"),
    };
    for (name, text) in instance::files(config, listen, &web_dir) {
        files::write(&folder.join("conf/instance").join(name), &text)?;
    }
    Ok(())
}
