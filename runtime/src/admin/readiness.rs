//! Whether the process can serve: every part says so for itself.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;

/// The parts of a process and what each says of itself. Clones are the same registry. Without any part it is ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<Parts>>);

/// By name: why the part is not ready, or `None`.
type Parts = BTreeMap<&'static str, Option<Cow<'static, str>>>;

/// What one part says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

/// A part's own say. Clones speak for the same part.
#[derive(Debug, Clone)]
pub struct Part {
    readiness: Readiness,
    name: &'static str,
}

impl Readiness {
    /// Nobody has to be waited for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part, which is not ready until it says so.
    pub fn part(&self, name: &'static str) -> Part {
        let part = Part { readiness: self.clone(), name };
        part.not_ready("starting");
        part
    }

    /// Every part, by name.
    pub fn checks(&self) -> Vec<Check> {
        self.lock().iter().map(|(name, reason)| Check { name, ready: reason.is_none(), reason: reason.clone() }).collect()
    }

    /// Whether every part is ready.
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(Option::is_none)
    }

    fn lock(&self) -> MutexGuard<'_, Parts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// It can serve.
    pub fn ready(&self) {
        self.readiness.lock().insert(self.name, None);
    }

    /// It can't, because of `reason`, which operators read.
    pub fn not_ready(&self, reason: impl Into<Cow<'static, str>>) {
        self.readiness.lock().insert(self.name, Some(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_ready_when_every_part_says_so() {
        let readiness = Readiness::new();
        assert!(readiness.is_ready());
        let (log, store) = (readiness.part("log"), readiness.part("store"));
        log.ready();
        assert!(!readiness.is_ready());
        store.clone().ready();
        assert!(readiness.is_ready());
        log.not_ready("the disk is full");
        let checks = readiness.checks();
        assert_eq!(checks[0], Check { name: "log", ready: false, reason: Some("the disk is full".into()) });
        assert_eq!(checks[1], Check { name: "store", ready: true, reason: None });
    }
}
