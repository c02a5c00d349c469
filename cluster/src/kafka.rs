//! Kafka in KRaft mode: one node, or three with replication 3 of which two must agree, so that the loss of one can be tested.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio::time::Instant;

use self::properties::NodePorts;
use crate::{
    error::ClusterError,
    files,
    health::{self, Probe},
    install::{self, Need, off_runtime},
    ports::PortLease,
    service::{Service, ServiceSpec},
};

pub mod jars;
mod properties;

/// How long brokers that serve may take to see each other.
const COMPLETE_DEADLINE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// How many nodes, and where.
#[derive(Debug, Clone, Default)]
pub struct KafkaConfig {
    pub brokers: Brokers,
    /// The clients' and the controller's port of each node; free ones for those that are not given.
    pub ports: Vec<(u16, u16)>,
    /// More listeners of each node.
    pub doors: Vec<Vec<Door>>,
}

/// One more listener of a broker. Who comes through it is told to come to another port from then on, where a proxy may stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    /// Upper case, digits and `_`.
    pub name: String,
    pub port: u16,
    pub advertised: u16,
}

/// The sizes that make sense on one machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Brokers {
    #[default]
    One,
    Three,
}

impl Brokers {
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }

    /// Java's heap of each, in MiB.
    fn heap_mib(self) -> u32 {
        match self {
            Self::One => 256,
            Self::Three => 192,
        }
    }
}

/// Running brokers.
#[derive(Debug)]
pub struct Kafka {
    services: Vec<Service>,
    addrs: Vec<SocketAddr>,
    _ports: Vec<PortLease>,
}

/// What all nodes share.
#[derive(Debug)]
struct Layout {
    jars: PathBuf,
    cluster_id: String,
    brokers: Brokers,
    nodes: Vec<NodePorts>,
    doors: Vec<Vec<Door>>,
}

impl Kafka {
    /// Formats the data folders if they are new, starts the nodes, waits until each sees all of them.
    pub async fn start(folder: &Path, config: &KafkaConfig) -> Result<Self, ClusterError> {
        let folder = files::make_folder(folder)?;
        let jars = off_runtime(|| {
            install::ensure(&[Need::Setpriv, Need::Java])?;
            jars::ensure()
        })
        .await?;
        let (ports, nodes) = lease(config)?;
        let layout = Layout { jars, cluster_id: cluster_id(&folder, config.brokers)?, brokers: config.brokers, nodes, doors: config.doors.clone() };
        let specs = off_runtime(move || {
            std::thread::scope(|scope| {
                // Each format is a second of Java; side by side they cost little more.
                let layout = &layout;
                let prepared: Vec<_> = layout
                    .nodes
                    .iter()
                    .map(|node| {
                        scope.spawn({
                            let folder = folder.join(format!("kafka-{}", node.id));
                            move || prepare(&folder, *node, layout)
                        })
                    })
                    .collect();
                prepared.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect::<Result<Vec<_>, _>>()
            })
        })
        .await?;
        let addrs = specs.iter().filter_map(|spec| spec.address).collect();
        let services = specs.into_iter().map(Service::start).collect::<Result<_, _>>()?;
        let kafka = Self { services, addrs, _ports: ports };
        kafka.wait_complete().await?;
        Ok(kafka)
    }

    /// Returns once every broker serves and knows all others to be alive.
    pub async fn wait_complete(&self) -> Result<(), ClusterError> {
        for (service, addr) in self.services.iter().zip(&self.addrs) {
            service.wait_ready().await?;
            let until = Instant::now() + COMPLETE_DEADLINE;
            while health::kafka::brokers(*addr).await.map_or(0, |alive| alive.len()) < self.services.len() {
                if Instant::now() >= until {
                    let why = "it does not see all other brokers".to_owned();
                    return Err(ClusterError::NotReady { name: service.name().to_owned(), after: COMPLETE_DEADLINE, why, log: String::new() });
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(())
    }

    /// By node: `kafka-1` is first.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    pub fn addrs(&self) -> &[SocketAddr] {
        &self.addrs
    }

    /// `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.addrs.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }

    /// As `PARLEY_LOG_URL` has it.
    pub fn url(&self, topic: &str) -> String {
        format!("kafka://{}/{topic}", self.bootstrap())
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.services.iter().for_each(Service::begin_to_end);
    }
}

fn lease(config: &KafkaConfig) -> Result<(Vec<PortLease>, Vec<NodePorts>), ClusterError> {
    let mut leases = Vec::new();
    let mut nodes = Vec::new();
    for index in 0..config.brokers.count() {
        let (clients, controller) = config.ports.get(index).copied().unzip();
        let (clients, controller) = (PortLease::take(clients)?, PortLease::take(controller)?);
        nodes.push(NodePorts { id: index + 1, clients: clients.port(), controller: controller.port() });
        leases.extend([clients, controller]);
    }
    Ok((leases, nodes))
}

/// Made with the folder. A folder of one broker can't become one of three, nor the other way round: the log's replicas would be missing.
fn cluster_id(folder: &Path, brokers: Brokers) -> Result<String, ClusterError> {
    let file = folder.join(format!("kafka-cluster-id-{}", brokers.count()));
    let other = folder.join(format!("kafka-cluster-id-{}", if brokers == Brokers::One { 3 } else { 1 }));
    if other.is_file() {
        return Err(ClusterError::DataFolder {
            folder: folder.to_owned(),
            why: "was made for another number of brokers; remove it, or choose another".to_owned(),
        });
    }
    if let Ok(id) = fs::read_to_string(&file) {
        return Ok(id);
    }
    // Kafka's ids are 16 bytes in base64; 22 characters of hex are among them.
    let id = hex::encode(rand::random::<[u8; 11]>());
    files::write(&file, &id)?;
    Ok(id)
}

/// Writes the settings, and formats unless that has been done.
fn prepare(folder: &Path, node: NodePorts, layout: &Layout) -> Result<ServiceSpec, ClusterError> {
    let folder = files::make_folder(folder)?;
    let (settings, logging) = (folder.join("server.properties"), folder.join("log4j2.yaml"));
    let data = folder.join("data");
    files::write(&settings, &properties::of(node, &layout.nodes, &data, layout.doors.get(node.id - 1).map_or(&[], Vec::as_slice)))?;
    files::write(&logging, include_str!("kafka/log4j2.yaml"))?;
    let class_path = layout.jars.join("*");
    let logging = format!("-Dlog4j2.configurationFile={}", logging.display());
    if !data.join("meta.properties").is_file() {
        let mut format = Command::new("java");
        // It runs for a second: compiling it well would take longer.
        format.args(["-Xmx128m", "-XX:TieredStopAtLevel=1", &logging, "-cp"]).arg(&class_path);
        install::run(format.args(["kafka.tools.StorageTool", "format", "-t", &layout.cluster_id, "-c"]).arg(&settings))?;
    }
    let heap = layout.brokers.heap_mib();
    let mut spec = ServiceSpec::new(format!("kafka-{}", node.id), "java", folder)
        .args([format!("-Xms{heap}m"), format!("-Xmx{heap}m"), "-XX:+ExitOnOutOfMemoryError".to_owned(), logging, "-cp".to_owned()])
        .args([class_path.as_os_str(), "kafka.Kafka".as_ref(), settings.as_os_str()]);
    let addr = SocketAddr::from(([127, 0, 0, 1], node.clients));
    spec.address = Some(addr);
    spec.probe = Probe::Kafka(addr);
    spec.ready_deadline = Duration::from_secs(90);
    // Long enough to hand over and to close the log's files; three nodes that go at once have nobody to hand over to.
    spec.stop_deadline = Duration::from_secs(6);
    Ok(spec)
}
