//! What one person sees of one room, kept by the client's rules; every frame is compared with the truth as it comes.

use std::collections::BTreeMap;

use parley_proto::{
    Cursor, MessageId, Position, RoomId, UserId,
    item::{Item, ItemKind},
    wire::{NewestPage, Tallies, Tally},
};

use crate::{truth::Row, world::World};

/// A tally as it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) up: u64,
    pub(crate) down: u64,
    pub(crate) as_of: Cursor,
}

/// What is held of a room.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) start: Cursor,
    pub(crate) cursor: Cursor,
    pub(crate) has_older: bool,
    pub(crate) rows: BTreeMap<Position, Row>,
    pub(crate) tallies: BTreeMap<MessageId, Shown>,
    /// Own votes, each with its as_of.
    pub(crate) mine: BTreeMap<MessageId, (i64, Cursor)>,
    /// Where each changed row was changed last.
    revs: BTreeMap<MessageId, Position>,
    /// Since the replay began.
    replayed: Vec<Item>,
}

fn row(item: &Item) -> Row {
    let body = if item.kind == ItemKind::Message { item.body.as_str().map(str::to_owned) } else { None };
    Row { id: item.id, cid: item.cid, sender: item.sender, body }
}

/// Whether these are the room's lines in [from, to), every one, in order. Those that the database refused may be absent; changes of lines, and older
/// lines that changed, are judged when all is quiet.
fn compare(world: &World, room: RoomId, from: Cursor, to: Cursor, items: &[&Item], what: &str, promise: &'static str) {
    let items: Vec<_> = items.iter().filter(|item| item.kind != ItemKind::Edit && item.position.at() >= from).collect();
    // What a repair brings of older lines stands where they changed.
    let by_change = items.is_sorted_by(|a, b| a.rev.unwrap_or(a.position) < b.rev.unwrap_or(b.position));
    if !by_change && !items.is_sorted_by(|a, b| a.position < b.position) {
        world.violated("G3", format!("{what}: not in the log's order"));
    }
    let end = world.log.end(room.partition());
    if to > end {
        world.violated("G3", format!("{what}: complete to {to}, but the log ends at {end}"));
    }
    let truth: BTreeMap<_, _> = world.truth().rows(room, from, to).into_iter().collect();
    let seen: BTreeMap<_, _> = items.iter().map(|item| (item.position, row(item))).collect();
    for (position, row) in &seen {
        if !truth.get(position).is_some_and(|line| world.truth().was_once(line, row)) {
            world.violated("G12", format!("{what}: at {position} it shows {row:?}, the log has {:?}", truth.get(position)));
        }
    }
    for (position, row) in &truth {
        if !seen.contains_key(position) && !world.was_refused(row.id) {
            world.violated(promise, format!("{what}: [{from}, {to}) lacks {position} {row:?}"));
        }
    }
}

impl View {
    fn take(&mut self, item: &Item) {
        if item.kind == ItemKind::Edit {
            return self.change(item);
        }
        let rev = item.rev.unwrap_or(item.position);
        if item.position.at() >= self.start && self.revs.get(&item.id).is_none_or(|known| *known <= rev) {
            self.rows.insert(item.position, row(item));
            self.revs.insert(item.id, rev);
        }
    }

    /// A line that is held was changed.
    fn change(&mut self, edit: &Item) {
        let changed = self.rows.values_mut().find(|row| Some(row.id) == edit.target);
        if let Some(row) = changed.filter(|row| self.revs.get(&row.id).is_none_or(|known| *known < edit.position)) {
            row.body = edit.body.as_str().map(str::to_owned);
            self.revs.insert(row.id, edit.position);
        }
    }

    /// A page of the newest rows replaces what was held.
    pub(crate) fn newest(&mut self, world: &World, room: RoomId, page: &NewestPage, what: &str) {
        let items: Vec<_> = page.items.iter().collect();
        compare(world, room, page.start, page.cursor, &items, what, "G6");
        *self = Self { start: page.start, cursor: page.cursor, has_older: page.has_older, ..Self::default() };
        items.into_iter().for_each(|item| self.take(item));
        if let Some(tallies) = &page.tallies {
            self.tallies(world, tallies, what);
        }
    }

    /// Live frames.
    pub(crate) fn frames(&mut self, world: &World, room: RoomId, prev: Cursor, items: &[Item], what: &str) {
        if prev > self.cursor {
            world.violated("G5", format!("{what}: frames from {prev} on, but the client stands at {}", self.cursor));
        }
        let Some(end) = items.iter().map(|item| item.position.next()).max() else { return };
        let fresh: Vec<_> = items.iter().filter(|item| item.rev.unwrap_or(item.position).at() >= self.cursor).collect();
        compare(world, room, self.cursor, end, &fresh, what, "G5");
        fresh.into_iter().for_each(|item| self.take(item));
        self.cursor = self.cursor.max(end);
    }

    /// A piece of what was missed.
    pub(crate) fn replay(&mut self, world: &World, room: RoomId, items: &[Item], cursor: Cursor, more: bool, what: &str) {
        self.replayed.extend(items.iter().cloned());
        if more {
            return;
        }
        let replayed = std::mem::take(&mut self.replayed);
        let mut fresh: Vec<_> = replayed.iter().filter(|item| item.position.at() >= self.cursor).collect();
        fresh.sort_by_key(|item| item.position);
        fresh.dedup_by_key(|item| item.position);
        compare(world, room, self.cursor, cursor.max(self.cursor), &fresh, what, "G5");
        replayed.iter().for_each(|item| self.take(item));
        self.cursor = self.cursor.max(cursor);
    }

    /// The connection ended in the middle of a replay.
    pub(crate) fn broken_off(&mut self) {
        self.replayed.clear();
    }

    /// A page of history below `start`.
    #[expect(clippy::too_many_arguments, reason = "the fields of one frame")]
    pub(crate) fn page(&mut self, world: &World, items: &[Item], room: RoomId, (start, end): (Cursor, Cursor), has_older: bool, tallies: &Tallies, what: &str) {
        let seen: Vec<_> = items.iter().collect();
        compare(world, room, start, end, &seen, what, "G3");
        if !has_older && !world.truth().rows(room, Cursor::ZERO, start).is_empty() {
            world.violated("G3", format!("{what}: it says that nothing is older than {start}"));
        }
        if end == self.start {
            self.start = start;
            self.has_older = has_older;
            items.iter().for_each(|item| self.take(item));
        }
        self.tallies(world, tallies, what);
    }

    pub(crate) fn tallies(&mut self, world: &World, tallies: &Tallies, what: &str) {
        let as_of = tallies.as_of;
        for Tally { target, position, up, down, mine } in &tallies.items {
            let truth = world.truth().tally(*target, as_of);
            if (*up, *down) != truth && !world.was_refused(*target) {
                world.violated("G7", format!("{what}: {target} has {up} up and {down} down as of {as_of}, the log says {truth:?}"));
            }
            if position.at() < self.start {
                continue;
            }
            if self.tallies.get(target).is_none_or(|shown| shown.as_of <= as_of) {
                self.tallies.insert(*target, Shown { up: *up, down: *down, as_of });
                if let Some(mine) = mine {
                    self.mine.insert(*target, (i64::from(*mine), as_of));
                }
            }
        }
    }

    pub(crate) fn voided(&mut self, positions: &[Position]) {
        positions.iter().for_each(|position| _ = self.rows.remove(position));
    }

    /// Compares all that is held with the truth once everything is quiet.
    pub(crate) fn settled(&self, world: &World, room: RoomId, me: UserId, who: &str) {
        let end = world.log.end(room.partition());
        let truth = world.truth();
        for (position, row) in truth.rows(room, self.start, end) {
            let refused = world.was_refused(row.id);
            match self.rows.get(&position) {
                Some(_) if refused => world.violated("G16", format!("{who} still sees {position} in {room}, which the database refused")),
                None if !refused => {
                    world.violated("G5", format!("{who} does not see {position} {row:?} in {room}; they hold [{}, {})", self.start, self.cursor))
                }
                Some(seen) if *seen != truth.current(&row) => world.violated("G12", format!("{who} sees {seen:?} at {position}")),
                _ => {}
            }
        }
        for row in self.rows.values().filter(|row| row.body.is_some() && !world.was_refused(row.id)) {
            let shown = self.tallies.get(&row.id).map_or((0, 0), |shown| (shown.up, shown.down));
            let counted = truth.tally(row.id, end);
            if shown != counted {
                world.violated("G7", format!("{who} sees {shown:?} votes on {}, the log says {counted:?}; shown {:?}", row.id, self.tallies.get(&row.id)));
            }
            let mine = self.mine.get(&row.id).map_or(0, |(value, _)| *value);
            let own = truth.vote_of(row.id, me, end);
            if mine != own {
                world.violated("G7", format!("{who} sees an own vote of {mine} on {}, the log says {own}", row.id));
            }
        }
    }
}
