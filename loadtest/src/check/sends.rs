//! Sends and votes of one client: what was answered, beside what the log says became of them (G1, G2, G4, G11).

use std::{collections::HashMap, time::Duration};

use parley_proto::{Cid, Cursor, Kind, MessageId, Position, RoomId, UserId};

use super::{
    Limits,
    promise::{Findings, Promise},
    truth::{Taken, Truth},
};
use crate::history::{Event, Micros};

/// One attempt of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    at: Micros,
    /// Number of the connection, and of the attempt on it.
    connection: u32,
    number: u32,
    retry: bool,
    outcome: Option<Outcome>,
    answered_after: Micros,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ack {
        id: MessageId,
        at_most: Position,
    },
    Rejected {
        last: bool,
    },
    Unknown,
    /// The connection went first.
    Lost,
}

/// A thing with all its attempts.
#[derive(Debug)]
struct Sent {
    room: RoomId,
    base: Cursor,
    kind: Kind,
    /// Digest of a message's body.
    body: u64,
    attempts: Vec<Attempt>,
}

/// An ack, for those who subscribe later.
#[derive(Debug, Clone, Copy)]
pub(super) struct Acked {
    pub(super) room: RoomId,
    pub(super) at: Micros,
    pub(super) id: MessageId,
}

/// What all clients' sends come to.
#[derive(Debug, Default)]
pub(super) struct Sends {
    pub(super) acked: Vec<Acked>,
    /// When each message was first tried.
    pub(super) first_tried: HashMap<MessageId, Micros>,
    pub(super) acked_messages: u64,
    pub(super) acked_votes: u64,
    pub(super) rejected: u64,
    pub(super) unknown: u64,
    /// Retries that were answered with an ack.
    pub(super) retried: u64,
    pub(super) slowest_answer: Micros,
}

/// One client's, while its history is read.
#[derive(Debug, Default)]
pub(super) struct Sender {
    user: Option<UserId>,
    name: String,
    connection: u32,
    number: u32,
    things: HashMap<Cid, Sent>,
    /// Attempts that nothing was answered to yet, in order.
    open: Vec<Cid>,
    /// While it read nothing on purpose.
    stalls: Vec<(Micros, Micros)>,
}

impl Sender {
    pub(super) fn event(&mut self, at: Micros, event: &Event) {
        match event {
            Event::Person { user, name } => (self.user, self.name) = (Some(*user), name.clone()),
            Event::Hello { .. } => self.connection += 1,
            Event::Send { room, cid, base, body, retry, .. } => self.attempt(at, *cid, *retry, Sent::new(*room, *base, Kind::Message, *body)),
            Event::Vote { room, cid, base, retry, .. } => self.attempt(at, *cid, *retry, Sent::new(*room, *base, Kind::Vote, 0)),
            // A cancel is answered like a retry.
            Event::Drop { cid, .. } => {
                if let Some(Sent { room, base, kind, body, .. }) = self.things.get(cid) {
                    let again = Sent::new(*room, *base, *kind, *body);
                    self.attempt(at, *cid, true, again);
                }
            }
            Event::Ack { cid, id, at_most } => self.answer(at, *cid, Outcome::Ack { id: *id, at_most: *at_most }),
            Event::Rejected { cid, last, .. } => self.answer(at, *cid, Outcome::Rejected { last: *last }),
            Event::Unknown { cid, .. } => self.answer(at, *cid, Outcome::Unknown),
            Event::Stall { micros } => self.stalls.push((at, at + micros)),
            Event::Closed { .. } => {
                for cid in std::mem::take(&mut self.open) {
                    self.answer(at, cid, Outcome::Lost);
                }
            }
            _ => {}
        }
    }

    fn attempt(&mut self, at: Micros, cid: Cid, retry: bool, new: Sent) {
        self.number += 1;
        let attempt = Attempt { at, connection: self.connection, number: self.number, retry, outcome: None, answered_after: 0 };
        self.things.entry(cid).or_insert(new).attempts.push(attempt);
        self.open.push(cid);
    }

    fn answer(&mut self, at: Micros, cid: Cid, outcome: Outcome) {
        self.open.retain(|open| *open != cid);
        let attempt = self.things.get_mut(&cid).and_then(|sent| sent.attempts.iter_mut().rev().find(|attempt| attempt.outcome.is_none()));
        if let Some(attempt) = attempt {
            attempt.outcome = Some(outcome);
            attempt.answered_after = at - attempt.at;
        }
    }

    /// Judges everything once the history is read.
    pub(super) fn judge(mut self, truth: &Truth, limits: &Limits, sends: &mut Sends, findings: &mut Findings) {
        let Some(user) = self.user else { return };
        let mut ordered: HashMap<(RoomId, u32), Vec<(u32, Position)>> = HashMap::new();
        for (cid, sent) in self.things.drain() {
            let id = MessageId::derive(sent.room, user, cid, sent.base);
            let said = Said { name: &self.name, cid, id, sent: &sent, user };
            said.count(truth.taken(id), sends);
            said.judge(truth.taken(id), findings);
            said.judge_times(limits, &self.stalls, findings);
            if let (Some(attempt), Some(taken)) = (sent.straight(), truth.taken(id)) {
                ordered.entry((sent.room, attempt.connection)).or_default().push((attempt.number, taken.position));
            }
        }
        for ((room, connection), mut sent) in ordered {
            sent.sort_unstable();
            for pair in sent.windows(2) {
                let holds = pair[0].1 < pair[1].1;
                findings.that(Promise::Session, holds, || format!("{}: connection {connection}, {room}: sent in the order {pair:?}", self.name));
            }
        }
    }
}

impl Sent {
    fn new(room: RoomId, base: Cursor, kind: Kind, body: u64) -> Self {
        Self { room, base, kind, body, attempts: Vec::with_capacity(1) }
    }

    /// The attempt that was acked and before which nothing was unknown: it stands where it was sent.
    fn straight(&self) -> Option<&Attempt> {
        let attempt = self.attempts.iter().find(|attempt| !matches!(attempt.outcome, Some(Outcome::Rejected { .. })))?;
        (!attempt.retry && matches!(attempt.outcome, Some(Outcome::Ack { .. }))).then_some(attempt)
    }
}

/// A thing of somebody's.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    name: &'a str,
    user: UserId,
    cid: Cid,
    id: MessageId,
    sent: &'a Sent,
}

impl Said<'_> {
    fn count(&self, taken: Option<&Taken>, sends: &mut Sends) {
        let mut acked = false;
        for attempt in &self.sent.attempts {
            sends.slowest_answer = sends.slowest_answer.max(attempt.answered_after);
            match attempt.outcome {
                Some(Outcome::Ack { .. }) => {
                    sends.retried += u64::from(attempt.retry);
                    if !acked {
                        let at = attempt.at + attempt.answered_after;
                        sends.acked.push(Acked { room: self.sent.room, at, id: self.id });
                    }
                    acked = true;
                }
                Some(Outcome::Rejected { .. }) => sends.rejected += 1,
                Some(Outcome::Unknown | Outcome::Lost) => sends.unknown += 1,
                None => {}
            }
        }
        let counter = if self.sent.kind == Kind::Vote { &mut sends.acked_votes } else { &mut sends.acked_messages };
        *counter += u64::from(acked);
        if let (Some(first), Some(_)) = (self.sent.attempts.first(), taken) {
            sends.first_tried.insert(self.id, first.at);
        }
    }

    fn judge(&self, taken: Option<&Taken>, findings: &mut Findings) {
        let Self { name, cid, id, sent, .. } = *self;
        let what = |says: &str| format!("{name}: {cid:?} in {}: {says}; attempts {:?}, the log has {taken:?}", sent.room, sent.attempts);
        let there = taken.filter(|taken| taken.kind == sent.kind);
        for attempt in &sent.attempts {
            if let Some(Outcome::Ack { id: told, at_most }) = attempt.outcome {
                let as_sent = there.is_some_and(|there| there.body == sent.body && there.room == sent.room && there.sender == self.user);
                let holds = as_sent && told == id && there.is_some_and(|there| there.position <= at_most);
                findings.that(Promise::Durable, holds, || what("acked"));
            }
        }
        let doubtful = |attempt: &Attempt| matches!(attempt.outcome, Some(Outcome::Ack { .. } | Outcome::Unknown | Outcome::Lost) | None);
        if sent.attempts.iter().all(|attempt| !doubtful(attempt)) {
            findings.that(Promise::Refusal, there.is_none(), || what("only rejected"));
        }
        let mut open = false;
        for attempt in &sent.attempts {
            if let Some(Outcome::Rejected { last }) = attempt.outcome {
                findings.that(Promise::Refusal, last || !(open && attempt.retry), || what("a retry was rejected without its cancel"));
                findings.that(Promise::Refusal, !last || there.is_none(), || what("cancelled"));
            }
            open |= doubtful(attempt);
        }
        if let Some(taken) = taken {
            findings.that(Promise::Once, taken.doubles.is_empty(), || what("taken twice"));
        }
    }

    fn judge_times(&self, limits: &Limits, stalls: &[(Micros, Micros)], findings: &mut Findings) {
        for attempt in &self.sent.attempts {
            let answered = attempt.at + attempt.answered_after;
            let stalled = stalls.iter().any(|(from, to)| attempt.at < *to && answered > *from);
            if stalled || limits.on_the_way(attempt.at, answered) {
                continue;
            }
            let took = Duration::from_micros(attempt.answered_after);
            let holds = attempt.outcome.is_none() || took <= limits.answer;
            findings
                .that(Promise::Answered, holds, || format!("{}: {:?}: {:?} after {took:?}, sent at {} µs", self.name, self.cid, attempt.outcome, attempt.at));
        }
    }
}
