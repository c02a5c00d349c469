//! The thread that owns one child: it starts it, waits for it, and starts it again.

use std::{
    fs::OpenOptions,
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::PoisonError,
};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tokio::time::Instant;

use super::{OrphanSignal, ServiceSpec, Shared, State, Wanted, backoff::Backoff};

/// Until the handle is gone.
pub(super) fn keep(shared: &Shared) {
    let mut backoff = Backoff::new();
    while wait_until_wanted(shared, &mut backoff) {
        let started = Instant::now();
        if let Some(child) = start(shared) {
            wait_for(shared, child);
        }
        pause_before_next(shared, &mut backoff, started);
    }
}

/// False when there is nothing more to do.
fn wait_until_wanted(shared: &Shared, backoff: &mut Backoff) -> bool {
    let mut inner = shared.lock();
    while inner.wanted == Wanted::Down {
        inner.state = State::Down;
        // Whoever asks for it again has not seen it die.
        *backoff = Backoff::new();
        inner = shared.changed.wait(inner).unwrap_or_else(PoisonError::into_inner);
    }
    inner.wanted != Wanted::Ended
}

/// Under the lock: an order to stop comes before it, or finds the child.
fn start(shared: &Shared) -> Option<Child> {
    let mut inner = shared.lock();
    if !matches!(inner.wanted, Wanted::Supervised | Wanted::Once) {
        return None;
    }
    let started = command(&shared.spec).and_then(|mut command| command.spawn());
    inner.starts += 1;
    inner.hurry = false;
    let child = match started {
        Ok(child) => {
            inner.state = State::Running { pid: child.id() };
            Some(child)
        }
        Err(error) => {
            inner.last_end = Some(format!("it could not be started: {error}"));
            None
        }
    };
    shared.changed.notify_all();
    child
}

/// Waits for the end without taking note of it; that is done under the lock, so that nobody signals a number that is free again.
fn wait_for(shared: &Shared, mut child: Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        while matches!(waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT), Err(rustix::io::Errno::INTR)) {}
    }
    let mut inner = shared.lock();
    let end = child.wait();
    inner.state = State::Waiting;
    inner.last_end = Some(end.map_or_else(|error| error.to_string(), |status| status.to_string()));
    if inner.wanted == Wanted::Once {
        inner.wanted = Wanted::Down;
    }
    shared.changed.notify_all();
}

fn pause_before_next(shared: &Shared, backoff: &mut Backoff, started: Instant) {
    let inner = shared.lock();
    if inner.wanted != Wanted::Supervised {
        return;
    }
    let wait = backoff.after(started.elapsed());
    let waited = shared.changed.wait_timeout_while(inner, wait, |inner| inner.wanted == Wanted::Supervised && !inner.hurry);
    let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
    if inner.wanted == Wanted::Supervised {
        inner.restarts += 1;
    }
}

/// Through `setpriv`, which tells the kernel what the child gets when this thread ends, and then becomes the program: the number stays.
fn command(spec: &ServiceSpec) -> io::Result<Command> {
    let log = OpenOptions::new().create(true).append(true).open(&spec.log)?;
    let mut command = Command::new("setpriv");
    let signal = match spec.orphan_signal {
        OrphanSignal::Kill => "KILL",
        OrphanSignal::Terminate => "TERM",
    };
    command.args(["--pdeathsig", signal]);
    if let Some(user) = &spec.user {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    command.arg("--").arg(&spec.program).args(&spec.args);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARLEY_")) {
        command.env_remove(name);
    }
    command.envs(spec.env.iter().map(|(name, value)| (name, value)));
    command.current_dir(&spec.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    // Ctrl-C at the terminal is for us; we end the others in order.
    command.process_group(0);
    Ok(command)
}
