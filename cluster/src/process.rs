//! What Linux says about processes: who is alive, who is whose child.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// A process that can't be mistaken for a later one with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ProcessId {
    pub pid: u32,
    /// Clock ticks between the machine's start and the process'.
    pub started_ticks: u64,
}

/// What `/proc/PID/stat` says that we care about.
#[derive(Debug, Clone, Copy)]
struct Stat {
    state: char,
    parent: u32,
    threads: u32,
    started_ticks: u64,
}

impl ProcessId {
    /// The process that has this number now.
    pub fn of(pid: u32) -> Option<Self> {
        stat(pid).map(|stat| Self { pid, started_ticks: stat.started_ticks })
    }

    /// Whether it still runs. A zombie doesn't: nobody has asked for its end yet, that is all. But while other threads of its are on their way out, it
    /// still has its ports.
    pub fn is_alive(self) -> bool {
        let runs = |stat: Stat| !matches!(stat.state, 'Z' | 'X') || stat.threads > 1;
        stat(self.pid).is_some_and(|stat| stat.started_ticks == self.started_ticks && runs(stat))
    }

    /// Sends a signal, unless the process is gone.
    pub fn signal(self, signal: Signal) {
        if self.is_alive() {
            send(self.pid, signal);
        }
    }
}

/// Whether the process is held by SIGSTOP.
pub fn is_paused(pid: u32) -> bool {
    stat(pid).is_some_and(|stat| stat.state == 'T')
}

/// Whether SIGSTOP holds the process and everything it started. A child that has ended does nothing either, though a paused parent leaves it a zombie.
pub fn is_tree_paused(pid: u32) -> bool {
    is_paused(pid) && tree(pid).into_iter().all(|pid| stat(pid).is_none_or(|stat| matches!(stat.state, 'T' | 'Z' | 'X')))
}

/// The process and everything that it and its children started, parents first.
pub fn tree(pid: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(child, _)| *child));
        next += 1;
    }
    tree
}

/// How much of it is in memory, in bytes.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib: u64 = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Only for processes that are ours and not yet waited for, or the number may be another's.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended by itself in the meantime.
        let _ = kill_process(pid, signal);
    }
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in brackets, which may itself hold spaces and brackets.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // Fields 20 and 22; the first four are used up.
    let threads = fields.nth(15)?.parse().ok()?;
    let started_ticks = fields.nth(1)?.parse().ok()?;
    Some(Stat { state, parent, threads, started_ticks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_number_alone_is_not_enough() {
        let this = ProcessId::of(std::process::id()).unwrap();
        assert!(this.is_alive() && !is_paused(this.pid));
        assert!(!ProcessId { started_ticks: this.started_ticks + 1, ..this }.is_alive());
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let id = ProcessId::of(child.id()).unwrap();
        assert!(tree(std::process::id()).contains(&child.id()));
        while id.is_alive() {
            std::thread::yield_now();
        }
        assert_eq!(ProcessId::of(child.id()), Some(id), "not waited for yet");
        child.wait().unwrap();
        assert_eq!(ProcessId::of(child.id()), None);
    }
}
