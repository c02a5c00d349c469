//! What a client says: wishes become things in the outbox or questions, and what the outbox lets go is written.

use parley_proto::{
    Cid, RoomId,
    wire::{ClientFrame, VoteValue},
};
use rand::{Rng, seq::IndexedRandom};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    habits::{self, Wish},
    outbox::{Attempt, Thing, What},
    person::{Person, Question, Receiving},
};
use crate::history::{Deed, Event, digest};

/// Lines of one page.
const PAGE: u32 = 50;
/// How often a message whose outcome is unknown is given up instead of asked for.
const DISCARDS: f64 = 0.05;

impl Person {
    /// Does what the schedule wanted at `due`, or as much of it as can be done now.
    pub(super) fn wish(&mut self, due: Instant) -> anyhow::Result<()> {
        if self.stalled_until.is_none() {
            self.setting.counters.late(due.elapsed());
        }
        let rooms = &self.setting.rooms;
        let Some(room) = habits::any(&mut self.setting.rng, rooms) else { return Ok(()) };
        match habits::wish(&mut self.setting.rng, self.setting.say) {
            Wish::Say => {
                let body = habits::body(&mut self.setting.rng);
                self.want(room, What::Message { body }, due)
            }
            Wish::Vote => self.wish_vote(room, due),
            Wish::Repeat => self.wish_repeat(),
            Wish::History if self.is_live(room) => {
                self.wish_history(room);
                Ok(())
            }
            Wish::Subscribe if self.is_live(room) => {
                self.unsubscribes.insert(room);
                Ok(())
            }
            Wish::Move => self.hang_up_if_open(),
            Wish::Stall(time) if self.stalled_until.is_none() => {
                self.stalled_until = Some(Instant::now() + time);
                let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
                Ok(self.note(&Event::Stall { micros })?)
            }
            Wish::Leave if self.is_live(room) => self.begin(Deed::Leave(room)),
            Wish::History | Wish::Subscribe | Wish::Stall(_) | Wish::Leave => Ok(()),
            Wish::SignOut => self.begin(Deed::SignOut),
        }
    }

    fn is_live(&self, room: RoomId) -> bool {
        self.standings.get(&room).is_some_and(|standing| standing.receiving == Receiving::Live)
    }

    fn want(&mut self, room: RoomId, what: What, due: Instant) -> anyhow::Result<()> {
        let Some(standing) = self.standings.get(&room) else { return Ok(()) };
        let cid = Cid(Uuid::from_u128(self.setting.rng.random()));
        let thing = Thing { room, cid, base: standing.cursor, what, due: self.setting.recorder.at(due) };
        if !self.outbox.push(thing) {
            self.setting.counters.skipped();
            self.note(&Event::Skipped)?;
        }
        Ok(())
    }

    fn wish_vote(&mut self, room: RoomId, due: Instant) -> anyhow::Result<()> {
        let recent: Vec<_> = self.standings.get(&room).into_iter().flat_map(|standing| standing.recent.iter().copied()).collect();
        let Some(target) = recent.choose(&mut self.setting.rng).copied().filter(|target| !self.outbox.votes_on(*target)) else { return Ok(()) };
        let value = self.setting.rng.random_range(-1..=1);
        self.want(room, What::Vote { target, value }, due)
    }

    fn wish_repeat(&mut self) -> anyhow::Result<()> {
        let at = self.setting.rng.random_range(0..self.acked.len().max(1));
        // A vote that a newer one may have replaced is not asked for again.
        if let Some(thing) = self.acked.remove(at).filter(|thing| matches!(thing.what, What::Message { .. })) {
            self.outbox.push_again(thing);
        }
        Ok(())
    }

    fn wish_history(&mut self, room: RoomId) {
        if let Some(standing) = self.standings.get_mut(&room) {
            standing.scroll.get_or_insert(standing.start.position());
            self.scrolls.insert(room);
        }
    }

    /// Writes what the outbox lets go, and asks what was wished.
    pub(super) async fn offer(&mut self) -> anyhow::Result<()> {
        while self.welcomed {
            let reference = self.reference();
            if self.setting.rng.random_bool(DISCARDS / 100.0) {
                self.outbox.discard_one();
            }
            let standings = &self.standings;
            // A client does not send into a room whose replay it waits for: what the replay shows need not be sent again.
            let may = |room: RoomId| standings.get(&room).is_none_or(|standing| matches!(standing.receiving, Receiving::Live | Receiving::Not));
            let Some(attempt) = self.outbox.next(Instant::now(), reference, may) else { break };
            self.attempt(reference, attempt).await?;
        }
        for room in std::mem::take(&mut self.scrolls) {
            self.scroll(room).await?;
        }
        for room in std::mem::take(&mut self.unsubscribes) {
            self.unsubscribe(room).await?;
        }
        Ok(())
    }

    async fn attempt(&mut self, reference: u64, attempt: Attempt) -> anyhow::Result<()> {
        let (thing, retry) = match attempt {
            Attempt::First(thing) => (thing, false),
            Attempt::Again(thing) => (thing, true),
            Attempt::Discard(Thing { room, cid, base, .. }) => {
                self.note(&Event::Drop { room, cid })?;
                self.questions.insert(reference, Question::Attempt);
                return self.write(&ClientFrame::Drop { reference, room, cid, base }).await;
            }
        };
        let Thing { room, cid, base, what, due } = thing;
        self.questions.insert(reference, Question::Attempt);
        let frame = match what {
            What::Message { body } => {
                self.note(&Event::Send { room, cid, base, body: digest(&body), retry, due })?;
                ClientFrame::Send { reference, room, cid, base, body, retry }
            }
            What::Vote { target, value } => {
                self.note(&Event::Vote { room, cid, base, target, value, retry, due })?;
                ClientFrame::Vote { reference, room, cid, base, target, value: VoteValue::try_from(value).unwrap_or_default(), retry }
            }
        };
        self.write(&frame).await
    }

    /// Does nothing without a connection: it may have gone while other rooms were asked for.
    pub(super) async fn subscribe(&mut self, room: RoomId) -> anyhow::Result<()> {
        if !self.welcomed {
            return Ok(());
        }
        let reference = self.reference();
        self.note(&Event::Subscribe { reference, room })?;
        self.questions.insert(reference, Question::Subscribe(room));
        if let Some(standing) = self.standings.get_mut(&room) {
            standing.receiving = Receiving::Asked;
        }
        self.write(&ClientFrame::Subscribe { reference, room, limit: Some(PAGE) }).await
    }

    async fn unsubscribe(&mut self, room: RoomId) -> anyhow::Result<()> {
        if !self.is_live(room) {
            return Ok(());
        }
        let reference = self.reference();
        self.note(&Event::Unsubscribe { room })?;
        self.questions.insert(reference, Question::Unsubscribe(room));
        if let Some(standing) = self.standings.get_mut(&room) {
            standing.receiving = Receiving::Asked;
        }
        self.write(&ClientFrame::Unsubscribe { reference, room }).await
    }

    async fn scroll(&mut self, room: RoomId) -> anyhow::Result<()> {
        let before = self.standings.get(&room).filter(|_| self.is_live(room)).and_then(|standing| standing.scroll);
        let Some(before) = before.filter(|_| self.welcomed) else { return Ok(()) };
        let reference = self.reference();
        self.questions.insert(reference, Question::History);
        self.write(&ClientFrame::History { reference, room, limit: Some(PAGE), before: Some(before), after: None, around: None }).await
    }
}
