//! A simulated process: a gateway or a persister, as its engines and its network see it.
//!
//! Its tasks live in this one runtime. Killed, none of its calls returns any more and nothing of it reaches the network; paused, they wait.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    Paused,
    Dead,
}

/// Clones are the same process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) name: Arc<str>,
    state: Arc<watch::Sender<State>>,
    doomed: Arc<AtomicBool>,
}

impl Process {
    pub(crate) fn start(name: &str) -> Self {
        Self { name: name.into(), state: Arc::new(watch::Sender::new(State::Runs)), doomed: Arc::default() }
    }

    pub(crate) fn pause(&self) {
        self.state.send_if_modified(|state| std::mem::replace(state, if *state == State::Dead { State::Dead } else { State::Paused }) == State::Runs);
    }

    pub(crate) fn resume(&self) {
        self.state.send_if_modified(|state| std::mem::replace(state, if *state == State::Dead { State::Dead } else { State::Runs }) == State::Paused);
    }

    pub(crate) fn kill(&self) {
        self.state.send_replace(State::Dead);
    }

    /// It does one more thing with the store, and dies of it.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, SeqCst);
    }

    /// Something was done with the store.
    pub(crate) fn dies_if_doomed(&self) {
        if self.doomed.load(SeqCst) {
            self.kill();
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.state.borrow() == State::Dead
    }

    /// Returns while the process runs; never again once it is dead.
    pub(crate) async fn runs(&self) {
        if *self.state.borrow() == State::Runs {
            return;
        }
        let _ = self.state.subscribe().wait_for(|state| *state == State::Runs).await;
    }

    /// Returns when it is dead.
    pub(crate) async fn died(&self) {
        let _ = self.state.subscribe().wait_for(|state| *state == State::Dead).await;
    }
}
