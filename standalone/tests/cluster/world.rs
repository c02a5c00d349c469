//! The cluster that the trials share.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use parley_cluster::{Cluster, ClusterConfig, cluster::Brokers};
use parley_loadtest::verify::{Deployment, Report, verify};
use tokio::time::Instant;

use crate::{
    client::Person,
    setup::{PATIENT, Setup},
};

/// Live delivery after a fault has ended: 5 s (G14), times three.
pub(crate) const LIVE: Duration = Duration::from_secs(15);
/// What GUARANTEES.md calls "everything back": 60 s, of which a test machine may take three times as much.
const EVERYTHING_BACK: Duration = Duration::from_secs(180);

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    folder: tempfile::TempDir,
    people: AtomicU32,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with_brokers(Brokers::One).await
    }

    pub(crate) async fn with_brokers(brokers: Brokers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let env = PATIENT.map(|(name, rate)| (name.to_owned(), rate.to_owned())).to_vec();
        let config =
            ClusterConfig { brokers, env, parley_bin: PathBuf::from(env!("CARGO_BIN_EXE_parley")), ..ClusterConfig::new(folder.path().join("cluster")) };
        let cluster = Cluster::start(config).await.unwrap();
        println!("the cluster serves after {} ms", began.elapsed().as_millis());
        Self { cluster, folder, people: AtomicU32::new(0) }
    }

    /// Where people connect.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.cluster.web_addr().unwrap())
    }

    /// Straight to one gateway.
    pub(crate) fn gateway_url(&self, number: usize) -> String {
        format!("http://{}", self.cluster.gateways()[number].addr)
    }

    /// Somebody whom no other trial knows. What the trial before took away may still be coming back: then the answer says when to ask again.
    pub(crate) async fn person(&self) -> Person {
        let name = format!("person-{}", self.people.fetch_add(1, Ordering::Relaxed));
        let began = Instant::now();
        loop {
            match Person::try_sign_up(&self.url(), &name).await {
                Ok(person) => return person,
                Err((503, problem)) if problem["retry_after_ms"].is_u64() && began.elapsed() < LIVE => {
                    println!("a sign-up was answered 503, {} ms after the first try: {}", began.elapsed().as_millis(), problem["detail"]);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(refused) => panic!("{refused:?}"),
            }
        }
    }

    pub(crate) fn deployment(&self) -> Deployment {
        Deployment { log_url: self.cluster.log_url(), bus_url: self.cluster.redis().url(), store_url: self.cluster.postgres().url() }
    }

    /// Waits until all that a trial before may have ended is back.
    pub(crate) async fn whole(&self) {
        for service in self.cluster.services() {
            service.wait_ready().await.unwrap();
        }
    }

    /// Compares log, tables and Redis from beginning to end.
    pub(crate) async fn compare(&self, patience: Duration) -> Report {
        verify(&self.deployment(), patience).await.unwrap()
    }

    /// Everything is back, in time, and nothing differs.
    pub(crate) async fn assert_whole(&self) {
        let began = Instant::now();
        let report = self.compare(EVERYTHING_BACK).await;
        assert!(report.holds(), "{report}");
        println!("everything is stored and agrees {} ms later", began.elapsed().as_millis());
    }

    /// For files of a trial.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) async fn stop(self) {
        self.cluster.stop().await;
    }
}

/// The shared cluster as a set-up of conversations; dropped, it is whole again.
pub(crate) struct OnTheCluster<'a>(pub(crate) &'a World);

impl Setup for OnTheCluster<'_> {
    fn url(&self) -> String {
        self.0.gateway_url(0)
    }

    async fn second_url(&mut self) -> String {
        self.0.gateway_url(1)
    }

    async fn empty_bus(&self) {
        self.0.cluster.redis().flush_all().await.unwrap();
    }

    async fn stop_persister(&mut self) {
        self.0.cluster.down("persister-1").await.unwrap();
    }

    async fn drain_first_gateway(&mut self) {
        self.0.cluster.terminate("gateway-1").await.unwrap();
    }
}

impl Drop for OnTheCluster<'_> {
    fn drop(&mut self) {
        self.0.cluster.up("persister-1").unwrap();
    }
}
