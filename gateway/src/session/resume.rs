//! Coming back: what was missed in each room of the token, room by room, in pieces that never overflow the outbox.

use parley_proto::{
    Cursor, ErrorCode, RoomId,
    item::Item,
    limits,
    planted::{PlantedBug, planted},
    wire::{Resume, ResumeOutcome, ServerFrame},
};
use tokio::time::Instant;

use super::{
    requests::{JOIN_ATTEMPTS, Signed},
    tallies::Missed as MissedTallies,
    token::ResumeToken,
};
use crate::{hub::Told, metrics, refusal::Refusal, subscribe::Missed};

/// The rooms to resume, each at the higher one of the token's and the client's own cursor; nothing of a token that is not ours, not theirs or of another log.
/// With them, the version of the person's rights that the token was signed by.
pub(super) fn accept(signed: &Signed, resume: Option<&Resume>) -> (ResumeOutcome, Vec<Told>, Option<u64>) {
    let Some(resume) = resume else { return (ResumeOutcome::None, Vec::new(), None) };
    let shared = &signed.shared;
    let token = ResumeToken::verify(&resume.token, &shared.signer).filter(|token| token.user == signed.caller.user && token.log_id == shared.log_id);
    let Some(token) = token else { return (ResumeOutcome::ResyncRequired, Vec::new(), None) };
    let rooms = token
        .rooms
        .into_iter()
        .map(|mut entry| {
            for own in resume.rooms.iter().filter(|own| own.room == entry.room) {
                entry.cursor = entry.cursor.max(own.cursor);
            }
            entry
        })
        .collect();
    (ResumeOutcome::Accepted, rooms, token.rights)
}

impl Signed {
    /// Resumes all of `rooms`, one after the other. `token_rights`: the version of the person's rights by which a token of ours has these rooms.
    pub(super) async fn resume(self, rooms: Vec<Told>, mut token_rights: Option<u64>) {
        let guard = self.own.subscribing.lock().await;
        let ids: Vec<RoomId> = rooms.iter().map(|told| told.room).collect();
        let mut in_doubt = Vec::new();
        for told in rooms {
            if self.outbox.is_closed() {
                return;
            }
            let mut resumed = self.resume_room(told).await;
            if resumed.as_ref().is_err_and(|refusal| refusal.code == ErrorCode::Unavailable)
                && let Some(version) = token_rights.take()
                && self.vouch(&ids, version).await
            {
                resumed = self.resume_room(told).await;
            }
            match resumed {
                Ok(()) => {}
                // Nobody vouches just now: it goes on when somebody does.
                Err(refusal) if refusal.code == ErrorCode::AuthUnverified => in_doubt.push(told),
                Err(refusal) => {
                    self.shared.hub.leave(self.socket, told.room).await;
                    self.outbox.send(&ServerFrame::Unsubscribed { reference: None, room: told.room, code: Some(refusal.code) });
                }
            }
        }
        self.tell_cursors();
        drop(guard);
        if !in_doubt.is_empty() {
            self.stopped().extend(in_doubt);
            self.shared.tasks.spawn(self.clone().look_again());
        }
    }

    /// The store is away: a token of ours stands in for it if, as the bus says, none of the person's rights has ended since it was signed.
    async fn vouch(&self, rooms: &[RoomId], version: u64) -> bool {
        let (heard, begun) = (self.shared.rights.revocations(), Instant::now());
        self.shared.hub.rights_version(self.caller.user).await == Some(version) && self.shared.rights.vouched(self.caller.user, rooms, version, begun, heard)
    }

    async fn resume_room(&self, told: Told) -> Result<(), Refusal> {
        let Told { room, cursor, mut as_of } = told;
        if planted(PlantedBug::TalliesByCursor) {
            as_of = cursor;
        }
        let begun = Instant::now();
        self.shared.rights.member(room, self.caller.user).await?;
        self.join(room).await?;
        let mut from = cursor;
        for _ in 0..JOIN_ATTEMPTS {
            let missed = match self.missed_tallies(room, as_of).await {
                MissedTallies::TooMany => Err(Refusal::new(ErrorCode::ResyncRequired)),
                tallies => self.shared.subscriber.missed(room, from).await.map(|missed| (missed, tallies)),
            };
            match missed {
                Ok((missed, tallies)) => {
                    self.must_be_member_after(room, missed.items.iter().map(|(_, item)| item)).await?;
                    let tier = missed.tier;
                    match self.replay(room, from, as_of, missed, tallies).await {
                        Ok(()) => {
                            metrics::subscribed(tier.name(), begun.elapsed().as_secs_f64());
                            return Ok(());
                        }
                        Err(reached) => from = reached,
                    }
                }
                Err(refusal) if refusal.code == ErrorCode::ResyncRequired => {
                    if self.resync(room).await? {
                        metrics::subscribed("resync", begun.elapsed().as_secs_f64());
                        return Ok(());
                    }
                }
                Err(refusal) => return Err(refusal),
            }
        }
        Err(Refusal::new(ErrorCode::Overloaded))
    }

    /// Sends what was missed and goes live. `Err`: too much arrived meanwhile; the client stands at the cursor given.
    async fn replay(&self, room: RoomId, from: Cursor, as_of: Cursor, missed: Missed, tallies: MissedTallies) -> Result<(), Cursor> {
        let Missed { items, cursor, last_seq, catching_up, .. } = missed;
        let mut pieces = cut(items.into_iter().map(|(_, item)| item).collect());
        let last = pieces.pop().unwrap_or_default();
        for items in pieces {
            self.outbox.half_empty().await;
            let users = self.shared.profiles.of_items(&items).await;
            let piece = ServerFrame::Replay { room, prev: from, items, users, cursor: from, more: true, last_seq, catching_up };
            if !self.shared.hub.queue(self.socket, room, &piece) {
                return Ok(());
            }
        }
        self.outbox.half_empty().await;
        let users = self.shared.profiles.of_items(&last).await;
        let frame = ServerFrame::Replay { room, prev: from, items: last, users, cursor, more: false, last_seq, catching_up };
        if self.enter_with_replay(room, cursor, as_of, tallies, &frame).await { Ok(()) } else { Err(from) }
    }

    async fn resync(&self, room: RoomId) -> Result<bool, Refusal> {
        let newest = self.newest(room, limits::PAGE).await?;
        let page = self.newest_page(newest).await;
        Ok(self.enter_with_page(room, page, |page| ServerFrame::Resync { reference: None, room, page, code: ErrorCode::ResyncRequired }).await)
    }
}

/// Pieces of at most 64 KiB of text.
fn cut(items: Vec<Item>) -> Vec<Vec<Item>> {
    const OVERHEAD: usize = 320;
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let mut bytes = 0;
    for item in items {
        let cost = OVERHEAD + item.body.as_str().map_or(512, str::len);
        if bytes + cost > limits::GROUP_BYTES && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            bytes = 0;
        }
        bytes += cost;
        piece.push(item);
    }
    pieces.push(piece);
    pieces
}
