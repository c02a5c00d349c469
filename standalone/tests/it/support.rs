//! The real binary on a folder of its own, which a test can kill and start again at the same address.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use crate::setup::PATIENT;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, SqliteConnection};
use tokio::time::Instant;

/// How long the process may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `parley`. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Parley {
    folder: PathBuf,
    child: Child,
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    pub(crate) admin_url: String,
}

impl Parley {
    /// Starts on `folder` at any free port, and waits until it is ready.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with these settings.
    pub(crate) fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Self {
        Self::spawn(folder, command(folder).envs(settings.iter().copied()))
    }

    /// The same, with its log lines in this file.
    pub(crate) fn start_logged(folder: &Path, settings: &[(&str, &str)], log: &Path) -> Self {
        Self::spawn(folder, command(folder).envs(settings.iter().copied()).stderr(File::create(log).unwrap()))
    }

    /// What [`command`] made of the folder, with more settings.
    pub(crate) fn spawn(folder: &Path, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut address = |what: &str| {
            let line = lines.find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("it ended before it said \"{what}\""));
            line[what.len()..].trim().to_owned()
        };
        let (url, admin_url) = (address("listening on "), address("admin listener on "));
        // Whatever it prints later must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        let parley = Self { folder: folder.to_owned(), child, url, admin_url };
        let deadline = Instant::now() + PATIENCE;
        while parley.admin("/readyz").is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "not ready in time");
            std::thread::sleep(Duration::from_millis(20));
        }
        parley
    }

    /// A GET on the admin listener: status and body.
    pub(crate) fn admin(&self, path: &str) -> Option<(u16, String)> {
        use std::io::{Read, Write};
        let address = self.admin_url.strip_prefix("http://")?;
        let mut stream = std::net::TcpStream::connect(address).ok()?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        Some((status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()))
    }

    /// The process's resident memory.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Ends it, and it says that it ended as it should. The test's runtime has threads, and goes on meanwhile.
    pub(crate) fn end(&mut self) {
        assert!(tokio::task::block_in_place(|| self.terminate()).success());
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end in time");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts again: the same folder, the same address.
    pub(crate) fn start_again(&mut self) {
        let listen = self.url.strip_prefix("http://").unwrap().to_owned();
        let folder = self.folder.clone();
        *self = Self::spawn(&folder, command(&folder).env("PARLEY_LISTEN", listen));
    }
}

impl Drop for Parley {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary on this folder, with nothing of this process's own settings.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parley"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PARLEY_")) {
        command.env_remove(name);
    }
    command.env("PARLEY_DATA_DIR", folder).env("PARLEY_LISTEN", "127.0.0.1:0").env("PARLEY_ADMIN_LISTEN", "127.0.0.1:0").stderr(Stdio::null());
    command.envs(PATIENT);
    command
}

/// One number out of a database that a process is at work on; 0 while it, or the table, is not there.
pub(crate) async fn count(database: &Path, select: &'static str) -> u64 {
    let Ok(mut connection) = SqliteConnection::connect(&format!("sqlite:{}?mode=ro", database.display())).await else { return 0 };
    let count: Result<i64, _> = sqlx::query_scalar(select).fetch_one(&mut connection).await;
    count.unwrap_or_default().cast_unsigned()
}
