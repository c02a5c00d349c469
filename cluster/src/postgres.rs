//! Postgres in a data folder of its own, durable as in production: `fsync` stays on, since kills are what it is here for.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    error::ClusterError,
    files,
    health::Probe,
    install::{self, Need, off_runtime},
    ports::PortLease,
    process::{self, ProcessId},
    service::{Service, ServiceSpec},
};

/// Owns everything; the product doesn't use it.
const ADMIN: &str = "postgres";
/// The product's role and database. No superuser, as in production.
const PRODUCT: &str = "parley";

/// A running Postgres.
#[derive(Debug)]
pub struct Postgres {
    service: Service,
    addr: SocketAddr,
    _port: PortLease,
}

impl Postgres {
    /// Makes the data folder if there is none, starts it, waits until it serves and has the role and the database `parley`.
    ///
    /// Postgres refuses to run as root and then runs as the user `postgres`, who has to get to the data: where `folder` lies in one that only its owner may
    /// pass (`/root`), `data` in it is a link to a folder in `/var/tmp`.
    pub async fn start(folder: &Path, port: Option<u16>) -> Result<Self, ClusterError> {
        let folder = files::make_folder(folder)?;
        let user = rustix::process::geteuid().is_root().then(|| ADMIN.to_owned());
        let data = off_runtime({
            let (folder, user) = (folder.clone(), user.clone());
            move || {
                install::ensure(&[Need::Setpriv, Need::Postgres])?;
                make_data(&folder, user.as_deref())
            }
        })
        .await?;
        let port = PortLease::take(port)?;
        let addr = port.addr();
        let mut spec = ServiceSpec::new("postgres", server_program("postgres")?, "/").args(["-D".as_ref(), data.as_os_str()]);
        for setting in settings(addr) {
            spec = spec.args(["-c", &setting]);
        }
        spec.log = folder.join("postgres.log");
        spec.user = user;
        spec.address = Some(addr);
        // Fast: open transactions are rolled back. The gentler SIGTERM would wait for every client to go by itself.
        spec.stop_signal = Signal::INT;
        spec.probe = Probe::Postgres { addr, pg_isready: server_program("pg_isready")? };
        spec.ready_deadline = Duration::from_secs(60);
        let postgres = Self { service: Service::start(spec)?, addr, _port: port };
        postgres.service.wait_ready().await?;
        postgres.make_product()?;
        Ok(postgres)
    }

    pub fn service(&self) -> &Service {
        &self.service
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// As `PARLEY_STORE_URL` has it.
    pub fn url(&self) -> String {
        self.database_url(PRODUCT)
    }

    /// Makes an empty database that the product's role owns, for a test that wants its own, and returns its URL. Blocks for a moment.
    pub fn create_database(&self, name: &str) -> Result<String, ClusterError> {
        self.sql(&format!("CREATE DATABASE \"{name}\" OWNER {PRODUCT}"))?;
        Ok(self.database_url(name))
    }

    /// The product's database at another address, where a proxy stands.
    pub fn product_url(addr: SocketAddr) -> String {
        format!("postgres://{PRODUCT}@{addr}/{PRODUCT}")
    }

    /// SIGKILL for one of the product's sessions, whatever it is doing: Postgres then ends all others and recovers. Its process number.
    pub fn kill_backend(&self) -> Result<u32, ClusterError> {
        let not_running = || ClusterError::NotRunning { name: "a session of Postgres'".to_owned() };
        let postmaster = self.service.pid().ok_or_else(not_running)?;
        let title = format!("postgres: {PRODUCT} ");
        let is_session = |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(title.as_bytes()));
        let sessions: Vec<_> = process::tree(postmaster).into_iter().filter(is_session).collect();
        let session = sessions.get(rand::random_range(0..sessions.len().max(1))).and_then(|pid| ProcessId::of(*pid)).ok_or_else(not_running)?;
        session.signal(Signal::KILL);
        Ok(session.pid)
    }

    fn database_url(&self, name: &str) -> String {
        format!("postgres://{PRODUCT}@{}/{name}", self.addr)
    }

    /// Finds them made if the data folder is not new.
    fn make_product(&self) -> Result<(), ClusterError> {
        self.sql(&format!(
            "SELECT 'CREATE ROLE {PRODUCT} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{PRODUCT}') \\gexec\n\
             SELECT 'CREATE DATABASE {PRODUCT} OWNER {PRODUCT}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{PRODUCT}') \\gexec\n"
        ))
    }

    /// Statements for `psql`, as the administrator.
    fn sql(&self, statements: &str) -> Result<(), ClusterError> {
        let mut command = Command::new(server_program("psql")?);
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", &self.addr.port().to_string(), "-U", ADMIN, "-d", "postgres"]);
        install::run_with_input(&mut command, statements)
    }
}

/// What differs from Postgres' defaults.
fn settings(addr: SocketAddr) -> [String; 7] {
    [
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={}", addr.port()),
        // Its default folder is Debian's own server's.
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        // Fewer checkpoints while 200 000 messages are imported.
        "max_wal_size=2GB".to_owned(),
        "shared_buffers=128MB".to_owned(),
        "fsync=on".to_owned(),
    ]
}

fn server_program(name: &str) -> Result<PathBuf, ClusterError> {
    install::postgres_program(name).ok_or_else(|| ClusterError::Missing { what: format!("Postgres' {name}"), command: "apt-get install postgresql".to_owned() })
}

/// `initdb`, unless it has been done. An attempt that was cut short is removed first.
fn make_data(folder: &Path, user: Option<&str>) -> Result<PathBuf, ClusterError> {
    let done = folder.join("initialised");
    let data = folder.join("data");
    if done.is_file() && data.join("PG_VERSION").is_file() {
        return Ok(data);
    }
    let place = place_of_data(folder, user.is_some());
    if place.exists() {
        fs::remove_dir_all(&place).map_err(ClusterError::io(place.display().to_string()))?;
    }
    fs::create_dir_all(&place).map_err(ClusterError::io(place.display().to_string()))?;
    if place != data {
        // A link that leads nowhere may be left from before.
        let _ = fs::remove_file(&data);
        symlink(&place, &data).map_err(ClusterError::io(data.display().to_string()))?;
    }
    let initdb = server_program("initdb")?;
    let mut command = match user {
        None => Command::new(initdb),
        Some(user) => {
            let mut chown = Command::new("chown");
            install::run(chown.arg(user).arg(&place))?;
            let mut command = Command::new("setpriv");
            command.args(["--reuid", user, "--regid", user, "--init-groups", "--"]).arg(initdb);
            command
        }
    };
    command.current_dir("/").arg("-D").arg(&data).args(["-U", ADMIN, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]);
    install::run(&mut command)?;
    files::write(&done, "")?;
    Ok(data)
}

fn place_of_data(folder: &Path, other_user: bool) -> PathBuf {
    if !other_user || files::passable_by_others(folder) {
        return folder.join("data");
    }
    let name: String = folder.to_string_lossy().chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
    let place = Path::new("/var/tmp").join(format!("parley{name}"));
    eprintln!("the user {ADMIN} may not pass through {}: Postgres' data goes to {}", folder.display(), place.display());
    place
}
