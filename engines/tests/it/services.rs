//! Real servers for the tests: Redis from Debian, Kafka's jars from Maven, on free loopback ports, with data that goes with them. A server ends when its
//! handle is dropped, and in any case with the process that runs the tests.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

pub(crate) mod kafka;
pub(crate) mod postgres;
pub(crate) mod redis;

const UP_DEADLINE: Duration = Duration::from_secs(60);

/// A server process.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts `program`, whose output goes to `log`. It dies with this process: `setpriv` asks the kernel for that, and the kernel looks at the thread that
    /// started it, so that a thread of its own does and then waits for ever.
    fn start(program: &str, arguments: Vec<String>, log: PathBuf) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]).args(arguments).stdin(Stdio::null());
        let output = std::fs::File::create(log).unwrap();
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let (sender, started) = mpsc::channel();
        thread::spawn(move || {
            sender.send(command.spawn().unwrap()).unwrap();
            loop {
                thread::park();
            }
        });
        Self(started.recv().unwrap())
    }

    /// `kill -9`, and waits until it is gone.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where what was downloaded is kept, and where the servers' data lies while they run.
fn folder() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("services");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A folder for one server's data. What processes left behind that are gone is taken away first: servers that tests share outlive their handles.
fn data_folder() -> TempDir {
    static SWEPT: OnceLock<()> = OnceLock::new();
    SWEPT.get_or_init(|| {
        for entry in std::fs::read_dir(folder()).unwrap().flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.strip_prefix("run-")?.split('-').next());
            if owner.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
                // Another process may be quicker.
                let _gone = std::fs::remove_dir_all(entry.path());
            }
        }
    });
    tempfile::Builder::new().prefix(&format!("run-{}-", std::process::id())).tempdir_in(folder()).unwrap()
}

/// Waits until `is_up` says so.
async fn wait_until_up(what: &str, mut is_up: impl AsyncFnMut() -> bool) {
    let began = began();
    while !is_up().await {
        assert!(began.elapsed() < UP_DEADLINE, "{what} does not come up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the servers' time goes on where Tokio's is paused")]
fn began() -> Instant {
    Instant::now()
}

/// Runs a command of an installation to its end.
fn run(command: &mut Command) {
    println!("installing: {command:?}");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Installs Debian packages where `program` is missing.
fn require(program: &str, package: &str) {
    let is_there = |program: &str| std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).exists());
    if is_there(program) {
        return;
    }
    run(Command::new("apt-get").args(["install", "--yes", "--no-install-recommends", package]).env("DEBIAN_FRONTEND", "noninteractive"));
    assert!(is_there(program), "{package} brings no {program}; install it by hand: apt-get install {package}");
}
