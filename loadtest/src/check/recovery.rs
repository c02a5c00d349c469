//! How long after each fault what people say is shown to everybody again (G14).

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use parley_proto::MessageId;

use super::{
    Limits,
    promise::{Findings, Promise},
    trouble::Trouble,
};
use crate::history::{Deed, Event, Micros};

/// Measured from the same moment for all clients.
#[derive(Debug)]
pub(super) struct Recovery<'a> {
    troubles: Vec<&'a Trouble>,
    first_tried: &'a HashMap<MessageId, Micros>,
    /// Per trouble, the slowest client: how long, and who.
    slowest: Vec<Option<(Micros, String)>>,
}

/// One client, while its history is read.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    name: String,
    /// Troubles before this one are over for this client.
    next: usize,
    /// When it last was away, or still is, by its own will.
    away: Option<(Micros, Micros)>,
    /// When it said hello last: what comes on an older connection does not end its being away.
    hello: Micros,
}

impl<'a> Recovery<'a> {
    pub(super) fn new(troubles: &'a [Trouble], first_tried: &'a HashMap<MessageId, Micros>) -> Self {
        let mut troubles: Vec<_> = troubles.iter().collect();
        troubles.sort_unstable_by_key(|trouble| trouble.live_from());
        let slowest = vec![None; troubles.len()];
        Self { troubles, first_tried, slowest }
    }

    pub(super) fn event(&mut self, watcher: &mut Watcher, at: Micros, event: &Event) {
        match event {
            Event::Person { name, .. } => watcher.name.clone_from(name),
            Event::Hello { .. } => watcher.hello = at,
            Event::Stall { micros } => watcher.away = Some((at, at + micros)),
            Event::Closed { by_us: true, .. } | Event::Asked { deed: Deed::SignOut } => watcher.away = Some((at, Micros::MAX)),
            Event::Frames { items, .. } | Event::Replay { items, .. } | Event::Page { items, .. } => {
                if let Some((from, Micros::MAX)) = watcher.away
                    && from <= watcher.hello
                {
                    watcher.away = Some((from, at));
                }
                for (_, id, ..) in items {
                    if let Some(tried) = self.first_tried.get(id) {
                        self.shown(watcher, at, *tried);
                    }
                }
            }
            _ => {}
        }
    }

    /// Something that was first tried at `tried` is shown at `at`.
    fn shown(&mut self, watcher: &mut Watcher, at: Micros, tried: Micros) {
        while let Some(trouble) = self.troubles.get(watcher.next).filter(|trouble| trouble.live_from() < tried) {
            let from = trouble.live_from();
            let by_its_own_will = watcher.away.is_some_and(|(gone, back)| gone < at && back > from);
            let slowest = &mut self.slowest[watcher.next];
            if !by_its_own_will && slowest.as_ref().is_none_or(|(micros, _)| at - from > *micros) {
                *slowest = Some((at - from, watcher.name.clone()));
            }
            watcher.next += 1;
        }
    }

    /// Holds every fault's time to its bound; what was measured, by kind.
    pub(super) fn judge(self, limits: &Limits, findings: &mut Findings) -> BTreeMap<String, Vec<Duration>> {
        let mut measured: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
        for (trouble, slowest) in self.troubles.iter().zip(self.slowest) {
            let Some((micros, name)) = slowest else { continue };
            let (took, bound) = (Duration::from_micros(micros), if trouble.is_gateway_kill() { limits.live_gateway } else { limits.live });
            findings.that(Promise::Live, took <= bound, || {
                format!("{name}: live {took:?} after {} of {} ({} to {} µs), the bound is {bound:?}", trouble.kind, trouble.part, trouble.began, trouble.ended)
            });
            measured.entry(format!("{} of {}", trouble.kind, trouble.part)).or_default().push(took);
        }
        measured
    }
}
