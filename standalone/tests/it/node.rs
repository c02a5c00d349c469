//! Gateways and a persister in this process, on embedded engines that a test can disturb.

use std::{path::PathBuf, sync::Arc, time::Duration};

use parley_engines::{
    bus::embedded::EmbeddedBus,
    log::{
        Log,
        embedded::{EmbeddedLog, EmbeddedLogConfig},
    },
    store::{Store, sqlite::SqliteStore},
};
use parley_gateway::{
    config::GatewayConfig,
    gateway::{self, Engines},
    limits::LimitsConfig,
    tokens::TokenKey,
};
use parley_persister::{Config as PersisterConfig, Persister};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::setup::{PATIENT, Setup};

/// Limits that nobody meets who tests something else.
fn patient_limits() -> LimitsConfig {
    let [sends, votes, reads, connects] = PATIENT.map(|(_, rate)| rate.parse().unwrap());
    LimitsConfig { sends, votes, reads, connects, ..LimitsConfig::default() }
}

/// Everything of one deployment.
pub(crate) struct Node {
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) bus: Arc<EmbeddedBus>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) url: String,
    pub(crate) store_path: PathBuf,
    pub(crate) limits: LimitsConfig,
    persister: Option<(CancellationToken, Persister)>,
    _folder: tempfile::TempDir,
    gateways: Vec<(CancellationToken, JoinHandle<()>)>,
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with_limits(patient_limits()).await
    }

    /// With these limits on people and addresses.
    pub(crate) async fn with_limits(limits: LimitsConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 2)).await.unwrap());
        let store_path = folder.path().join("store.db");
        let store = Arc::new(SqliteStore::open(&store_path).await.unwrap());
        let mut node = Self {
            log,
            bus: Arc::new(EmbeddedBus::new()),
            store,
            url: String::new(),
            store_path,
            limits,
            persister: None,
            _folder: folder,
            gateways: Vec::new(),
        };
        node.start_persister().await;
        node.url = node.add_gateway("gateway-1").await;
        node
    }

    /// Another gateway on the same engines; its address.
    pub(crate) async fn add_gateway(&mut self, name: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut config = GatewayConfig::new(TokenKey::new("for tests only: 0123456789abcdef0123456789").unwrap());
        name.clone_into(&mut config.gateway);
        config.limits = self.limits;
        let engines = Engines { log: self.log.clone(), bus: self.bus.clone(), store: self.store.clone() };
        let drain = CancellationToken::new();
        let stop = drain.clone();
        let task = tokio::spawn(async move { gateway::serve(config, engines, listener, stop).await.unwrap() });
        self.gateways.push((drain, task));
        url
    }

    pub(crate) async fn start_persister(&mut self) {
        let (log, bus, store): (Arc<dyn Log>, _, Arc<dyn Store>) = (self.log.clone(), self.bus.clone(), self.store.clone());
        let stop = CancellationToken::new();
        let persister = Persister::start(log, bus, store, PersisterConfig::default(), stop.clone());
        persister.status().ready().await;
        self.persister = Some((stop, persister));
    }

    pub(crate) async fn stop_persister(&mut self) {
        if let Some((stop, persister)) = self.persister.take() {
            stop.cancel();
            persister.finished().await;
        }
    }

    /// Drains the gateway with this number.
    pub(crate) async fn drain_gateway(&mut self, number: usize) {
        let (drain, task) = &mut self.gateways[number];
        drain.cancel();
        tokio::time::timeout(Duration::from_secs(30), task).await.expect("a gateway drains in time").unwrap();
    }
}

impl Setup for Node {
    fn url(&self) -> String {
        self.url.clone()
    }

    async fn second_url(&mut self) -> String {
        self.add_gateway("gateway-2").await
    }

    async fn empty_bus(&self) {
        self.bus.empty();
    }

    async fn stop_persister(&mut self) {
        Self::stop_persister(self).await;
    }

    async fn drain_first_gateway(&mut self) {
        self.drain_gateway(0).await;
    }
}

/// Each conversation on the embedded engines.
mod talks {
    macro_rules! on_a_node {
        ($($name:ident,)*) => {
            $(#[tokio::test]
            async fn $name() {
                crate::conversation::$name(crate::node::Node::start().await).await;
            })*
        };
    }

    crate::setup::conversations!(on_a_node);
}
