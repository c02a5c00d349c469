//! CPU time of processes, as the kernel counts it, in user and kernel mode. The kernel tells hundredths of a second, so a round has to be seconds long.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, ensure};
use parley_cluster::{Service, process::tree};

/// `CLK_TCK` on Linux, for programs.
const TICK: Duration = Duration::from_millis(10);

/// The processor that servers run on, and the one for the load: `taskset`'s numbers.
pub(crate) const SERVERS: &str = "0";
const LOAD: &str = "1";

/// This process has the load's processor and no other until this is dropped. What it starts meanwhile has to be put elsewhere.
#[derive(Debug)]
pub(crate) struct Apart;

impl Apart {
    pub(crate) fn new() -> anyhow::Result<Self> {
        pin(LOAD, std::process::id())?;
        Ok(Self)
    }

    /// A server that runs already, and everything that it started, goes to the servers' processor.
    pub(crate) fn serve(&self, server: &Service) -> anyhow::Result<()> {
        let pid = server.pid().with_context(|| format!("{} is gone", server.name()))?;
        pin(SERVERS, pid)?;
        // Of the others, one may end at this moment.
        tree(pid).into_iter().skip(1).for_each(|child| drop(pin(SERVERS, child)));
        Ok(())
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let all = format!("0-{}", num_processors().saturating_sub(1));
        if let Err(error) = pin(&all, std::process::id()) {
            eprintln!("{error:#}");
        }
    }
}

fn num_processors() -> usize {
    fs::read_to_string("/proc/cpuinfo").unwrap_or_default().lines().filter(|line| line.starts_with("processor")).count()
}

/// All threads of the process that there are, and what they start.
fn pin(processors: &str, pid: u32) -> anyhow::Result<()> {
    let mut command = Command::new("taskset");
    command.args(["-a", "-p", "-c", processors, &pid.to_string()]);
    let output = command.output().context("taskset")?;
    ensure!(output.status.success(), "taskset: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Used so far by the process and everything that it started.
pub(crate) fn of_tree(pid: u32) -> anyhow::Result<Duration> {
    // Of the others, one may end at this moment; then its parent has its time.
    let others: Duration = tree(pid).into_iter().skip(1).filter_map(|child| of(child).ok()).sum();
    Ok(of(pid)? + others)
}

/// Used so far by all threads of the process, those that have ended too.
pub(crate) fn of(pid: u32) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
    ticks(&text).map(|ticks| TICK * ticks).context("/proc/PID/stat")
}

pub(crate) fn of_this() -> anyhow::Result<Duration> {
    of(std::process::id())
}

/// Resident memory that is the process' alone, in bytes.
pub(crate) fn private_memory(pid: u32) -> anyhow::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).with_context(|| format!("process {pid} is gone"))?;
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let (clean, dirty) = (line("Private_Clean:"), line("Private_Dirty:"));
    Ok(1024 * clean.zip(dirty).map(|(clean, dirty)| clean + dirty).context("smaps_rollup")?)
}

/// Fields 14 and 15, user and kernel mode. The second field is the program's name in brackets, which may hold spaces and brackets.
fn ticks(stat: &str) -> Option<u32> {
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let user: u32 = fields.nth(11)?.parse().ok()?;
    Some(user + fields.next()?.parse::<u32>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_kernel_time_are_added_whatever_the_program_is_called() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 30 12 13 14 15 16";
        assert_eq!(ticks(stat), Some(42));
        assert!(private_memory(std::process::id()).unwrap() > 100_000);
    }
}
