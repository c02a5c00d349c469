//! A one-node Kafka of the tests' own, without a container.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use parley_engines::log::kafka::{KafkaConfig, KafkaLog, TopicPlan};
use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer},
};
use tempfile::TempDir;

use super::{Process, data_folder, folder, free_port, require, run, wait_until_up};

const VERSION: &str = "4.3.0";
const STORE_PASSWORD: &str = "only-for-tests";
const USER: &str = "parley";

const PASSWORD: &str = "p@ss:w/rd";

/// The password of whoever may sign in over TLS, as it stands in an URL.
pub(crate) const PASSWORD_ENCODED: &str = "p%40ss%3Aw%2Frd";

#[derive(Debug)]
pub(crate) struct KafkaServer {
    port: u16,
    tls_port: u16,
    process: Process,
    folder: TempDir,
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
            jars();
            let folder = data_folder();
            let [port, tls_port, controller_port] = [free_port(), free_port(), free_port()];
            make_certificate(folder.path());
            std::fs::write(folder.path().join("server.properties"), properties(port, tls_port, controller_port, folder.path())).unwrap();
            std::fs::write(folder.path().join("log4j2.yaml"), LOGGING).unwrap();
            let scram = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
            run(java(folder.path())
                .args(["kafka.tools.StorageTool", "format", "--standalone", "-t", "Zl7aJvN9QF2L0Y4nF0Wc3A", "--add-scram", &scram, "-c"])
                .arg(folder.path().join("server.properties")));
            let process = launch(folder.path());
            Self { port, tls_port, process, folder }
        });
        let server = started.await.unwrap();
        server.wait().await;
        server
    }

    pub(crate) fn hosts(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The settings for a topic on it.
    pub(crate) fn config(&self, topic: &str) -> KafkaConfig {
        KafkaConfig::from_url(&format!("kafka://{}/{topic}", self.hosts())).unwrap()
    }

    /// The same topic over TLS, signed in with this password, as its URL.
    pub(crate) fn tls_url(&self, topic: &str, password: &str) -> String {
        let authorities = self.folder.path().join("authorities.pem");
        format!("kafka+ssl://{USER}:{password}@127.0.0.1:{}/{topic}?authorities={}", self.tls_port, authorities.display())
    }

    /// A new topic with two partitions.
    pub(crate) async fn topic(&self) -> KafkaConfig {
        let config = self.config(&format!("test-{}", uuid::Uuid::new_v4()));
        assert_eq!(KafkaLog::create_topic(&config, TopicPlan { partitions: 2, replication: 1, min_insync_replicas: 1 }).await, Ok(true));
        config
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on what it had.
    pub(crate) async fn restart(&mut self) {
        self.process = launch(self.folder.path());
        self.wait().await;
    }

    /// The port opens before the node serves.
    async fn wait(&self) {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.hosts()).set("reconnect.backoff.max.ms", "100").set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
        let client: &'static BaseConsumer = Box::leak(Box::new(client.create().unwrap()));
        wait_until_up("Kafka", async || {
            let asked = tokio::task::spawn_blocking(|| client.fetch_metadata(None, Duration::from_millis(500)));
            asked.await.unwrap().is_ok_and(|metadata| !metadata.brokers().is_empty())
        })
        .await;
    }
}

/// Default sessions would keep a killed broker from coming back for nine seconds.
fn properties(port: u16, tls_port: u16, controller_port: u16, folder: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{tls_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},SASL_SSL://127.0.0.1:{tls_port},CONTROLLER://127.0.0.1:{controller_port}
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

/// Java with Kafka's jars.
fn java(folder: &Path) -> Command {
    let mut command = Command::new("java");
    command.args(jvm_arguments(folder));
    command
}

fn jvm_arguments(folder: &Path) -> Vec<String> {
    let logging = format!("-Dlog4j2.configurationFile={}", folder.join("log4j2.yaml").display());
    let jars = format!("{}/*", jars().display());
    ["-Xms192m", "-Xmx192m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", &logging, "-cp", &jars].map(str::to_owned).to_vec()
}

fn launch(folder: &Path) -> Process {
    let mut arguments = jvm_arguments(folder);
    arguments.extend(["kafka.Kafka".to_owned(), folder.join("server.properties").display().to_string()]);
    Process::start("java", arguments, folder.join("log"))
}

/// Kafka's jars, fetched once.
fn jars() -> PathBuf {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(|| {
        require("java", "openjdk-17-jre-headless");
        let jars = folder().join(format!("kafka-{VERSION}"));
        if !jars.exists() {
            require("mvn", "maven");
            let making = tempfile::tempdir_in(folder()).unwrap();
            std::fs::write(making.path().join("pom.xml"), pom()).unwrap();
            let fetched = making.path().join("jars");
            run(Command::new("mvn")
                .args(["--batch-mode", "--quiet", "dependency:copy-dependencies", "-DincludeScope=runtime"])
                .arg(format!("-DoutputDirectory={}", fetched.display()))
                .current_dir(making.path()));
            // As a whole or not at all; another process may have been quicker.
            assert!(std::fs::rename(&fetched, &jars).is_ok() || jars.exists());
        }
        jars
    })
    .clone()
}

fn pom() -> String {
    let dependencies = [
        ("org.apache.kafka", "kafka_2.13", VERSION),
        ("org.apache.kafka", "kafka-tools", VERSION),
        ("org.apache.logging.log4j", "log4j-core", "2.24.3"),
        ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3"),
    ]
    .map(|(group, artifact, version)| {
        format!("<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>")
    })
    .concat();
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>parley</groupId><artifactId>kafka</artifactId><version>1</version>\
         <dependencies>{dependencies}</dependencies></project>"
    )
}
