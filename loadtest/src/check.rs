//! The verdict on a run: every client's history beside the log, promise by promise (GUARANTEES.md). Tables and Redis are `verify`'s; here is what people were
//! told. Linear in the histories but for sorting; one history at a time is read, twice.

use std::{collections::BTreeMap, fmt, io, time::Duration};

use crate::history::{Line, Micros};

use self::{
    acks::Acks,
    recovery::{Recovery, Watcher},
    sends::{Sender, Sends},
    view::{Seen, View},
};
pub use self::{
    promise::{Findings, Promise},
    trouble::Trouble,
    truth::Truth,
};

mod acks;
mod promise;
mod recovery;
mod sends;
pub mod trouble;
mod truth;
mod view;

/// What a run is held to: GUARANTEES.md's figures, or a multiple of them where the machine is busy with other things.
#[derive(Debug, Clone)]
pub struct Limits {
    pub answer: Duration,
    pub revocation: Duration,
    pub live: Duration,
    /// After a gateway was killed, counted from the kill.
    pub live_gateway: Duration,
    /// Spans in which an answer could not come through, however fast the gateway was: something stood between it and the client.
    between: Vec<(Micros, Micros)>,
}

/// What a run has to have reached, or it proves too little.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs {
    pub acked: u64,
    pub votes: u64,
    pub retried: u64,
    pub subscribes: u64,
    pub resumes: u64,
    pub leaves: u64,
    pub sign_outs: u64,
    /// Subscribes and resumes answered with messages that were in the log alone.
    pub from_log_alone: u64,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub clients: u64,
    pub acked_messages: u64,
    pub acked_votes: u64,
    pub rejected: u64,
    pub unknown: u64,
    pub retried: u64,
    pub shown: u64,
    pub subscribes: u64,
    pub resumes: u64,
    pub resyncs: u64,
    pub from_log_alone: u64,
    pub pages: u64,
    pub tallies: u64,
    pub leaves: u64,
    pub sign_outs: u64,
    pub slowest_answer: Duration,
    pub slowest_revocation: Duration,
}

/// What a run comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Valid,
    /// A promise was broken: which, by whom seen, with which message is in the findings.
    Invalid,
    /// Nothing was broken, and too little was tried to say more.
    Unknown,
}

/// Everything that is said of a run.
#[derive(Debug)]
pub struct Judgement {
    pub findings: Findings,
    pub counts: Counts,
    /// Why it would prove too little.
    pub missing: Vec<String>,
    /// How long live delivery took after each fault, by kind and part.
    pub live: BTreeMap<String, Vec<Duration>>,
}

impl Limits {
    /// The promised figures, times `slack`.
    pub fn promised(slack: u32) -> Self {
        let seconds = |seconds| Duration::from_secs(seconds) * slack;
        Self { answer: seconds(2), revocation: seconds(30), live: seconds(5), live_gateway: seconds(2), between: Vec::new() }
    }

    /// Takes out the spans in which a gateway was held or killed, or something between it and the people was.
    #[must_use]
    pub fn beside(mut self, troubles: &[Trouble]) -> Self {
        let between = |trouble: &&Trouble| {
            let (part, link) = trouble.part.split_once('~').unwrap_or((&trouble.part, ""));
            part == "nginx" || (part.starts_with("gateway") && link.is_empty())
        };
        self.between = troubles.iter().filter(between).map(|trouble| (trouble.began, trouble.ended)).collect();
        self
    }

    fn on_the_way(&self, from: Micros, to: Micros) -> bool {
        self.between.iter().any(|(began, ended)| from < *ended && to > *began)
    }
}

impl Judgement {
    pub fn verdict(&self) -> Verdict {
        if !self.findings.broken().is_empty() {
            Verdict::Invalid
        } else if self.missing.is_empty() {
            Verdict::Valid
        } else {
            Verdict::Unknown
        }
    }
}

/// Judges the histories: `histories` gives them all, from the beginning, each time it is called.
pub fn judge<H, I>(mut histories: H, truth: &Truth, troubles: &[Trouble], limits: &Limits, needs: &Needs) -> io::Result<Judgement>
where
    H: FnMut() -> io::Result<Vec<I>>,
    I: Iterator<Item = io::Result<Line>>,
{
    let (mut findings, mut sends, mut seen) = (Findings::default(), Sends::default(), Seen::default());
    let mut clients = 0;
    for history in histories()? {
        let mut sender = Sender::default();
        for line in history {
            let (at, event) = line?;
            sender.event(at, &event);
        }
        sender.judge(truth, limits, &mut sends, &mut findings);
        clients += 1;
    }
    let acks = Acks::new(&sends.acked, truth);
    let mut recovery = Recovery::new(troubles, &sends.first_tried);
    for history in histories()? {
        let (mut view, mut watcher) = (View::new(truth, &acks, limits, troubles), Watcher::default());
        for line in history {
            let (at, event) = line?;
            view.event(at, &event, &mut seen, &mut findings);
            recovery.event(&mut watcher, at, &event);
        }
    }
    let live = recovery.judge(limits, &mut findings);
    let counts = counts(clients, &sends, &seen);
    Ok(Judgement { findings, counts, missing: missing(&counts, troubles, needs), live })
}

fn counts(clients: u64, sends: &Sends, seen: &Seen) -> Counts {
    Counts {
        clients,
        acked_messages: sends.acked_messages,
        acked_votes: sends.acked_votes,
        rejected: sends.rejected,
        unknown: sends.unknown,
        retried: sends.retried,
        shown: seen.shown,
        subscribes: seen.subscribes,
        resumes: seen.resumes,
        resyncs: seen.resyncs,
        from_log_alone: seen.from_log_alone,
        pages: seen.pages,
        tallies: seen.tallies,
        leaves: seen.leaves,
        sign_outs: seen.sign_outs,
        slowest_answer: Duration::from_micros(sends.slowest_answer),
        slowest_revocation: Duration::from_micros(seen.slowest_revocation),
    }
}

fn missing(counts: &Counts, troubles: &[Trouble], needs: &Needs) -> Vec<String> {
    let mut missing = Vec::new();
    for (what, there, wanted) in [
        ("acked messages", counts.acked_messages, needs.acked),
        ("acked votes", counts.acked_votes, needs.votes),
        ("retries that were acked", counts.retried, needs.retried),
        ("subscribes", counts.subscribes, needs.subscribes),
        ("resumes", counts.resumes, needs.resumes),
        ("leaves", counts.leaves, needs.leaves),
        ("sign-outs", counts.sign_outs, needs.sign_outs),
        ("subscribes and resumes while messages were in the log alone", counts.from_log_alone, needs.from_log_alone),
    ] {
        if there < wanted {
            missing.push(format!("{there} {what}, {wanted} are needed"));
        }
    }
    for trouble in troubles.iter().filter(|trouble| trouble.effect.is_none()) {
        missing.push(format!("{} of {} at {} µs had no effect that shows", trouble.kind, trouble.part, trouble.began));
    }
    missing
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { clients, acked_messages, acked_votes, rejected, unknown, retried, shown, subscribes, resumes, resyncs, from_log_alone, .. } = self.counts;
        let Counts { pages, tallies, leaves, sign_outs, slowest_answer, slowest_revocation, .. } = self.counts;
        writeln!(
            f,
            "{clients} clients: {acked_messages} messages and {acked_votes} votes acked, {retried} of them by a retry; {rejected} attempts rejected, {unknown} of unknown outcome"
        )?;
        writeln!(
            f,
            "{shown} lines shown; {subscribes} subscribes, {resumes} resumes, {resyncs} resyncs, of them {from_log_alone} while messages were in the log alone; {pages} pages, {tallies} tallies"
        )?;
        writeln!(f, "{leaves} leaves, {sign_outs} sign-outs; slowest answer {slowest_answer:?}, slowest revocation {slowest_revocation:?}")?;
        for (fault, times) in &self.live {
            let slowest = times.iter().max().copied().unwrap_or_default();
            writeln!(f, "{:>8}  live again after {fault}: {} times, at most {slowest:?}", "", times.len())?;
        }
        write!(f, "{}", self.findings)?;
        for missing in &self.missing {
            writeln!(f, "{:>8}  {missing}", "too few")?;
        }
        Ok(())
    }
}
