//! Servers under measurement: processes of their own, on the servers' processor, gone with their handle.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child as Process, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use parley_cluster::process::tree;
use tokio::time::Instant;

use crate::cpu;

/// How long the end may take: under valgrind everything takes fifty times as long.
const END_DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    pub(crate) addr: SocketAddr,
}

/// What a process is run under, to count what it does.
#[derive(Debug, Clone, Default)]
pub(crate) struct Under(pub(crate) Vec<String>);

impl Child {
    /// The limit of delivery, from this very program.
    pub(crate) fn broadcaster() -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        Self::start(Command::new("taskset").args(["-c", cpu::SERVERS]).arg(this).arg("broadcaster"), "")
    }

    /// The limit of rooms, likewise.
    pub(crate) fn republisher(redis: &str) -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        Self::start(Command::new("taskset").args(["-c", cpu::SERVERS]).arg(this).args(["republisher", redis]), "")
    }

    /// The product with everything in one process, on the data in `folder`.
    pub(crate) fn parley(folder: &Path, env: &[(&str, String)], under: &Under) -> anyhow::Result<Self> {
        let mut command = command(folder, under)?;
        command.arg("serve").stderr(File::create(folder.join("parley.log"))?);
        command.env("PARLEY_LISTEN", "127.0.0.1:0").env("PARLEY_ADMIN_LISTEN", "127.0.0.1:0");
        Self::start(command.envs(env.iter().map(|(name, value)| (name, value))), "listening on http://")
    }

    fn start(command: &mut Command, before_address: &str) -> anyhow::Result<Self> {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("{command:?}"))?;
        let output = process.stdout.take().context("standard output")?;
        let mut lines = BufReader::new(output).lines();
        let addr = loop {
            let Some(line) = lines.next() else {
                let status = process.wait()?;
                bail!("{command:?} ended with {status}");
            };
            if let Some(addr) = line?.strip_prefix(before_address).and_then(|addr| addr.parse().ok()) {
                break addr;
            }
        };
        // Whatever else it prints is taken, so that it never waits for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { process, addr })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::of_tree(self.pid())
    }

    /// To the program itself, not to what it runs under.
    fn signal(&self, signal: rustix::process::Signal) {
        let program = tree(self.pid()).pop().unwrap_or(self.pid());
        if let Some(pid) = i32::try_from(program).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Ends it and waits, so that whatever it runs under can write down what it counted.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.signal(rustix::process::Signal::TERM);
        let until = Instant::now() + END_DEADLINE;
        while self.process.try_wait()?.is_none() {
            if Instant::now() > until {
                bail!("process {} does not end", self.pid());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Gone already, or ours until it is waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The product's binary on the data in `folder`, on the servers' processor, with nothing of this process' own settings.
pub(crate) fn command(folder: &Path, under: &Under) -> anyhow::Result<Command> {
    let mut command = Command::new("taskset");
    command.args(["-c", cpu::SERVERS]).args(&under.0).arg(parley()?);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARLEY_")) {
        command.env_remove(name);
    }
    command.env("PARLEY_DATA_DIR", folder);
    Ok(command)
}

/// The product's binary that was built beside this one.
pub(crate) fn parley() -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("parley");
    if !beside.is_file() {
        bail!("{} is not built: `make bench` builds both", beside.display());
    }
    Ok(beside)
}
