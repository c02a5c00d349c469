//! Many seeds, each in a process of its own, a few at a time; and the search for a smaller schedule that still fails.

use std::{
    collections::BTreeSet,
    process::{Command, ExitCode, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use clap::Args;

use crate::{
    bugs::{self, Bug},
    schedule::{Schedule, What},
};

/// A run that takes longer by the machine's clock hangs.
const RUN_DEADLINE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(2);

#[derive(Args, Debug, Clone)]
pub(crate) struct ManyArguments {
    /// How many.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Runs at a time.
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Stops after so many failing seeds.
    #[arg(long, default_value_t = 3)]
    failures: usize,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct ShrinkArguments {
    #[arg(long)]
    seed: u64,
}

#[derive(Args, Debug, Clone)]
pub(crate) struct BugsArguments {
    /// Seeds until a bug counts as not caught.
    #[arg(long, default_value_t = 300)]
    seeds: u64,
    /// Only those whose name contains this.
    #[arg(long)]
    only: Option<String>,
}

/// What became of a run.
#[derive(Debug)]
struct Ended {
    clean: bool,
    output: String,
}

fn run(seed: u64, without: &BTreeSet<usize>) -> anyhow::Result<Ended> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["run", "--seed", &seed.to_string()]);
    ended(command, seed, without)
}

fn ended(mut command: Command, seed: u64, without: &BTreeSet<usize>) -> anyhow::Result<Ended> {
    if !without.is_empty() {
        let list: Vec<_> = without.iter().map(usize::to_string).collect();
        command.args(["--without", &list.join(",")]);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut pipe = child.stdout.take();
    let reading = thread::spawn(move || {
        let mut output = String::new();
        if let Some(pipe) = &mut pipe {
            let _ = std::io::Read::read_to_string(pipe, &mut output);
        }
        output
    });
    let mut waited = Duration::ZERO;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if waited > RUN_DEADLINE {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(POLL);
        waited += POLL;
    };
    let mut output = reading.join().unwrap_or_default();
    if status.is_none() {
        output.push_str(&format!("seed {seed}: HANGS: no end within {RUN_DEADLINE:?}\n"));
    }
    Ok(Ended { clean: status.is_some_and(|status| status.success()), output })
}

fn last_lines(output: &str, count: usize) -> String {
    let lines: Vec<_> = output.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Runs them all; the last line adds up.
pub(crate) fn many(arguments: &ManyArguments) -> anyhow::Result<ExitCode> {
    let next = AtomicU64::new(arguments.first);
    let end = arguments.first + arguments.seeds;
    let failed: Mutex<Vec<(u64, String)>> = Mutex::default();
    let clean = AtomicU64::new(0);
    let work = || -> anyhow::Result<()> {
        loop {
            let seed = next.fetch_add(1, SeqCst);
            if seed >= end || failed.lock().unwrap_or_else(PoisonError::into_inner).len() >= arguments.failures {
                return Ok(());
            }
            let ended = run(seed, &BTreeSet::new())?;
            if ended.clean {
                clean.fetch_add(1, SeqCst);
            } else {
                println!("{}", last_lines(&ended.output, 3));
                failed.lock().unwrap_or_else(PoisonError::into_inner).push((seed, ended.output));
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..arguments.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a worker panicked"))))
    })?;
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_by_key(|(seed, _)| *seed);
    for (seed, _) in &failed {
        println!("failing: simulate run --seed {seed} --trace; smaller: simulate shrink --seed {seed}");
    }
    println!("{} seeds clean, {} failed", clean.into_inner(), failed.len());
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Puts in one bug after the other and runs seeds until a promise is broken that is kept by the same run without the bug.
pub(crate) fn bugs(arguments: &BugsArguments) -> anyhow::Result<ExitCode> {
    let mut rows = Vec::new();
    for bug in bugs::ALL.iter().filter(|bug| arguments.only.as_ref().is_none_or(|only| bug.name.contains(only))) {
        let caught = caught(bug, arguments.seeds)?;
        if let Some(Caught { line, seed }) = &caught {
            println!("{} (seed {seed}): {line}", bug.name);
        }
        rows.push((bug.name, caught));
    }
    println!("\n| bug | broken | seed |\n|---|---|---|");
    for (name, caught) in &rows {
        match caught {
            Some(Caught { line, seed }) => println!("| {name} | {} | {seed} |", promise(line)),
            None => println!("| {name} | NOT CAUGHT | in {} seeds |", arguments.seeds),
        }
    }
    let missed = rows.iter().filter(|(_, caught)| caught.is_none()).count();
    println!("\n{} bugs caught, {missed} not", rows.len() - missed);
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Caught {
    line: String,
    seed: u64,
}

fn caught(bug: &Bug, seeds: u64) -> anyhow::Result<Option<Caught>> {
    let said = |seed: u64, control: bool| -> anyhow::Result<Option<String>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--seed", &seed.to_string(), "--bug", bug.name]).args(control.then_some("--control"));
        let ended = ended(command, seed, &BTreeSet::new())?;
        let verdict = |line: &&str| line.starts_with("seed ") && (line.contains(bug.exposure.says) || line.contains("PANIC") || line.contains("HANGS"));
        if ended.output.is_empty() {
            anyhow::bail!("this build can't run {:?}: build with --features parley-simulation/planted-bugs", bug.name);
        }
        Ok(ended.output.lines().filter(|_| !ended.clean).find(verdict).map(str::to_owned))
    };
    for seed in 1..=seeds {
        let Some(line) = said(seed, false)? else { continue };
        match said(seed, true)? {
            None => return Ok(Some(Caught { line, seed })),
            Some(control) => println!("{}: {line}\n  and without the bug, so it says nothing: {control}", bug.name),
        }
    }
    Ok(None)
}

/// The promise that a run's verdict names.
fn promise(line: &str) -> &str {
    line.split(": ").nth(1).and_then(|words| words.split(' ').next()).unwrap_or(line)
}

/// Leaves out more and more of the schedule while the run still breaks a promise: halves, quarters, single events.
pub(crate) fn shrink(arguments: &ShrinkArguments) -> anyhow::Result<ExitCode> {
    let seed = arguments.seed;
    let schedule = Schedule::new(seed, None, &[]);
    let mut without = BTreeSet::new();
    let mut last = run(seed, &without)?;
    if last.clean {
        println!("seed {seed} is clean");
        return Ok(ExitCode::SUCCESS);
    }
    let mut size = schedule.events.len().div_ceil(2);
    while size > 0 {
        let kept: Vec<_> = (0..schedule.events.len()).filter(|number| !without.contains(number)).collect();
        for chunk in kept.chunks(size) {
            let fewer: BTreeSet<usize> = without.iter().chain(chunk).copied().collect();
            let ended = run(seed, &fewer)?;
            if !ended.clean {
                (without, last) = (fewer, ended);
            }
        }
        size /= 2;
    }
    println!("{}", last.output);
    for (number, (at, what)) in schedule.events.iter().enumerate().filter(|(number, _)| !without.contains(number)) {
        let who = if matches!(what, What::Fault(..)) { "fault" } else { "act" };
        println!("{number:>4} {at:?} {who} {what:?}");
    }
    let list: Vec<_> = without.iter().map(usize::to_string).collect();
    println!("simulate run --seed {seed} --trace --without {}", list.join(","));
    Ok(ExitCode::FAILURE)
}
