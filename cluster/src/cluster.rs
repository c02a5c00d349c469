//! Everything together: engines, then the schema, then the product's processes, then NGINX and Prometheus before and beside them.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use self::links::Links;
pub use crate::kafka::Brokers;
use crate::{
    error::ClusterError,
    files,
    install::off_runtime,
    kafka::{Door, Kafka, KafkaConfig},
    nginx::{Nginx, NginxConfig},
    ports::PortLease,
    postgres::Postgres,
    product::{Gateway, Persister, Product},
    prometheus::{Prometheus, Target},
    proxy::Proxy,
    redis::Redis,
    service::Service,
};

mod layout;
mod links;

/// Where the product appends.
const TOPIC: &str = "parley.events.v1";

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Of this cluster alone. What is in it is used again, if it is from one with as many brokers.
    pub data_dir: PathBuf,
    /// Ports are counted from here on; free ones are taken if there is none.
    pub port_base: Option<u16>,
    /// NGINX' port; 8080 or, without a base, a free one by default.
    pub web_port: Option<u16>,
    pub brokers: Brokers,
    pub gateways: usize,
    pub persisters: usize,
    pub nginx: bool,
    pub prometheus: bool,
    /// The product's binary.
    pub parley_bin: PathBuf,
    /// The built web app.
    pub web_dir: Option<PathBuf>,
    /// With wires that can be cut ([`Cluster::link`]).
    pub links: bool,
    /// More settings for the product's processes. Where the engines are and who listens where is decided here, whatever they say.
    pub env: Vec<(String, String)>,
    pub progress: Progress,
}

/// Is told what serves as soon as it does.
#[derive(Clone, Default)]
pub struct Progress(Option<Tell>);

type Tell = Arc<dyn Fn(&str) + Send + Sync>;

impl Progress {
    /// Calls `tell` with a line for people.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(tell)))
    }

    fn tell(&self, line: &str) {
        if let Some(tell) = &self.0 {
            tell(line);
        }
    }

    fn serves(&self, service: &Service) {
        let at = service.spec().address.map(|addr| format!(" at {addr}")).unwrap_or_default();
        self.tell(&format!("{} serves{at}", service.name()));
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}

impl ClusterConfig {
    /// One broker, two gateways, one persister, NGINX, no Prometheus, free ports; the binary `parley` that was built beside the running program.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            port_base: None,
            web_port: None,
            brokers: Brokers::One,
            gateways: 2,
            persisters: 1,
            nginx: true,
            prometheus: false,
            parley_bin: parley_beside_this(),
            web_dir: None,
            links: false,
            env: Vec::new(),
            progress: Progress::default(),
        }
    }
}

/// Cargo puts binaries into a profile's folder and tests into `deps` in it.
fn parley_beside_this() -> PathBuf {
    let this = std::env::current_exe().unwrap_or_default();
    let folder = this.parent().unwrap_or(Path::new("."));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    folder.join("parley")
}

/// A running cluster. Dropping it stops everything, those who use others first, and blocks until that is done.
#[derive(Debug)]
pub struct Cluster {
    nginx: Option<Nginx>,
    gateways: Vec<Gateway>,
    persisters: Vec<Persister>,
    prometheus: Option<Prometheus>,
    kafka: Kafka,
    redis: Redis,
    postgres: Postgres,
    product: Product,
    links: Links,
    data_dir: PathBuf,
    _lock: File,
}

impl Cluster {
    /// Starts everything and returns once all of it serves. What was started is stopped again if something fails.
    pub async fn start(config: ClusterConfig) -> Result<Self, ClusterError> {
        let data_dir = files::make_folder(&config.data_dir)?;
        let lock = lock(&data_dir)?;
        let (mut links, doors) = Links::before_kafka(&config).await?;
        let (kafka, redis, postgres) = start_engines(&config, &data_dir, doors).await?;
        links.link_engines(&config, redis.addr(), postgres.addr()).await?;
        let product = product(&config, &data_dir, &kafka, &redis, &postgres)?;
        let mut cluster =
            Self { nginx: None, gateways: Vec::new(), persisters: Vec::new(), prometheus: None, kafka, redis, postgres, product, links, data_dir, _lock: lock };
        cluster.start_product(&config).await?;
        cluster.start_beside(&config).await?;
        for process in cluster.product_services() {
            process.wait_ready().await?;
            config.progress.serves(process);
        }
        Ok(cluster)
    }

    async fn start_product(&mut self, config: &ClusterConfig) -> Result<(), ClusterError> {
        if config.gateways + config.persisters == 0 {
            return Ok(());
        }
        let (product, folder) = (self.product.clone(), self.data_dir.join("migrate"));
        off_runtime(move || product.migrate(&folder)).await?;
        config.progress.tell("topic and schema are made");
        for number in 1..=config.persisters {
            let (name, port) = (format!("persister-{number}"), PortLease::take(layout::persister(config, number))?);
            let product = self.product.with(self.links.env(&name));
            self.persisters.push(product.persister(&self.data_dir.join(&name), &name, port)?);
        }
        for number in 1..=config.gateways {
            let name = format!("gateway-{number}");
            let (addr, admin) = layout::gateway(config, number);
            let ports = [PortLease::take(addr)?, PortLease::take(admin)?];
            let product = self.product.with(self.links.env(&name));
            self.gateways.push(product.gateway(&self.data_dir.join(&name), &name, ports)?);
        }
        Ok(())
    }

    async fn start_beside(&mut self, config: &ClusterConfig) -> Result<(), ClusterError> {
        if config.nginx {
            let mut gateways = Vec::new();
            for gateway in &self.gateways {
                gateways.push(self.links.link_gateway(config, gateway.service.name(), gateway.addr).await?);
            }
            let nginx = NginxConfig { port: layout::web(config), gateways, web_dir: config.web_dir.clone(), trusted_proxies: Vec::new() };
            let nginx = Nginx::start(&self.data_dir.join("nginx"), &nginx).await?;
            config.progress.serves(nginx.service());
            self.nginx = Some(nginx);
        }
        if config.prometheus {
            let prometheus = Prometheus::start(&self.data_dir.join("prometheus"), layout::prometheus(config), &self.targets()).await?;
            config.progress.serves(prometheus.service());
            self.prometheus = Some(prometheus);
        }
        Ok(())
    }

    /// Stops everything without holding up the runtime.
    pub async fn stop(self) {
        // Only a panic in a drop could be reported here, and nothing there panics.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    /// Every service, engines first.
    pub fn services(&self) -> Vec<&Service> {
        let engines = self.kafka.services().iter().chain([self.redis.service(), self.postgres.service()]);
        let beside = self.nginx.iter().map(Nginx::service).chain(self.prometheus.iter().map(Prometheus::service));
        engines.chain(self.product_services()).chain(beside).collect()
    }

    /// By name: `kafka-1`, `redis`, `postgres`, `persister-1`, `gateway-1`, `nginx`, `prometheus`.
    pub fn service(&self, name: &str) -> Result<&Service, ClusterError> {
        let services = self.services();
        services
            .iter()
            .find(|service| service.name() == name)
            .copied()
            .ok_or_else(|| ClusterError::Unknown { name: name.to_owned(), known: services.iter().map(|service| service.name()).collect::<Vec<_>>().join(", ") })
    }

    fn product_services(&self) -> impl Iterator<Item = &Service> {
        let persisters = self.persisters.iter().map(|persister| &persister.service);
        persisters.chain(self.gateways.iter().map(|gateway| &gateway.service))
    }

    /// See [`Service::kill9`].
    pub fn kill9(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name)?.kill9()
    }

    /// See [`Service::terminate`].
    pub async fn terminate(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name)?.terminate().await
    }

    /// See [`Service::pause`].
    pub fn pause(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name)?.pause()
    }

    /// See [`Service::resume`].
    pub fn resume(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name)?.resume()
    }

    /// See [`Service::restart`].
    pub async fn restart(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name)?.restart().await
    }

    /// See [`Service::unsupervise`].
    pub fn unsupervise(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name).map(Service::unsupervise)
    }

    /// See [`Service::down`].
    pub async fn down(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name)?.down().await
    }

    /// See [`Service::up`].
    pub fn up(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name).map(Service::up)
    }

    /// See [`Service::wait_ready`].
    pub async fn wait_ready(&self, name: &str) -> Result<(), ClusterError> {
        self.service(name)?.wait_ready().await
    }

    /// Where people connect: NGINX, or without one the first gateway.
    pub fn web_addr(&self) -> Option<SocketAddr> {
        self.nginx.as_ref().map(Nginx::addr).or_else(|| self.gateways.first().map(|gateway| gateway.addr))
    }

    pub fn gateways(&self) -> &[Gateway] {
        &self.gateways
    }

    pub fn persisters(&self) -> &[Persister] {
        &self.persisters
    }

    pub fn kafka(&self) -> &Kafka {
        &self.kafka
    }

    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    pub fn nginx(&self) -> Option<&Nginx> {
        self.nginx.as_ref()
    }

    pub fn prometheus(&self) -> Option<&Prometheus> {
        self.prometheus.as_ref()
    }

    /// Every wire that can be cut, with [`ClusterConfig::links`]: `gateway-1~kafka-1`, `gateway-1~redis`, `persister-1~postgres`, `nginx~gateway-1`.
    pub fn links(&self) -> &[Proxy] {
        &self.links.proxies
    }

    /// One of them, by name.
    pub fn link(&self, name: &str) -> Result<&Proxy, ClusterError> {
        let known = || self.links().iter().map(Proxy::name).collect::<Vec<_>>().join(", ");
        self.links().iter().find(|link| link.name() == name).ok_or_else(|| ClusterError::Unknown { name: name.to_owned(), known: known() })
    }

    /// The settings that every process of the product has; for one more of them, or a command of its operators.
    pub fn product(&self) -> &Product {
        &self.product
    }

    /// As `PARLEY_LOG_URL` has it.
    pub fn log_url(&self) -> String {
        self.kafka.url(TOPIC)
    }

    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    fn targets(&self) -> Vec<Target> {
        let target = |service: &Service, role, addr| Target { process: service.name().to_owned(), role, addr };
        let gateways = self.gateways.iter().map(|gateway| target(&gateway.service, "gateway", gateway.admin));
        gateways.chain(self.persisters.iter().map(|persister| target(&persister.service, "persister", persister.admin))).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nginx = None;
        self.product_services().for_each(Service::begin_to_end);
        self.prometheus = None;
        self.gateways.clear();
        self.persisters.clear();
        // The engines then end at the same time, each in its own time.
        for engine in self.services() {
            engine.begin_to_end();
        }
    }
}

async fn start_engines(config: &ClusterConfig, data_dir: &Path, doors: Vec<Vec<Door>>) -> Result<(Kafka, Redis, Postgres), ClusterError> {
    let kafka = KafkaConfig { brokers: config.brokers, ports: layout::kafka(config), doors };
    let (redis, postgres) = (data_dir.join("redis"), data_dir.join("postgres"));
    let progress = &config.progress;
    tokio::try_join!(
        async {
            let kafka = Kafka::start(data_dir, &kafka).await?;
            kafka.services().iter().for_each(|service| progress.serves(service));
            Ok(kafka)
        },
        async { Redis::start(&redis, layout::redis(config)).await.inspect(|redis| progress.serves(redis.service())) },
        async { Postgres::start(&postgres, layout::postgres(config)).await.inspect(|postgres| progress.serves(postgres.service())) },
    )
}

fn product(config: &ClusterConfig, data_dir: &Path, kafka: &Kafka, redis: &Redis, postgres: &Postgres) -> Result<Product, ClusterError> {
    let mut env = config.env.clone();
    env.extend([
        ("PARLEY_LOG_URL".to_owned(), kafka.url(TOPIC)),
        ("PARLEY_BUS_URL".to_owned(), redis.url()),
        ("PARLEY_STORE_URL".to_owned(), postgres.url()),
        ("PARLEY_TOKEN_KEY".to_owned(), token_key(data_dir)?),
    ]);
    if config.brokers == Brokers::Three {
        env.extend([("PARLEY_LOG_REPLICATION", "3"), ("PARLEY_LOG_MIN_INSYNC", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    if let Some(web_dir) = &config.web_dir {
        let web_dir = fs::canonicalize(web_dir).map_err(ClusterError::io(web_dir.display().to_string()))?;
        env.push(("PARLEY_WEB_DIR".to_owned(), web_dir.display().to_string()));
    }
    Ok(Product { program: config.parley_bin.clone(), env })
}

/// One secret for all gateways, kept with the data: tokens outlive a restart of the cluster.
fn token_key(data_dir: &Path) -> Result<String, ClusterError> {
    let path = data_dir.join("token.key");
    if let Ok(key) = fs::read_to_string(&path) {
        return Ok(key);
    }
    let key = hex::encode(rand::random::<[u8; 32]>());
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).and_then(|mut file| file.write_all(key.as_bytes()));
    made.map(|()| key).map_err(ClusterError::io(path.display().to_string()))
}

/// Two clusters on one folder would destroy each other's data.
fn lock(data_dir: &Path) -> Result<File, ClusterError> {
    let path = data_dir.join("lock");
    let file = File::create(&path).map_err(ClusterError::io(path.display().to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ClusterError::DataFolder { folder: data_dir.to_owned(), why: "belongs to a cluster that runs".to_owned() }),
        Err(TryLockError::Error(source)) => Err(ClusterError::Io { what: path.display().to_string(), source }),
    }
}
