//! The commands, and what they tell each other through the data folder.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;
use parley_cluster::{
    ClusterConfig,
    cluster::{Brokers, Progress},
};

pub(crate) mod control;
pub(crate) mod down;
pub(crate) mod serve;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod up;

/// Where the app is looked for, from the root of the checkout.
const WEB_DIR: &str = "web/dist";

/// What is to run.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    #[arg(long, env = "GATEWAYS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(0..=30))]
    gateways: u16,
    #[arg(long, env = "PERSISTERS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=10))]
    persisters: u16,
    /// 1, or 3 with replication.
    #[arg(long, env = "BROKERS", default_value = "1", value_parser = brokers)]
    brokers: Brokers,
    /// Ports are counted from here on, but for the web app's.
    #[arg(long, env = "PARLEY_PORT_BASE", default_value_t = 8_700)]
    port_base: u16,
    /// The web app and the API, through NGINX.
    #[arg(long, env = "WEB_PORT", default_value_t = 8_080)]
    web_port: u16,
    /// The product's binary; the one beside this by default.
    #[arg(long)]
    parley: Option<PathBuf>,
    /// The built web app; web/dist by default, if it is there.
    #[arg(long, env = "PARLEY_WEB_DIR")]
    web_dir: Option<PathBuf>,
    /// Without Prometheus.
    #[arg(long)]
    no_prometheus: bool,
}

impl Options {
    fn into_config(self, dir: &Path, progress: Progress) -> ClusterConfig {
        let defaults = ClusterConfig::new(dir);
        let built = Path::new(WEB_DIR).join("index.html").is_file().then(|| PathBuf::from(WEB_DIR));
        ClusterConfig {
            port_base: Some(self.port_base),
            web_port: Some(self.web_port),
            brokers: self.brokers,
            gateways: self.gateways.into(),
            persisters: self.persisters.into(),
            prometheus: !self.no_prometheus,
            parley_bin: self.parley.map_or(defaults.parley_bin.clone(), |path| std::path::absolute(&path).unwrap_or(path)),
            web_dir: self.web_dir.or(built),
            env: product_settings(),
            progress,
            ..defaults
        }
    }

    fn web(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.web_port))
    }
}

/// Read here, and of no use to the product or given to it in another form.
const OURS: &[&str] = &["PARLEY_PORT_BASE", "PARLEY_WEB_DIR"];

/// Settings of the product in our own environment are meant for it.
fn product_settings() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("PARLEY_") && !OURS.contains(&name.as_str()))
        .collect()
}

fn brokers(text: &str) -> Result<Brokers, String> {
    match text {
        "1" => Ok(Brokers::One),
        "3" => Ok(Brokers::Three),
        _ => Err("1 or 3".to_owned()),
    }
}
