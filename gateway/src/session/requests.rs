//! What a signed-in socket asks for.
//!
//! Sends are begun one after the other, so that one connection's messages stand in the order in which it sent them, and awaited concurrently.
//! Subscribes of one socket wait for each other.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use parley_proto::{
    Cid, Cursor, ErrorCode, MessageId, Position, RoomId,
    item::Item,
    limits,
    wire::{ClientFrame, NewestPage, Ref, RoomCursor, ServerFrame},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Instant,
};

use super::{
    context::{Caller, Shared},
    holds::Holds,
    wanted::{Wanted, Wish},
};
use crate::{
    chat::{Begun, HistoryPage, PageAt, SendOutcome, SendRequest, Sent, VoteRequest},
    hub::{NotNow, SocketId, Told},
    limits::{
        What,
        load::{Kind, UnderWay},
    },
    metrics,
    outbox::Outbox,
    reads::ReadMark,
    refusal::Refusal,
    subscribe::{Newest, ends_membership},
};

/// How often a page is put together again because the reader's cursor moved meanwhile.
const PAGE_ATTEMPTS: usize = 16;
/// How often a first answer is put together again because too much arrived meanwhile.
pub(super) const JOIN_ATTEMPTS: usize = 3;

/// A socket after its hello. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    pub(super) shared: Arc<Shared>,
    pub(super) caller: Caller,
    pub(super) socket: SocketId,
    pub(super) outbox: Outbox,
    pub(super) own: Arc<Own>,
}

/// What all requests of a socket share.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Held while the set of subscribed rooms changes.
    pub(super) subscribing: tokio::sync::Mutex<()>,
    pub(super) holds: Holds,
    /// Where the socket stood when nobody vouched for its person's rights any more.
    stopped: Mutex<Vec<Told>>,
}

/// A send's place in the connection's order.
#[derive(Debug)]
pub(super) struct Turn {
    frame: ClientFrame,
    permit: OwnedSemaphorePermit,
    /// Among the requests of all sockets; none where there are too many.
    under_way: Result<UnderWay, Refusal>,
    /// Its time runs from here, however long it waits for its turn.
    received: Instant,
}

/// Where requests are handed in.
#[derive(Debug)]
pub(super) struct Requests {
    permits: Arc<Semaphore>,
    wanted: Wanted,
    /// Made with the first send.
    sends: Option<mpsc::Sender<Turn>>,
}

impl Signed {
    pub(super) fn new(shared: Arc<Shared>, caller: Caller, socket: SocketId, outbox: Outbox) -> Self {
        Self { shared, caller, socket, outbox, own: Arc::default() }
    }

    pub(super) fn stopped(&self) -> MutexGuard<'_, Vec<Told>> {
        self.own.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refuse(&self, reference: Option<Ref>, refusal: Refusal) {
        let retry_after_ms = refusal.retry_after.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        self.outbox.send(&ServerFrame::Error { reference, code: refusal.code, detail: refusal.detail, path: refusal.path, retry_after_ms });
    }

    /// Tells the client where it stands in all rooms, and gives it a token to come back with.
    pub(super) fn tell_cursors(&self) {
        let mut rooms = self.shared.hub.tell_cursors(self.socket);
        rooms.extend(self.stopped().iter().copied());
        let items = rooms.iter().map(|told| RoomCursor { room: told.room, cursor: told.cursor }).collect();
        let (user, session) = (self.caller.user, self.caller.session);
        let rights = self.shared.rights.verified().version(user);
        let token = super::token::ResumeToken { user, session, log_id: self.shared.log_id, rights, rooms };
        self.outbox.send(&ServerFrame::Cursors { items, token: token.sign(&self.shared.signer) });
    }

    /// The newest rows, for who still is a member after them.
    pub(super) async fn newest(&self, room: RoomId, limit: usize) -> Result<Newest, Refusal> {
        let newest = self.shared.subscriber.newest(room, limit).await?;
        self.must_be_member_after(room, newest.items.iter()).await?;
        Ok(newest)
    }

    pub(super) async fn newest_page(&self, newest: Newest) -> NewestPage {
        let users = self.shared.profiles.of_items(&newest.items).await;
        let Newest { items, start, cursor, has_older, last_seq, .. } = newest;
        NewestPage { items, users, start, cursor, has_older, last_seq, tallies: None }
    }

    async fn subscribe(&self, wish: &Wish, limit: Option<u32>) -> Result<(), Refusal> {
        let &Wish { reference, room, .. } = wish;
        let limit = page_limit(limit)?;
        let _under_way = self.shared.personal.load.begin(Kind::Subscribe)?;
        self.shared.personal.spend(What::Reads, self.caller.user)?;
        self.shared.rights.member(room, self.caller.user).await?;
        let _guard = self.own.subscribing.lock().await;
        wish.must_be_newest()?;
        let begun = Instant::now();
        self.join(room).await?;
        for _ in 0..JOIN_ATTEMPTS {
            let newest = match self.newest(room, limit).await {
                Ok(newest) => newest,
                Err(refusal) => {
                    self.shared.hub.leave(self.socket, room).await;
                    return Err(refusal);
                }
            };
            let (tier, catching_up) = (newest.tier, newest.catching_up);
            let page = self.newest_page(newest).await;
            if self.enter_with_page(room, page, |page| ServerFrame::Subscribed { reference, room, page, catching_up }).await {
                if !self.shared.hub.receives(self.socket, room) {
                    return Err(self.cut_short());
                }
                metrics::subscribed(tier.name(), begun.elapsed().as_secs_f64());
                self.tell_cursors();
                return Ok(());
            }
        }
        self.shared.hub.leave(self.socket, room).await;
        Err(Refusal::new(ErrorCode::Overloaded).retry_after(Duration::from_secs(1)))
    }

    /// Starts to receive. The right is looked at once more: a revocation that came before found nothing to end, one that comes later ends this.
    pub(super) async fn join(&self, room: RoomId) -> Result<(), Refusal> {
        if !self.shared.hub.join(self.socket, room, self.shared.limits.subscriptions).await {
            metrics::limited("subscriptions");
            return Err(Refusal::new(ErrorCode::TooManySubscriptions));
        }
        let still = if self.is_in_doubt() { Err(Self::doubt()) } else { self.shared.rights.member(room, self.caller.user).await.map(drop) };
        if still.is_err() {
            self.shared.hub.leave(self.socket, room).await;
        }
        still
    }

    /// The items of a first answer may say that the caller has left, and no revocation may have come: then the store is asked, whatever it said before. Lines that the room's
    /// order has above their leaving are not theirs.
    pub(super) async fn must_be_member_after<'a>(&self, room: RoomId, items: impl DoubleEndedIterator<Item = &'a Item>) -> Result<(), Refusal> {
        match ends_membership(items, self.caller.user) {
            true => self.shared.rights.member_anew(room, self.caller.user).await.map(drop),
            false => Ok(()),
        }
    }

    async fn unsubscribe(&self, wish: &Wish) -> Result<(), Refusal> {
        let &Wish { reference, room, .. } = wish;
        let _guard = self.own.subscribing.lock().await;
        wish.must_be_newest()?;
        self.shared.hub.leave(self.socket, room).await;
        self.stopped().retain(|told| told.room != room);
        self.outbox.send(&ServerFrame::Unsubscribed { reference: Some(reference), room, code: None });
        self.tell_cursors();
        Ok(())
    }

    /// A page as this socket sees the room at the moment in which the page is queued: what happened between would be missing from it otherwise.
    async fn history(&self, reference: Ref, room: RoomId, at: PageAt, limit: Option<u32>) -> Result<(), Refusal> {
        let limit = page_limit(limit)?;
        let _under_way = self.shared.personal.load.begin(Kind::DeepHistory)?;
        self.shared.personal.spend(What::Reads, self.caller.user)?;
        self.shared.rights.member(room, self.caller.user).await?;
        let mut cursor = self.shared.hub.cursor(self.socket, room).ok_or_else(|| Refusal::new(ErrorCode::NotSubscribed))?;
        for _ in 0..PAGE_ATTEMPTS {
            let HistoryPage { items, start, end, has_older, has_newer } = self.shared.chat.page_up_to(room, at, limit, cursor).await?;
            let users = self.shared.profiles.of_items(&items).await;
            let ids: Vec<MessageId> = items.iter().map(|item| item.id).collect();
            let tallies = self.shared.chat.tallies(room, &ids, self.caller.user).await?;
            let as_of = tallies.as_of;
            let frame = ServerFrame::Page { reference, room, items, users, start, end, has_older, has_newer, tallies };
            match self.shared.hub.at_cursor(self.socket, room, cursor, as_of, |outbox| outbox.send(&frame)) {
                Ok(()) => return Ok(()),
                Err(NotNow::Moved(moved)) => cursor = moved,
                Err(NotNow::Stale) => {}
                Err(NotNow::NotReceived) => return Err(Refusal::new(ErrorCode::NotSubscribed)),
            }
        }
        Err(Refusal::new(ErrorCode::HistoryPending).retry_after(Duration::from_millis(100)))
    }

    fn answer(&self, reference: Ref, sent: Sent, outcome: SendOutcome) {
        self.own.holds.told(sent, &outcome);
        self.outbox.send(&answer(reference, sent.cid, outcome));
        if let SendOutcome::Ack { at_most, .. } = outcome {
            self.shared.hub.acked(self.socket, sent.room, at_most);
        }
    }

    /// Answers a send that is not begun: a first attempt was not made, the outcome of a further one is as unknown as before.
    fn put_off(&self, frame: &ClientFrame, refusal: &Refusal) {
        let retry_after_ms = refusal.retry_after.map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        let (reference, sent, outcome) = match *frame {
            ClientFrame::Send { reference, room, cid, base, retry: false, .. } | ClientFrame::Vote { reference, room, cid, base, retry: false, .. } => {
                (reference, Sent { room, cid, base }, SendOutcome::Rejected { code: refusal.code, is_final: false, retry_after_ms })
            }
            ClientFrame::Send { reference, room, cid, base, .. }
            | ClientFrame::Vote { reference, room, cid, base, .. }
            | ClientFrame::Drop { reference, room, cid, base } => {
                (reference, Sent { room, cid, base }, SendOutcome::Unknown { is_final: false, retry_after_ms: retry_after_ms.unwrap_or_default() })
            }
            _ => return,
        };
        self.answer(reference, sent, outcome);
    }

    async fn begin(&self, turn: Turn) {
        let Turn { frame, permit, under_way, received } = turn;
        if self.outbox.is_closed() {
            // Nothing is begun for a session that ended; whoever comes back elsewhere asks again.
            return;
        }
        let under_way = match under_way {
            Ok(under_way) => under_way,
            Err(refusal) => return self.put_off(&frame, &refusal),
        };
        if let ClientFrame::Send { reference, room, cid, retry: false, .. } | ClientFrame::Vote { reference, room, cid, retry: false, .. } = frame
            && self.is_held_back(room, cid, received).await
        {
            let outcome = SendOutcome::Rejected { code: ErrorCode::OrderHold, is_final: false, retry_after_ms: None };
            self.outbox.send(&answer(reference, cid, outcome));
            return;
        }
        let (reference, sent, further, begun) = match frame {
            ClientFrame::Send { reference, room, cid, base, body, retry } => {
                let sent = Sent { room, cid, base };
                (reference, sent, retry, self.shared.chat.begin_send(self.caller.user, SendRequest { sent, body, retry }, received).await)
            }
            ClientFrame::Vote { reference, room, cid, base, target, value, retry } => {
                let sent = Sent { room, cid, base };
                (reference, sent, retry, self.shared.chat.begin_vote(self.caller.user, VoteRequest { sent, target, value, retry }, received).await)
            }
            ClientFrame::Drop { reference, room, cid, base } => {
                let sent = Sent { room, cid, base };
                (reference, sent, true, self.shared.chat.begin_drop(self.caller.user, sent, received).await)
            }
            _ => return,
        };
        match begun {
            Begun::Answered(outcome) => {
                self.answer(reference, sent, outcome);
            }
            Begun::HandedOver(in_flight) => {
                let signed = self.clone();
                let wait = async move {
                    let _under_way = (permit, under_way);
                    let outcome = in_flight.finish().await;
                    signed.answer(reference, sent, outcome);
                };
                if further {
                    // What comes after a retry waits for its word: it may still hold the room.
                    wait.await;
                } else {
                    self.shared.tasks.spawn(wait);
                }
            }
        }
    }

    /// Deals with a request beside the others.
    fn spawn<F>(&self, permit: OwnedSemaphorePermit, reference: Ref, request: impl FnOnce(Signed) -> F)
    where
        F: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        let signed = self.clone();
        let done = request(signed.clone());
        self.shared.tasks.spawn(async move {
            let _permit = permit;
            if let Err(refusal) = done.await {
                signed.refuse(Some(reference), refusal);
            }
        });
    }
}

impl Requests {
    /// At most so many under way.
    pub(super) fn new(requests_max: usize) -> Self {
        let permits = Arc::new(Semaphore::new(requests_max));
        Self { permits, wanted: Wanted::default(), sends: None }
    }

    /// Takes one request. Waits while too many are under way: the socket is not read meanwhile.
    pub(super) async fn take(&mut self, signed: &Signed, frame: ClientFrame) {
        let received = Instant::now();
        let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
        match frame {
            ClientFrame::Send { .. } | ClientFrame::Vote { .. } | ClientFrame::Drop { .. } => {
                let sends = self.sends.get_or_insert_with(|| {
                    let (sender, mut turns) = mpsc::channel::<Turn>(signed.shared.limits.requests);
                    let tasks = &signed.shared.tasks;
                    let signed = signed.clone();
                    tasks.spawn(async move {
                        while let Some(turn) = turns.recv().await {
                            signed.begin(turn).await;
                        }
                    });
                    sender
                });
                let under_way = signed.shared.personal.load.begin(Kind::Send);
                // The permits bound the queue: there is room.
                if let Err(error) = sends.send(Turn { frame, permit, under_way, received }).await {
                    tracing::debug!(%error, "session.send_queue_closed");
                }
            }
            ClientFrame::Subscribe { reference, room, limit } => {
                let wish = self.wanted.begin(room, reference);
                signed.spawn(permit, reference, async move |signed| signed.subscribe(&wish, limit).await);
            }
            ClientFrame::Unsubscribe { reference, room } => {
                let wish = self.wanted.begin(room, reference);
                signed.spawn(permit, reference, async move |signed| signed.unsubscribe(&wish).await);
            }
            ClientFrame::History { reference, room, limit, before, after, around } => {
                signed.spawn(permit, reference, async move |signed| signed.history(reference, room, page_at(before, after, around)?, limit).await);
            }
            ClientFrame::Read { reference, room, seq, back } => {
                signed.spawn(permit, reference, async move |signed| signed.shared.chat.reads().mark(signed.caller.user, room, ReadMark { seq, back }).await);
            }
            ClientFrame::Hello { reference, .. } => signed.refuse(Some(reference), Refusal::new(ErrorCode::BadRequest).detail("hello was said already")),
        }
    }
}

fn answer(reference: Ref, cid: Cid, outcome: SendOutcome) -> ServerFrame {
    match outcome {
        SendOutcome::Ack { id, at_most } => ServerFrame::Ack { reference, cid, id, at_most },
        SendOutcome::Rejected { code, is_final, retry_after_ms } => ServerFrame::Rejected { reference, cid, code, is_final, retry_after_ms },
        SendOutcome::Unknown { is_final, retry_after_ms } => ServerFrame::Unknown { reference, cid, is_final, retry_after_ms },
    }
}

fn page_limit(limit: Option<u32>) -> Result<usize, Refusal> {
    match limit.map(|limit| limit as usize) {
        None => Ok(limits::PAGE),
        Some(limit @ 1..=limits::PAGE_MAX) => Ok(limit),
        Some(_) => Err(Refusal::new(ErrorCode::BadRequest).at("limit").detail("1 to 100")),
    }
}

fn page_at(before: Option<Position>, after: Option<Position>, around: Option<MessageId>) -> Result<PageAt, Refusal> {
    let in_range = |position: Position| position.at() < Cursor::LIMIT;
    match (before, after, around) {
        (Some(before), None, None) if in_range(before) => Ok(PageAt::Before(before.at())),
        (None, Some(after), None) if in_range(after) => Ok(PageAt::From(after.next())),
        (None, None, Some(around)) => Ok(PageAt::Around(around)),
        _ => Err(Refusal::new(ErrorCode::BadRequest).detail("exactly one of before, after and around")),
    }
}
