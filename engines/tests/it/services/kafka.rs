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

use super::{Process, folder, free_port, require, run, wait_until_up};

const VERSION: &str = "4.3.0";

#[derive(Debug)]
pub(crate) struct KafkaServer {
    port: u16,
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
            let folder = tempfile::tempdir_in(folder()).unwrap();
            let (port, controller_port) = (free_port(), free_port());
            std::fs::write(folder.path().join("server.properties"), properties(port, controller_port, folder.path())).unwrap();
            std::fs::write(folder.path().join("log4j2.yaml"), LOGGING).unwrap();
            run(java(folder.path())
                .args(["kafka.tools.StorageTool", "format", "--standalone", "-t", "Zl7aJvN9QF2L0Y4nF0Wc3A", "-c"])
                .arg(folder.path().join("server.properties")));
            let process = launch(folder.path());
            Self { port, process, folder }
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
fn properties(port: u16, controller_port: u16, folder: &Path) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
controller.listener.names=CONTROLLER
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
