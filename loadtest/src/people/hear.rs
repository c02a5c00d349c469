//! What a client does with a frame: writes it down, moves its cursors, settles its outbox. It believes the server; judging is the checker's.

use std::time::Duration;

use parley_proto::{
    Cursor, ErrorCode, RoomId,
    item::{Item, ItemKind},
    wire::{NewestPage, ResumeOutcome, RoomCursor, ServerFrame},
};
use tokio::time::Instant;

use super::{
    outbox::Answer,
    person::{Person, Question, Receiving, Standing},
};
use crate::history::{Event, How, shown};

/// Messages of a room that may be voted on.
const RECENT_MAX: usize = 5;
/// Acked things that may be repeated.
const ACKED_MAX: usize = 4;
/// After a refusal that gave no hint.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

impl Person {
    pub(super) fn hear(&mut self, frame: ServerFrame) -> anyhow::Result<()> {
        self.setting.counters.heard();
        match frame {
            ServerFrame::Welcome { gateway, resume, .. } => self.hear_welcome(gateway, resume),
            ServerFrame::Subscribed { reference, room, page, catching_up, .. } => self.hear_page(How::Subscribed(reference), room, &page, catching_up),
            ServerFrame::Resync { room, page, .. } => self.hear_page(How::Resync, room, &page, false),
            ServerFrame::Replay { room, prev, items, cursor, more, catching_up, .. } => {
                self.note(&Event::Replay { room, prev, cursor, items: shown(&items), more, catching_up })?;
                self.show(room, &items, cursor);
                // What live frames show is not struck: an unknown outcome holds its room on this connection until it was asked for again.
                items.iter().for_each(|item| self.outbox.strike(item.cid));
                if !more && let Some(standing) = self.standings.get_mut(&room) {
                    standing.receiving = Receiving::Live;
                    self.setting.counters.resumed();
                }
                Ok(())
            }
            ServerFrame::Frames { room, prev, items } => {
                self.note(&Event::Frames { room, prev, items: shown(&items) })?;
                let end = items.last().map_or(Cursor::ZERO, |item| item.position.next());
                self.setting.counters.received(items.len());
                self.show(room, &items, end);
                Ok(())
            }
            ServerFrame::Page { reference, room, items, start, end, has_older, tallies, .. } => {
                self.questions.remove(&reference);
                let votes = Some((&tallies).into());
                self.note(&Event::Page { how: How::History, room, start, end, items: shown(&items), catching_up: false, votes })?;
                if let Some(standing) = self.standings.get_mut(&room) {
                    standing.start = standing.start.min(start);
                    standing.scroll = has_older.then_some(start.position());
                }
                Ok(())
            }
            ServerFrame::Cursors { items, token } => {
                self.note(&Event::Cursors { items: items.clone() })?;
                self.token = Some(token);
                self.resumable = items.iter().map(|item| item.room).collect();
                for RoomCursor { room, cursor } in items {
                    self.show(room, &[], cursor);
                }
                Ok(())
            }
            ServerFrame::Tallies { room, tallies } => Ok(self.note(&Event::Tallies { room, votes: (&tallies).into() })?),
            ServerFrame::Voided { room, positions } => Ok(self.note(&Event::Voided { room, positions })?),
            ServerFrame::Unsubscribed { reference, room, code } => {
                self.note(&Event::Unsubscribed { room, code })?;
                let asked = reference.and_then(|reference| self.questions.remove(&reference)).is_some();
                let again = if asked { Duration::ZERO } else { REFUSED_PAUSE };
                self.lose(room, again);
                Ok(())
            }
            ServerFrame::Ack { reference, cid, id, at_most } => {
                self.note(&Event::Ack { cid, id, at_most })?;
                self.answered(reference, Answer::Ack);
                Ok(())
            }
            ServerFrame::Rejected { reference, cid, code, is_final, retry_after_ms } => {
                self.note(&Event::Rejected { cid, code, last: is_final })?;
                self.answered(reference, Answer::Rejected { code, last: is_final, pause: retry_after_ms.map(Duration::from_millis) });
                Ok(())
            }
            ServerFrame::Unknown { reference, cid, is_final, retry_after_ms } => {
                self.note(&Event::Unknown { cid, last: is_final })?;
                self.answered(reference, Answer::Unknown { last: is_final, pause: Duration::from_millis(retry_after_ms) });
                Ok(())
            }
            ServerFrame::Error { reference, code, retry_after_ms, .. } => {
                let pause = retry_after_ms.map_or(REFUSED_PAUSE, Duration::from_millis);
                match reference.and_then(|reference| self.questions.remove(&reference)) {
                    // The answer to the later one counts.
                    Some(Question::Subscribe(_) | Question::Unsubscribe(_)) if code == ErrorCode::Conflict => {}
                    Some(Question::Subscribe(room) | Question::Unsubscribe(room)) => {
                        self.note(&Event::Unsubscribed { room, code: Some(code) })?;
                        self.lose(room, pause);
                    }
                    // The next wish asks anew.
                    Some(Question::History | Question::Attempt) | None => {}
                }
                Ok(())
            }
            ServerFrame::Drain { reconnect_after_ms } => {
                self.leave_at = Some(Instant::now() + Duration::from_millis(reconnect_after_ms));
                Ok(())
            }
            ServerFrame::Stored { .. } | ServerFrame::RoomActivity { .. } | ServerFrame::Presence { .. } | ServerFrame::Read { .. } => Ok(()),
        }
    }

    fn hear_welcome(&mut self, gateway: String, resume: ResumeOutcome) -> anyhow::Result<()> {
        self.note(&Event::Welcome { gateway, resume })?;
        self.welcomed = true;
        if resume == ResumeOutcome::Accepted {
            for (room, standing) in &mut self.standings {
                if self.resumable.contains(room) && standing.receiving != Receiving::Not {
                    standing.receiving = Receiving::Asked;
                }
            }
        }
        Ok(())
    }

    fn hear_page(&mut self, how: How, room: RoomId, page: &NewestPage, catching_up: bool) -> anyhow::Result<()> {
        let votes = page.tallies.as_ref().map(Into::into);
        self.note(&Event::Page { how, room, start: page.start, end: page.cursor, items: shown(&page.items), catching_up, votes })?;
        self.setting.counters.subscribed();
        let standing = self.standings.entry(room).or_default();
        *standing = Standing { cursor: page.cursor, start: page.start, receiving: Receiving::Live, ..Standing::default() };
        self.show(room, &page.items, page.cursor);
        Ok(())
    }

    /// New lines of a room: it is seen up to `end`.
    fn show(&mut self, room: RoomId, items: &[Item], end: Cursor) {
        let Some(standing) = self.standings.get_mut(&room) else { return };
        standing.cursor = standing.cursor.max(end);
        for item in items {
            if item.kind == ItemKind::Message {
                standing.recent.push_back(item.id);
            }
        }
        while standing.recent.len() > RECENT_MAX {
            standing.recent.pop_front();
        }
    }

    /// The room is not received any more; it is asked for again after this pause, unless it was left.
    fn lose(&mut self, room: RoomId, pause: Duration) {
        self.resumable.remove(&room);
        if let Some(standing) = self.standings.get_mut(&room)
            && standing.receiving != Receiving::Not
        {
            standing.receiving = Receiving::From(Instant::now() + pause);
        }
    }

    fn answered(&mut self, reference: u64, answer: Answer) {
        self.questions.remove(&reference);
        let now = Instant::now();
        let acked = self.outbox.answered(reference, answer, now);
        let since = acked.as_ref().map(|thing| Duration::from_micros(self.setting.recorder.at(now).saturating_sub(thing.due)));
        self.setting.counters.answered(answer, since);
        self.acked.extend(acked);
        while self.acked.len() > ACKED_MAX {
            self.acked.pop_front();
        }
    }
}
