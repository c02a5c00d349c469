//! One gateway and one persister on real Kafka, Redis and Postgres, with people in it.

use std::path::Path;

use anyhow::{Context as _, ensure};
use parley_cluster::{
    Cluster, ClusterConfig,
    ports::PortLease,
    product::{Gateway, Persister},
};
use parley_engines::store::postgres::{PostgresConfig, PostgresStore};

use crate::{
    child,
    cpu::Apart,
    people::{People, Plan},
};

/// Ends with its handle: the product first.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) gateway: Gateway,
    pub(crate) persister: Persister,
    pub(crate) people: People,
    pub(crate) cluster: Cluster,
}

impl Deployment {
    /// Returns once the gateway serves.
    pub(crate) async fn start(folder: &Path, people: usize, rooms: &[Plan]) -> anyhow::Result<Self> {
        let mut config = ClusterConfig::new(folder);
        config.parley_bin = child::parley()?;
        (config.gateways, config.persisters, config.nginx) = (0, 0, false);
        let cluster = Cluster::start(config).await?;
        let product = cluster.product().clone();
        product.migrate(&folder.join("migrate"))?;
        let store = PostgresStore::connect(&cluster.postgres().url(), PostgresConfig::default()).await?;
        let key = product.env.iter().find(|(name, _)| name == "PARLEY_TOKEN_KEY").map(|(_, key)| key.clone()).context("the cluster has no key")?;
        let people = People::make(&store, key, people, rooms).await?;
        store.close().await;
        let persister = product.persister(&folder.join("persister"), "persister-1", PortLease::free()?)?;
        let gateway = product.gateway(&folder.join("gateway"), "gateway-1", [PortLease::free()?, PortLease::free()?])?;
        persister.service.wait_ready().await?;
        gateway.service.wait_ready().await?;
        ensure!(gateway.service.pid().is_some(), "the gateway is gone");
        Ok(Self { gateway, persister, people, cluster })
    }

    /// Every process of it goes to the servers' processor.
    pub(crate) fn serve(&self, apart: &Apart) -> anyhow::Result<()> {
        let services = self.cluster.services().into_iter().chain([&self.persister.service, &self.gateway.service]);
        services.into_iter().try_for_each(|service| apart.serve(service))
    }

    pub(crate) fn gateway_pid(&self) -> anyhow::Result<u32> {
        self.gateway.service.pid().context("the gateway is gone")
    }

    pub(crate) fn redis_pid(&self) -> anyhow::Result<u32> {
        self.cluster.redis().service().pid().context("Redis is gone")
    }
}
