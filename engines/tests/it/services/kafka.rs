//! A one-node Kafka of the tests' own: the cluster's speaks no TLS and asks nobody for a password.

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use parley_cluster::{
    Service,
    health::Probe,
    install::{self, Need},
    kafka::jars,
    ports::PortLease,
    service::ServiceSpec,
};
use parley_engines::log::kafka::{KafkaConfig, KafkaLog, TopicPlan};
use tempfile::TempDir;

use super::{data_folder, run};

const STORE_PASSWORD: &str = "only-for-tests";
const USER: &str = "parley";

const PASSWORD: &str = "p@ss:w/rd";

/// The password of whoever may sign in over TLS, as it stands in an URL.
pub(crate) const PASSWORD_ENCODED: &str = "p%40ss%3Aw%2Frd";

#[derive(Debug)]
pub(crate) struct KafkaServer {
    service: Service,
    addr: SocketAddr,
    tls_addr: SocketAddr,
    folder: TempDir,
    _ports: [PortLease; 3],
}

impl KafkaServer {
    /// The one that tests share which do it no harm.
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: tokio::sync::OnceCell<KafkaServer> = tokio::sync::OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of the caller's own.
    pub(crate) async fn start() -> Self {
        let started = tokio::task::spawn_blocking(|| {
            install::ensure(&[Need::Setpriv, Need::Java]).unwrap();
            let folder = data_folder();
            let ports = std::array::from_fn(|_| PortLease::free().unwrap());
            let [addr, tls_addr, controller] = ports.each_ref().map(PortLease::addr);
            make_certificate(folder.path());
            std::fs::write(folder.path().join("server.properties"), properties(addr, tls_addr, controller, folder.path())).unwrap();
            std::fs::write(folder.path().join("log4j2.yaml"), LOGGING).unwrap();
            let scram = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
            run(Command::new("java")
                .args(jvm_arguments(folder.path()))
                .args(["kafka.tools.StorageTool", "format", "--standalone", "-t", "Zl7aJvN9QF2L0Y4nF0Wc3A", "--add-scram", &scram, "-c"])
                .arg(folder.path().join("server.properties")));
            let service = Service::start(spec(folder.path(), addr)).unwrap();
            Self { service, addr, tls_addr, folder, _ports: ports }
        });
        let server = started.await.unwrap();
        server.service.wait_ready().await.unwrap();
        server
    }

    pub(crate) fn hosts(&self) -> String {
        self.addr.to_string()
    }

    /// The settings for a topic on it.
    pub(crate) fn config(&self, topic: &str) -> KafkaConfig {
        KafkaConfig::from_url(&format!("kafka://{}/{topic}", self.hosts())).unwrap()
    }

    /// The same topic over TLS, signed in with this password, as its URL.
    pub(crate) fn tls_url(&self, topic: &str, password: &str) -> String {
        let authorities = self.folder.path().join("authorities.pem");
        format!("kafka+ssl://{USER}:{password}@{}/{topic}?authorities={}", self.tls_addr, authorities.display())
    }

    /// A new topic with two partitions.
    pub(crate) async fn topic(&self) -> KafkaConfig {
        let config = self.config(&format!("test-{}", uuid::Uuid::new_v4()));
        assert_eq!(KafkaLog::create_topic(&config, TopicPlan { partitions: 2, replication: 1, min_insync_replicas: 1 }).await, Ok(true));
        config
    }

    pub(crate) fn kill(&self) {
        super::kill(&self.service);
    }

    /// Starts it again on what it had.
    pub(crate) async fn restart(&self) {
        super::restart(&self.service).await;
    }
}

/// Default sessions would keep a killed broker from coming back for nine seconds.
fn properties(addr: SocketAddr, tls_addr: SocketAddr, controller: SocketAddr, folder: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
listeners=PLAINTEXT://{addr},SASL_SSL://{tls_addr},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{addr},SASL_SSL://{tls_addr},CONTROLLER://{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PKCS12
ssl.keystore.location={}
ssl.keystore.password={STORE_PASSWORD}
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=8388608
",
        folder.join("keys.p12").display(),
        folder.join("data").display()
    )
}

const LOGGING: &str = "Configuration:
  status: warn
  Appenders:
    Console:
      name: out
      target: SYSTEM_OUT
      PatternLayout:
        pattern: '%d %p %c %m%n'
  Loggers:
    Root:
      level: warn
      AppenderRef:
        ref: out
";

/// The broker's certificate, and for its clients whom to trust.
fn make_certificate(folder: &Path) {
    let keytool = || {
        let mut command = Command::new("keytool");
        command.current_dir(folder).args(["-keystore", "keys.p12", "-storetype", "PKCS12", "-storepass", STORE_PASSWORD, "-alias", "broker"]);
        command
    };
    run(keytool().args(["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", "CN=broker", "-ext", "SAN=IP:127.0.0.1", "-validity", "2"]));
    run(keytool().args(["-exportcert", "-rfc", "-file", "authorities.pem"]));
}

fn jvm_arguments(folder: &Path) -> [String; 7] {
    let logging = format!("-Dlog4j2.configurationFile={}", folder.join("log4j2.yaml").display());
    let jars = format!("{}/*", jars::ensure().unwrap().display());
    ["-Xms192m", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", &logging, "-cp", &jars].map(str::to_owned)
}

fn spec(folder: &Path, addr: SocketAddr) -> ServiceSpec {
    let mut spec = ServiceSpec::new("kafka", "java", folder).args(jvm_arguments(folder));
    spec = spec.args(["kafka.Kafka".as_ref(), folder.join("server.properties").as_os_str()]);
    spec.probe = Probe::Kafka(addr);
    spec.ready_deadline = Duration::from_secs(90);
    // Nobody needs its data afterwards.
    spec.stop_deadline = Duration::ZERO;
    spec
}
