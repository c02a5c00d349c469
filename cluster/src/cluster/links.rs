//! Wires that can be cut: between each process of the product and each engine, and between NGINX and each gateway, stands a proxy of its own.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{ClusterConfig, TOPIC};
use crate::{error::ClusterError, kafka::Door, ports::PortLease, postgres::Postgres, proxy::Proxy};

/// All of them; none where nobody asked for any.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) proxies: Vec<Proxy>,
    /// What each process is told instead of the engines' own addresses.
    env: BTreeMap<String, Vec<(String, String)>>,
    /// Of Kafka's listeners.
    ports: Vec<PortLease>,
}

/// The product's processes, by name.
fn processes(config: &ClusterConfig) -> impl Iterator<Item = String> {
    let persisters = (1..=config.persisters).map(|number| format!("persister-{number}"));
    persisters.chain((1..=config.gateways).map(|number| format!("gateway-{number}")))
}

impl Links {
    /// Before Kafka starts: a broker tells its clients where to come, so each process has a listener of its own, which tells it to come to its proxy.
    pub(super) async fn before_kafka(config: &ClusterConfig) -> Result<(Self, Vec<Vec<Door>>), ClusterError> {
        let mut links = Self::default();
        let mut doors = vec![Vec::new(); config.brokers.count()];
        if !config.links {
            return Ok((links, doors));
        }
        for process in processes(config) {
            let mut hosts = Vec::new();
            for (node, doors) in doors.iter_mut().enumerate() {
                let port = PortLease::free()?;
                let proxy = Proxy::start(format!("{process}~kafka-{}", node + 1), port.addr()).await?;
                let name = process.to_uppercase().replace('-', "_");
                doors.push(Door { name, port: port.port(), advertised: proxy.addr().port() });
                hosts.push(proxy.addr().to_string());
                links.proxies.push(proxy);
                links.ports.push(port);
            }
            links.tell(&process, "PARLEY_LOG_URL", format!("kafka://{}/{TOPIC}", hosts.join(",")));
        }
        Ok((links, doors))
    }

    /// The rest, once the engines' addresses are known.
    pub(super) async fn link_engines(&mut self, config: &ClusterConfig, redis: SocketAddr, postgres: SocketAddr) -> Result<(), ClusterError> {
        for process in processes(config).filter(|_| config.links) {
            let bus = Proxy::start(format!("{process}~redis"), redis).await?;
            let store = Proxy::start(format!("{process}~postgres"), postgres).await?;
            self.tell(&process, "PARLEY_BUS_URL", format!("redis://{}", bus.addr()));
            self.tell(&process, "PARLEY_STORE_URL", Postgres::product_url(store.addr()));
            self.proxies.extend([bus, store]);
        }
        Ok(())
    }

    /// Where NGINX is told that a gateway listens.
    pub(super) async fn link_gateway(&mut self, config: &ClusterConfig, name: &str, addr: SocketAddr) -> Result<SocketAddr, ClusterError> {
        if !config.links {
            return Ok(addr);
        }
        let proxy = Proxy::start(format!("nginx~{name}"), addr).await?;
        let addr = proxy.addr();
        self.proxies.push(proxy);
        Ok(addr)
    }

    /// What this process is told on top of what all are.
    pub(super) fn env(&self, process: &str) -> &[(String, String)] {
        self.env.get(process).map(Vec::as_slice).unwrap_or_default()
    }

    fn tell(&mut self, process: &str, name: &str, value: String) {
        self.env.entry(process.to_owned()).or_default().push((name.to_owned(), value));
    }
}
