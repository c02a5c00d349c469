//! What comes back on a socket, judged against the log frame by frame.

use std::{collections::BTreeSet, sync::Arc};

use parley_proto::{
    Cid, ErrorCode, Kind, MessageId, Position, RoomId,
    wire::{NewestPage, RoomCursor, ServerFrame},
};
use tokio::time::{Duration, Instant};

use super::{Gone, Talk};
use crate::{
    client::{
        Client, Reception,
        outbox::{Content, Fate, State},
        view::View,
    },
    sabotage::Sabotage,
};

/// Refusals until the person gives up.
const REFUSALS: u32 = 6;
/// Where nothing is wrong, who has signed out hears no more of a room after this.
const REVOKED: Duration = Duration::from_secs(5);

impl Client {
    /// Judges a frame, and takes it.
    pub(super) fn hear(&mut self, talk: &mut Talk, text: &str) -> Result<(), Gone> {
        let frame: ServerFrame = match serde_json::from_str(text) {
            Ok(frame) => frame,
            Err(error) => {
                self.world.violated("G12", format!("client-{} can't read {text}: {error}", self.number));
                return Err(Gone);
            }
        };
        let what = format!("client-{} {}", self.number, brief(&frame));
        self.world.tell(|| what.clone());
        let world = Arc::clone(&self.world);
        if let Some(since) = self.signed_out {
            if matches!(frame, ServerFrame::Frames { .. } | ServerFrame::Tallies { .. }) && since.elapsed() > REVOKED {
                world.violated("G10", format!("{what}, {:?} after they signed out", since.elapsed()));
            }
            return Ok(());
        }
        match frame {
            ServerFrame::Subscribed { reference, room, page, catching_up } => {
                let Some(Reception::Asked { reference: asked, acked }) = self.receptions.get(&room).copied() else { return Ok(()) };
                if asked == reference {
                    self.newest(room, &page, &what);
                    self.shows(room, acked, catching_up, "G6");
                }
            }
            ServerFrame::Resync { room, page, .. } => {
                if self.receptions.get(&room).is_some_and(|reception| reception.takes_all()) {
                    self.newest(room, &page, &what);
                }
            }
            ServerFrame::Replay { room, items, cursor, more, catching_up, .. } => {
                // One that nobody asked for ends a time in which nobody vouched for this person's rights.
                let acked = match self.receptions.get(&room) {
                    Some(Reception::Resuming { acked }) => *acked,
                    Some(Reception::Live) => None,
                    _ => return Ok(()),
                };
                let Some(view) = self.views.get_mut(&room) else { return Ok(()) };
                view.replay(&world, room, &items, cursor, more, &what);
                if !more {
                    self.shows(room, acked, catching_up, "G5");
                    self.enter(room);
                }
            }
            ServerFrame::Frames { .. } if world.has(Sabotage::SocketDropsFrames) && self.dice.chance(0.05) => {}
            ServerFrame::Frames { room, prev, items } => {
                if let Some(view) = self.received(room) {
                    view.frames(&world, room, prev, &items, &what);
                }
            }
            ServerFrame::Page { reference, room, items, start, end, has_older, tallies, .. } => {
                if self.pages.remove(&reference).is_some()
                    && let Some(view) = self.received(room)
                {
                    view.page(&world, &items, room, (start, end), has_older, &tallies, &what);
                }
            }
            ServerFrame::Tallies { room, tallies } => {
                if let Some(view) = self.received(room) {
                    view.tallies(&world, &tallies, &what);
                }
            }
            ServerFrame::Voided { room, positions } => {
                if let Some(view) = self.received(room) {
                    view.voided(&positions);
                }
            }
            ServerFrame::Cursors { items, token } => self.cursors(items, token),
            ServerFrame::Unsubscribed { reference: None, room, .. } => {
                if self.receptions.get(&room) != Some(&Reception::Left) {
                    self.receptions.insert(room, Reception::None(Instant::now() + Duration::from_millis(300)));
                }
            }
            ServerFrame::Error { reference: Some(reference), code, .. } => {
                self.pages.remove(&reference);
                // A leave that was given up may have taken effect after the join: they join again.
                let joins = &mut self.joins;
                let asked = |(_, reception): &(&RoomId, &Reception)| matches!(reception, Reception::Asked { reference: asked, .. } if *asked == reference);
                joins.extend(self.receptions.iter().filter(asked).filter(|_| code == ErrorCode::NotFound).map(|(room, _)| (Instant::now(), *room)));
                for reception in
                    self.receptions.values_mut().filter(|reception| matches!(reception, Reception::Asked { reference: asked, .. } if *asked == reference))
                {
                    *reception = Reception::None(Instant::now() + Duration::from_millis(500));
                }
            }
            ServerFrame::Ack { reference, cid, id, at_most } => self.acked(talk, reference, cid, id, at_most),
            ServerFrame::Rejected { reference, cid, code, is_final, retry_after_ms } => self.rejected(reference, cid, code, is_final, retry_after_ms),
            ServerFrame::Unknown { reference, cid, is_final, retry_after_ms } => self.unknown(reference, cid, is_final, retry_after_ms),
            ServerFrame::Stored { room, cursor } => world.is_stored(room, cursor, &what),
            ServerFrame::Drain { .. }
            | ServerFrame::Welcome { .. }
            | ServerFrame::RoomActivity { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Read { .. } => {}
            ServerFrame::Unsubscribed { .. } | ServerFrame::Error { .. } => {}
        }
        Ok(())
    }

    /// The view of a room that is received in full now.
    fn received(&mut self, room: RoomId) -> Option<&mut View> {
        self.views.get_mut(&room).filter(|_| self.receptions.get(&room) == Some(&Reception::Live))
    }

    fn newest(&mut self, room: RoomId, page: &NewestPage, what: &str) {
        if self.receptions.get(&room) == Some(&Reception::Left) {
            return;
        }
        let world = Arc::clone(&self.world);
        self.views.entry(room).or_default().newest(&world, room, page, what);
        self.enter(room);
    }

    fn enter(&mut self, room: RoomId) {
        self.receptions.insert(room, Reception::Live);
        if let Some(view) = self.views.get(&room) {
            let cids: BTreeSet<Cid> = view.rows.values().filter(|row| row.sender == self.user).map(|row| row.cid).collect();
            self.outbox.strike(self.user, room, |cid| cids.contains(&cid));
        }
    }

    /// What was acked before the question has to be in the answer.
    fn shows(&self, room: RoomId, acked: Option<Position>, catching_up: bool, promise: &'static str) {
        let (Some(acked), Some(view)) = (acked, self.views.get(&room)) else { return };
        if !catching_up && view.cursor <= acked.at() {
            self.world.violated(promise, format!("client-{}: {room} is complete to {}, but {acked} was acked before", self.number, view.cursor));
        }
    }

    fn cursors(&mut self, items: Vec<RoomCursor>, token: String) {
        for RoomCursor { room, cursor } in &items {
            let number = self.number;
            let world = Arc::clone(&self.world);
            let Some(view) = self.received(*room) else { continue };
            let skipped: Vec<_> = world.truth().rows(*room, view.cursor, *cursor).into_iter().filter(|(_, row)| !world.was_refused(row.id)).collect();
            if !skipped.is_empty() || *cursor > world.log.end(room.partition()) {
                world.violated("G5", format!("client-{number}: {room} goes from {} to {cursor} over {skipped:?}", view.cursor));
            }
            view.cursor = view.cursor.max(*cursor);
        }
        self.token_rooms = items;
        self.token = Some(token);
    }

    fn answered(&mut self, reference: u64, cid: Cid) -> Option<(usize, bool)> {
        self.outbox.entries.iter().position(|entry| entry.cid == cid && matches!(entry.state, State::Sent { reference: asked, .. } if asked == reference)).map(
            |index| {
                let further = matches!(self.outbox.entries[index].state, State::Sent { further: true, .. });
                (index, further)
            },
        )
    }

    fn acked(&mut self, talk: &mut Talk, reference: u64, cid: Cid, id: MessageId, at_most: Position) {
        let Some((index, further)) = self.answered(reference, cid) else { return };
        let entry = self.outbox.entries[index].clone();
        let own = MessageId::derive(entry.room, self.user, cid, entry.base);
        let first = self.world.truth().first(own);
        match first {
            Some((position, kind)) if id == own && position <= at_most && kind != Kind::Cancel => {
                self.world.was_acked(entry.room, position);
                if !further {
                    self.in_order(talk, reference, entry.room, position);
                }
            }
            _ => self.world.violated("G1", format!("client-{}: {cid} is acked as {id} at {at_most}, the log has {first:?}", self.number)),
        }
        self.outbox.finish(self.user, index, Fate::Acked);
    }

    /// First attempts of one connection stand in the order in which they were sent.
    fn in_order(&self, talk: &mut Talk, reference: u64, room: RoomId, position: Position) {
        talk.acked.insert(reference, (room, position));
        let wrong = talk.acked.iter().find(|(other, (of, at))| *of == room && (**other < reference && *at > position || **other > reference && *at < position));
        if let Some((other, (_, at))) = wrong {
            self.world.violated("G11", format!("client-{}: request {other} stands at {at}, request {reference} at {position}", self.number));
        }
    }

    fn rejected(&mut self, reference: u64, cid: Cid, code: ErrorCode, is_final: bool, retry_after_ms: Option<u64>) {
        let Some((index, further)) = self.answered(reference, cid) else { return };
        let entry = &mut self.outbox.entries[index];
        let id = MessageId::derive(entry.room, self.user, cid, entry.base);
        if is_final {
            if self.world.truth().first(id).is_none_or(|(_, kind)| kind != Kind::Cancel) {
                self.world.violated("G2", format!("client-{}: {cid} is cancelled, but no cancel stands first", self.number));
            }
            return self.outbox.finish(self.user, index, Fate::Cancelled);
        }
        if further {
            self.world.violated("G2", format!("client-{}: a retry of {cid} is rejected without its cancel: {code:?}", self.number));
        }
        entry.refusals += 1;
        let pause = Duration::from_millis(retry_after_ms.unwrap_or(300));
        entry.state = State::Fresh(Instant::now() + pause);
        if entry.refusals > REFUSALS || (code == ErrorCode::NotFound && matches!(entry.content, Content::Vote { .. })) {
            self.outbox.finish(self.user, index, Fate::Rejected);
        }
    }

    fn unknown(&mut self, reference: u64, cid: Cid, is_final: bool, retry_after_ms: u64) {
        let Some((index, _)) = self.answered(reference, cid) else { return };
        if is_final {
            return self.outbox.finish(self.user, index, Fate::Unknown);
        }
        self.outbox.entries[index].state = State::Unknown(Instant::now() + Duration::from_millis(retry_after_ms));
    }
}

/// A frame in a line of the trace, without display times and tokens.
fn brief(frame: &ServerFrame) -> String {
    let positions = |items: &[parley_proto::item::Item]| items.iter().map(|item| item.position.to_string()).collect::<Vec<_>>().join(" ");
    match frame {
        ServerFrame::Subscribed { room, page, catching_up, .. } => {
            format!("← subscribed {room} [{}, {}) {catching_up}: {}; {:?}", page.start, page.cursor, positions(&page.items), page.tallies)
        }
        ServerFrame::Resync { room, page, .. } => format!("← resync {room} [{}, {}): {}; {:?}", page.start, page.cursor, positions(&page.items), page.tallies),
        ServerFrame::Replay { room, prev, items, cursor, more, .. } => format!("← replay {room} [{prev}, {cursor}) {more}: {}", positions(items)),
        ServerFrame::Frames { room, prev, items } => format!("← frames {room} from {prev}: {}", positions(items)),
        ServerFrame::Page { room, items, start, end, tallies, .. } => format!("← page {room} [{start}, {end}): {}; {tallies:?}", positions(items)),
        ServerFrame::Cursors { items, .. } => format!("← cursors {items:?}"),
        ServerFrame::Welcome { .. } => "← welcome".to_owned(),
        other => format!("← {other:?}"),
    }
}
