//! Sending, messages and votes alike: one append, three answers.
//!
//! A first attempt may be refused as long as nothing was handed to the log. From then on, and for every retry, a failure is `unknown`: only the log can
//! say more. A retry's or a cancel's answer is what the fold meets first.

use std::time::Duration;

use parley_engines::{
    log::{Appended, EnqueueError, Receipt},
    store::Snapshot,
};
use parley_proto::{
    Body, Cid, Cursor, ErrorCode, Kind, MessageId, PartitionId, Position, Record, RoomId, UserId, WINDOW, check, codec, limits,
    planted::{PlantedBug, planted},
    text::{self, TextError},
};
use tokio::time::Instant;

use super::{Chat, SendOutcome, SendRequest, Sent, VoteRequest};
use crate::{clock, limits::What, metrics, refusal::Refusal};

/// A first attempt's floor may lie this far below the end: the rest of the window is for the time until it is appended.
const FLOOR_DISTANCE_MAX: u64 = WINDOW / 2;
/// What a client is told to wait before it retries an unknown outcome.
const UNKNOWN_RETRY_MS: u64 = 500;
/// When an attempt is given up, from when it was received. The rest of [`limits::SEND_ANSWER`] is the answer's way to the client: timers are late and never early.
const GIVE_UP: Duration = limits::SEND_ANSWER.saturating_sub(Duration::from_millis(250));
/// A first attempt does not wait longer for whether what holds it back is in the log.
pub(crate) const SETTLED_PATIENCE: Duration = Duration::from_millis(500);
/// What a client is told to wait while the producer's queue is full.
const QUEUE_RETRY: Duration = Duration::from_millis(250);

const UNKNOWN: SendOutcome = SendOutcome::Unknown { is_final: false, retry_after_ms: UNKNOWN_RETRY_MS };
/// Nobody can find out any more.
const UNKNOWN_FOR_EVER: SendOutcome = SendOutcome::Unknown { is_final: true, retry_after_ms: 0 };

/// What a send has come to when its turn in the connection's order is over.
#[derive(Debug)]
pub(crate) enum Begun {
    Answered(SendOutcome),
    /// In the producer's hands, in order; the answer may take a while.
    HandedOver(Box<InFlight>),
}

/// A record in the producer's hands.
#[derive(Debug)]
pub(crate) struct InFlight {
    chat: Chat,
    attempt: Attempt,
    floor: Cursor,
    receipt: Receipt,
}

/// What is appended, besides who, where and when.
#[derive(Debug)]
struct Payload {
    kind: Kind,
    target: Option<MessageId>,
    value: i64,
    body: Body,
}

impl Payload {
    fn message(body: String) -> Self {
        Self { kind: Kind::Message, target: None, value: 0, body: Body::Plain(body) }
    }

    fn vote(target: MessageId, value: i64) -> Self {
        Self { kind: Kind::Vote, target: Some(target), value, body: Body::empty() }
    }

    fn cancel() -> Self {
        Self { kind: Kind::Cancel, target: None, value: 0, body: Body::empty() }
    }
}

/// Which attempt of which thing.
#[derive(Debug, Clone)]
struct Attempt {
    /// What is attempted, also where this attempt is its cancel.
    of: Kind,
    room: RoomId,
    sender: UserId,
    cid: Cid,
    base: Cursor,
    id: MessageId,
    /// The answer depends on what came before.
    further: bool,
    deadline: Instant,
    begun: Instant,
}

impl Attempt {
    fn new(of: Kind, sender: UserId, sent: Sent, further: bool, begun: Instant) -> Self {
        let Sent { room, cid, base } = sent;
        Self { of, room, sender, cid, base, id: MessageId::derive(room, sender, cid, base), further, deadline: begun + GIVE_UP, begun }
    }

    fn partition(&self) -> PartitionId {
        self.room.partition()
    }

    /// The no of a first attempt; of a further one nothing is known.
    fn refused(&self, code: ErrorCode, retry_after: Option<Duration>) -> SendOutcome {
        let retry_after_ms = retry_after.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        if self.further && !planted(PlantedBug::RetryRejected) {
            return SendOutcome::Unknown { is_final: false, retry_after_ms: retry_after_ms.unwrap_or(UNKNOWN_RETRY_MS) };
        }
        SendOutcome::Rejected { code, is_final: false, retry_after_ms }
    }

    fn refusal(&self, refusal: &Refusal) -> SendOutcome {
        self.refused(refusal.code, refusal.retry_after)
    }

    fn answered(&self, outcome: SendOutcome) -> Begun {
        self.count(&outcome);
        Begun::Answered(outcome)
    }

    fn count(&self, outcome: &SendOutcome) {
        match self.of {
            Kind::Vote => metrics::vote_answered(outcome.name()),
            _ => metrics::send_answered(outcome.name(), self.begun.elapsed().as_secs_f64()),
        }
    }
}

impl Chat {
    /// Everything up to the handing over, which happens in the order of the calls. The answer is due [`limits::SEND_ANSWER`] after `received`.
    /// A retry counts as a send: above the limit its outcome stays unknown.
    pub(crate) async fn begin_send(&self, sender: UserId, request: SendRequest, received: Instant) -> Begun {
        let attempt = Attempt::new(Kind::Message, sender, request.sent, request.retry, received);
        if let Err(refusal) = self.limits.spend(What::Sends, sender) {
            return attempt.answered(attempt.refusal(&refusal));
        }
        let permitted = async {
            text::check_body(&request.body).map_err(|error| {
                Refusal::new(match error {
                    TextError::Empty => ErrorCode::BodyEmpty,
                    TextError::TooLong => ErrorCode::BodyTooLong,
                    TextError::Invalid => ErrorCode::BodyInvalid,
                })
            })?;
            self.rights.member(request.sent.room, sender).await.map(drop)
        };
        let permitted = tokio::time::timeout_at(attempt.deadline, permitted).await.unwrap_or_else(|_| Err(Refusal::unavailable()));
        self.begin(attempt, permitted, Payload::message(request.body)).await
    }

    /// The same for a vote.
    pub(crate) async fn begin_vote(&self, sender: UserId, request: VoteRequest, received: Instant) -> Begun {
        let VoteRequest { sent, target, value, retry } = request;
        let attempt = Attempt::new(Kind::Vote, sender, sent, retry, received);
        if let Err(refusal) = self.limits.spend(What::Votes, sender) {
            return attempt.answered(attempt.refusal(&refusal));
        }
        let permitted = async {
            self.rights.member(sent.room, sender).await?;
            // A retry's message was there at its first attempt; what became of it since is the fold's to judge.
            if retry { Ok(()) } else { self.check_votable(sent.room, target).await }
        };
        let permitted = tokio::time::timeout_at(attempt.deadline, permitted).await.unwrap_or_else(|_| Err(Refusal::unavailable()));
        self.begin(attempt, permitted, Payload::vote(target, value.into())).await
    }

    /// `permitted` is what membership, limits and the like say.
    async fn begin(&self, attempt: Attempt, permitted: Result<(), Refusal>, payload: Payload) -> Begun {
        match permitted {
            Ok(()) => self.hand_over(attempt, payload).await,
            // A retry is never refused without its cancel: the first attempt may be in the log.
            Err(refusal) if attempt.further && refusal.code.status() != 503 => self.hand_over(attempt, Payload::cancel()).await,
            Err(refusal) => attempt.answered(attempt.refusal(&refusal)),
        }
    }

    /// Gives up a send whose outcome is unknown: appends its cancel.
    pub(crate) async fn begin_drop(&self, sender: UserId, sent: Sent, received: Instant) -> Begun {
        let attempt = Attempt::new(Kind::Message, sender, sent, true, received);
        if let Err(refusal) = self.limits.spend(What::Sends, sender) {
            return attempt.answered(attempt.refusal(&refusal));
        }
        self.hand_over(attempt, Payload::cancel()).await
    }

    async fn hand_over(&self, attempt: Attempt, payload: Payload) -> Begun {
        match tokio::time::timeout_at(attempt.deadline, self.prepare(&attempt, payload)).await {
            Err(_) => attempt.answered(attempt.refusal(&Refusal::unavailable())),
            Ok(Err(outcome)) => attempt.answered(outcome),
            Ok(Ok((floor, record))) => match self.log.enqueue(attempt.partition(), attempt.room, record) {
                Ok(receipt) => Begun::HandedOver(Box::new(InFlight { chat: self.clone(), attempt, floor, receipt })),
                Err(EnqueueError::QueueFull) => attempt.answered(attempt.refused(ErrorCode::QueueFull, Some(QUEUE_RETRY))),
                Err(EnqueueError::Closed) => attempt.answered(attempt.refusal(&Refusal::unavailable())),
            },
        }
    }

    /// Whether a send of unknown outcome, or its cancel, turned out to be in the log or the store.
    pub(crate) async fn is_settled(&self, sender: UserId, sent: Sent) -> bool {
        let attempt = Attempt::new(Kind::Message, sender, sent, true, Instant::now());
        let look = async {
            let end = self.ends.fresh(attempt.partition()).await.ok()?;
            match self.floor(&attempt, end).await {
                Ok(floor) => self.reader.first_occurrence(attempt.partition(), attempt.id, attempt.cid, floor, end).await.ok()?.map(drop),
                Err(SendOutcome::Ack { .. }) => Some(()),
                Err(_) => None,
            }
        };
        tokio::time::timeout(SETTLED_PATIENCE, look).await.ok().flatten().is_some()
    }

    /// The floor, what earlier attempts came to, and the record's bytes.
    async fn prepare(&self, attempt: &Attempt, payload: Payload) -> Result<(Cursor, bytes::Bytes), SendOutcome> {
        let away = |_| attempt.refusal(&Refusal::unavailable());
        let partition = attempt.partition();
        let mut end = self.ends.known(partition).await.map_err(away)?;
        if attempt.base > end {
            end = self.ends.fresh(partition).await.map_err(away)?;
            if attempt.base > end {
                return Err(attempt.refused(ErrorCode::BaseAhead, None));
            }
        }
        let floor = self.floor(attempt, end).await?;
        if attempt.further {
            // The end as known may be older than the earlier attempt.
            let end = self.ends.fresh(partition).await.map_err(away)?;
            let met = self.reader.first_occurrence(partition, attempt.id, attempt.cid, floor, end).await.map_err(away)?;
            if let Some((position, kind)) = met {
                return Err(outcome_of(attempt.id, position, kind));
            }
        }
        let Payload { kind, target, value, body } = payload;
        let record = Record {
            kind,
            room: attempt.room,
            sender: attempt.sender,
            cid: attempt.cid,
            base: attempt.base,
            floor,
            auth: end,
            target,
            value,
            body,
            imported: false,
            sent_at: clock::now(),
        };
        if let Err(reason) = check::check_record(&record, partition) {
            tracing::warn!(%reason, "send.refused_by_check");
            return Err(attempt.refused(ErrorCode::BadRequest, None));
        }
        Ok((floor, codec::encode(&record)))
    }

    /// From where on the log decides whether this is a repeat. Below it the store does: one snapshot says what is stored and what is not.
    async fn floor(&self, attempt: &Attempt, end: Cursor) -> Result<Cursor, SendOutcome> {
        if end.since(attempt.base) <= FLOOR_DISTANCE_MAX {
            return Ok(attempt.base);
        }
        if attempt.further && attempt.of != Kind::Message {
            // Only messages can be found in the store.
            return Err(UNKNOWN_FOR_EVER);
        }
        let Snapshot { next, value } = self.store.find(attempt.partition(), &[attempt.id]).await.map_err(|error| attempt.refusal(&Refusal::from(error)))?;
        if let Some(position) = value.first().copied().flatten() {
            return Err(SendOutcome::Ack { id: attempt.id, at_most: position });
        }
        if end.since(next) <= FLOOR_DISTANCE_MAX { Ok(next.max(attempt.base)) } else { Err(attempt.refusal(&Refusal::unavailable())) }
    }
}

impl InFlight {
    /// The log's word. After the deadline the answer is `unknown`, whatever the log says later.
    pub(crate) async fn finish(self: Box<Self>) -> SendOutcome {
        let Self { chat, attempt, floor, receipt } = *self;
        let outcome = tokio::time::timeout_at(attempt.deadline, settle(&chat, &attempt, floor, receipt)).await.unwrap_or(UNKNOWN);
        attempt.count(&outcome);
        outcome
    }
}

async fn settle(chat: &Chat, attempt: &Attempt, floor: Cursor, receipt: Receipt) -> SendOutcome {
    let partition = attempt.partition();
    let to = match receipt.await {
        Appended::Unknown => return UNKNOWN,
        Appended::At(position) => {
            chat.ends.reached(partition, position);
            if position.at().since(floor) > WINDOW {
                return UNKNOWN;
            }
            if !attempt.further || planted(PlantedBug::RetryByReportAlone) {
                return SendOutcome::Ack { id: attempt.id, at_most: position };
            }
            position.next()
        }
        Appended::Somewhere => match chat.ends.fresh(partition).await {
            Ok(end) => end,
            Err(_) => return UNKNOWN,
        },
    };
    match chat.reader.first_occurrence(partition, attempt.id, attempt.cid, floor, to).await {
        Ok(Some((position, kind))) => outcome_of(attempt.id, position, kind),
        Ok(None) | Err(_) => UNKNOWN,
    }
}

/// What the fold met first decides.
fn outcome_of(id: MessageId, position: Position, kind: Kind) -> SendOutcome {
    match kind {
        Kind::Cancel => SendOutcome::Rejected { code: ErrorCode::Cancelled, is_final: !planted(PlantedBug::CancelledSentAgain), retry_after_ms: None },
        _ => SendOutcome::Ack { id, at_most: position },
    }
}
