//! One supervised process: started as a direct child, started again when it dies, stopped when its handle goes.
//!
//! The thread that starts the child also waits for it. The kernel kills the child when that thread ends, so nothing outlives this process,
//! whatever it dies of. Signals go to the child and everything it started: an NGINX whose workers live on, or a Postgres whose sessions do, is not dead.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::Instant;

use crate::{error::ClusterError, files, health::Probe, process};

mod backoff;
mod keeper;

/// Between two looks whether a service serves.
const LOOK: Duration = Duration::from_millis(25);
/// Between two looks whether a process is gone.
const SOON: Duration = Duration::from_millis(5);
/// How long a process may take to go after SIGKILL.
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// What to run, and how to tell that it serves.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    pub name: String,
    /// What people may connect to; shown, and free to be none.
    pub address: Option<SocketAddr>,
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Besides the inherited variables, of which no `PARLEY_*` is passed on.
    pub env: Vec<(String, String)>,
    pub folder: PathBuf,
    /// Standard output and standard error are appended here.
    pub log: PathBuf,
    /// Another user, where we are root and the program refuses to be.
    pub user: Option<String>,
    /// Asks it to end.
    pub stop_signal: Signal,
    /// After that long it is killed.
    pub stop_deadline: Duration,
    /// What it gets when we die.
    pub orphan_signal: OrphanSignal,
    pub probe: Probe,
    /// How long it may take until it serves.
    pub ready_deadline: Duration,
}

/// What a process gets from the kernel when its supervisor is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrphanSignal {
    /// For a process without children, or whose children notice by themselves.
    Kill,
    /// For one that has to end its children.
    Terminate,
}

impl ServiceSpec {
    /// A program without arguments in `folder`, where its log is too, that counts as serving as soon as it runs.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>, folder: impl Into<PathBuf>) -> Self {
        let (name, folder) = (name.into(), folder.into());
        Self {
            log: folder.join(format!("{name}.log")),
            name,
            address: None,
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            folder,
            user: None,
            stop_signal: Signal::TERM,
            stop_deadline: Duration::from_secs(10),
            orphan_signal: OrphanSignal::Kill,
            probe: Probe::Running,
            ready_deadline: Duration::from_secs(30),
        }
    }

    /// With these arguments after those that it has.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
}

/// What a service is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Running {
        pid: u32,
    },
    /// It died, or could not be started; the next try is soon.
    Waiting,
    /// Nobody wants it to run.
    Down,
}

/// What an onlooker is told.
#[derive(Debug, Clone)]
pub struct Status {
    pub state: State,
    /// Held by [`Service::pause`].
    pub paused: bool,
    /// How often it was started again after it had died.
    pub restarts: u32,
    /// How it ended last.
    pub last_end: Option<String>,
}

/// The handle. Dropping it stops the process and waits for its end, also while a test panics.
#[derive(Debug)]
pub struct Service {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    spec: ServiceSpec,
    inner: Mutex<Inner>,
    /// Something in `inner` is different.
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    wanted: Wanted,
    /// The wait before the next start is called off.
    hurry: bool,
    state: State,
    /// Counts starts, so that one process is not taken for the next.
    starts: u64,
    restarts: u32,
    last_end: Option<String>,
}

/// What the keeper is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Run, and run again.
    Supervised,
    /// Run; when it dies, leave it.
    Once,
    Down,
    /// The handle is gone.
    Ended,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Starts it, supervised. It need not serve yet: see [`Service::wait_ready`].
    pub fn start(spec: ServiceSpec) -> Result<Self, ClusterError> {
        let inner = Inner { wanted: Wanted::Supervised, hurry: false, state: State::Waiting, starts: 0, restarts: 0, last_end: None };
        let shared = Arc::new(Shared { spec, inner: Mutex::new(inner), changed: Condvar::new() });
        let name = format!("keeper of {}", shared.spec.name);
        let keeper = std::thread::Builder::new().name(name).spawn({
            let shared = shared.clone();
            move || keeper::keep(&shared)
        });
        Ok(Self { shared, keeper: Some(keeper.map_err(ClusterError::io("a thread"))?) })
    }

    pub fn name(&self) -> &str {
        &self.shared.spec.name
    }

    pub fn spec(&self) -> &ServiceSpec {
        &self.shared.spec
    }

    pub fn status(&self) -> Status {
        let inner = self.shared.lock();
        let paused = matches!(inner.state, State::Running { pid } if process::is_tree_paused(pid));
        Status { state: inner.state, paused, restarts: inner.restarts, last_end: inner.last_end.clone() }
    }

    /// The number of the process that runs now.
    pub fn pid(&self) -> Option<u32> {
        match self.shared.lock().state {
            State::Running { pid } => Some(pid),
            State::Waiting | State::Down => None,
        }
    }

    /// Asks the service itself whether it serves.
    pub async fn probe(&self) -> Result<(), String> {
        let before = self.running().ok_or("it does not run")?;
        self.shared.spec.probe.check().await?;
        if self.running() == Some(before) { Ok(()) } else { Err("it died while it was asked".to_owned()) }
    }

    /// Returns once it serves.
    pub async fn wait_ready(&self) -> Result<(), ClusterError> {
        self.wait_ready_for(self.shared.spec.ready_deadline).await
    }

    /// The same, with a deadline of the caller's.
    pub async fn wait_ready_for(&self, deadline: Duration) -> Result<(), ClusterError> {
        let until = Instant::now() + deadline;
        loop {
            let Err(why) = self.probe().await else {
                return Ok(());
            };
            if Instant::now() >= until {
                let why = self.status().last_end.map_or(why.clone(), |end| format!("{why} (its last end: {end})"));
                return Err(ClusterError::NotReady { name: self.name().to_owned(), after: deadline, why, log: files::tail(&self.shared.spec.log) });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// SIGKILL for it and everything it started. Returns when it is dead; supervision starts it again.
    pub fn kill9(&self) -> Result<(), ClusterError> {
        let start = self.signal_tree(Signal::KILL)?;
        self.wait_for_end_of(start, KILL_DEADLINE)
    }

    /// Asks it to end, as a deployment does, and waits for that; supervision starts it again.
    pub async fn terminate(&self) -> Result<(), ClusterError> {
        let start = {
            let inner = self.shared.lock();
            let State::Running { pid } = inner.state else {
                return Err(self.not_running());
            };
            process::send(pid, self.shared.spec.stop_signal);
            inner.starts
        };
        self.wait_for_end_softly(|inner| inner.starts == start).await
    }

    /// SIGSTOP: it keeps its sockets and its memory, and does nothing. Returns when it has really stopped.
    pub fn pause(&self) -> Result<(), ClusterError> {
        let start = self.signal_tree(Signal::STOP)?;
        // A process that waits for a disk stops when it has its answer.
        let until = Instant::now() + KILL_DEADLINE;
        while self.running() == Some(start) && !self.status().paused && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
            // What it started between our look at its children and its own stop is still going.
            self.signal_tree(Signal::STOP)?;
        }
        Ok(())
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), ClusterError> {
        self.signal_tree(Signal::CONT).map(drop)
    }

    /// From now on it is left dead when it dies. [`Service::up`] supervises it again.
    pub fn unsupervise(&self) {
        let mut inner = self.shared.lock();
        if inner.wanted == Wanted::Supervised {
            inner.wanted = if inner.state == State::Waiting { Wanted::Down } else { Wanted::Once };
        }
        self.shared.changed.notify_all();
    }

    /// Stops it; it stays down until [`Service::up`].
    pub async fn down(&self) -> Result<(), ClusterError> {
        self.ask_to_end(Wanted::Down);
        self.wait_for_end_softly(|_| true).await
    }

    /// Lets it run, supervised, at once even where a restart would wait. It need not serve yet.
    pub fn up(&self) {
        let mut inner = self.shared.lock();
        inner.wanted = Wanted::Supervised;
        inner.hurry = inner.state == State::Waiting;
        self.shared.changed.notify_all();
    }

    /// Stops it in its own time, starts it, waits until it serves.
    pub async fn restart(&self) -> Result<(), ClusterError> {
        self.down().await?;
        self.up();
        self.wait_ready().await
    }

    /// The first half of stopping, for stopping several at once.
    pub(crate) fn begin_to_end(&self) {
        self.ask_to_end(Wanted::Ended);
    }

    fn ask_to_end(&self, wanted: Wanted) {
        let mut inner = self.shared.lock();
        // Some programs take a second signal for impatience.
        let asked_before = std::mem::replace(&mut inner.wanted, wanted) == wanted;
        self.shared.changed.notify_all();
        if let State::Running { pid } = inner.state
            && !asked_before
        {
            // A paused process would hear of it only later.
            for pid in process::tree(pid) {
                process::send(pid, Signal::CONT);
            }
            process::send(pid, self.shared.spec.stop_signal);
        }
    }

    /// Waits for an end that was asked for, and kills after the deadline. Blocks this thread: a handle can be dropped where no runtime is left.
    fn wait_for_end(&self) -> Result<(), ClusterError> {
        if self.wait_while_running(self.shared.spec.stop_deadline, |_| true) {
            return Ok(());
        }
        // It may have gone this very moment; then there is nothing to kill.
        let _ = self.signal_tree(Signal::KILL);
        if self.wait_while_running(KILL_DEADLINE, |_| true) { Ok(()) } else { Err(self.still_there()) }
    }

    /// The same without blocking, for the process that `same` knows.
    async fn wait_for_end_softly(&self, same: impl Fn(&Inner) -> bool) -> Result<(), ClusterError> {
        let runs = || {
            let inner = self.shared.lock();
            matches!(inner.state, State::Running { .. }) && same(&inner)
        };
        let until = Instant::now() + self.shared.spec.stop_deadline;
        while runs() {
            if Instant::now() >= until {
                return self.kill9();
            }
            tokio::time::sleep(SOON).await;
        }
        Ok(())
    }

    fn wait_for_end_of(&self, start: u64, deadline: Duration) -> Result<(), ClusterError> {
        if self.wait_while_running(deadline, |inner| inner.starts == start) { Ok(()) } else { Err(self.still_there()) }
    }

    /// False if the process still runs at the deadline.
    fn wait_while_running(&self, deadline: Duration, same: impl Fn(&Inner) -> bool) -> bool {
        let inner = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(inner, deadline, |inner| matches!(inner.state, State::Running { .. }) && same(inner));
        let (_inner, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }

    /// Under the lock, so that the process can't be waited for, and its number given away, in between.
    fn signal_tree(&self, signal: Signal) -> Result<u64, ClusterError> {
        let inner = self.shared.lock();
        let State::Running { pid } = inner.state else {
            return Err(self.not_running());
        };
        for pid in process::tree(pid) {
            process::send(pid, signal);
        }
        Ok(inner.starts)
    }

    fn running(&self) -> Option<u64> {
        let inner = self.shared.lock();
        matches!(inner.state, State::Running { .. }).then_some(inner.starts)
    }

    fn not_running(&self) -> ClusterError {
        ClusterError::NotRunning { name: self.name().to_owned() }
    }

    fn still_there(&self) -> ClusterError {
        ClusterError::StillThere { name: self.name().to_owned(), after: KILL_DEADLINE }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.ask_to_end(Wanted::Ended);
        if self.wait_for_end().is_ok()
            && let Some(keeper) = self.keeper.take()
        {
            // It panicked only if it is a bug, and then its child is dead with it.
            let _ = keeper.join();
        }
    }
}
