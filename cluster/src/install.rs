//! What the services need from the machine: looked for, and installed where we may, which is said before.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::error::ClusterError;

/// Debian's packages, by what is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    Java,
    Maven,
    Redis,
    Postgres,
    Nginx,
    Prometheus,
    /// Every service is started through it.
    Setpriv,
}

impl Need {
    fn package(self) -> &'static str {
        match self {
            Self::Java => "openjdk-17-jre-headless",
            Self::Maven => "maven",
            Self::Redis => "redis-server",
            Self::Postgres => "postgresql",
            Self::Nginx => "nginx-light",
            Self::Prometheus => "prometheus",
            Self::Setpriv => "util-linux",
        }
    }

    fn is_there(self) -> bool {
        match self {
            Self::Java => program("java").is_some(),
            Self::Maven => program("mvn").is_some(),
            Self::Redis => program("redis-server").is_some(),
            Self::Postgres => postgres_program("initdb").is_some(),
            Self::Nginx => program("nginx").is_some(),
            Self::Prometheus => program("prometheus").is_some(),
            Self::Setpriv => program("setpriv").is_some(),
        }
    }
}

/// Makes sure that all of them are there. As root on Debian it installs what is missing; elsewhere the error is the one command that does.
pub fn ensure(needs: &[Need]) -> Result<(), ClusterError> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    let command = format!("apt-get install -y --no-install-recommends {packages}");
    if !rustix::process::geteuid().is_root() || program("apt-get").is_none() {
        let sudo = if program("apt-get").is_some() { "sudo " } else { "" };
        return Err(ClusterError::Missing { what: packages, command: format!("{sudo}{command}") });
    }
    eprintln!("installing {packages}: {command}");
    apt_get(&["update", "-q"])?;
    let install = ["install", "-y", "-q", "--no-install-recommends"].into_iter().chain(missing.iter().copied()).collect::<Vec<_>>();
    apt_get(&install)?;
    match self::missing(needs).first() {
        None => Ok(()),
        Some(package) => Err(ClusterError::Missing { what: (*package).to_owned(), command }),
    }
}

fn missing(needs: &[Need]) -> Vec<&'static str> {
    let mut missing: Vec<_> = needs.iter().filter(|need| !need.is_there()).map(|need| need.package()).collect();
    missing.sort_unstable();
    missing.dedup();
    missing
}

/// Waits while another process installs.
fn apt_get(args: &[&str]) -> Result<(), ClusterError> {
    let mut command = Command::new("apt-get");
    command.args(["-o", "DPkg::Lock::Timeout=300"]).args(args).env("DEBIAN_FRONTEND", "noninteractive");
    run(&mut command)
}

/// Runs a program to its end; its output is shown only if it fails.
pub(crate) fn run(command: &mut Command) -> Result<(), ClusterError> {
    run_with_input(command, "")
}

/// The same for a program that reads something, little enough to fit into a pipe.
pub(crate) fn run_with_input(command: &mut Command, input: &str) -> Result<(), ClusterError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut exchange = || {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading says why by its status.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    };
    let output = exchange().map_err(ClusterError::io(program.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(|line| format!("  | {line}")).collect();
    let end = lines[lines.len().saturating_sub(30)..].join("\n");
    Err(ClusterError::Failed { program, status: output.status.to_string(), output: end })
}

/// Lets something that takes its time run without holding up the runtime's other tasks.
pub(crate) async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> Result<T, ClusterError> + Send + 'static) -> Result<T, ClusterError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// Where the shell would find it, and where Debian keeps what only root runs.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]).collect::<Vec<_>>();
    folders.into_iter().map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Debian keeps each version's programs apart; the newest is taken.
pub(crate) fn postgres_program(name: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin").join(name))))
        .filter(|(_, file)| file.is_file())
        .max()
        .map(|(_, file)| file);
    newest.or_else(|| program(name))
}

/// The folder for what is fetched once: the build's target folder, where this program lies in one.
pub(crate) fn cache_folder() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let target = own.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).map(Path::to_path_buf);
    let home = || std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from).join(".cache/parley");
    target.unwrap_or_else(home).join("services")
}
