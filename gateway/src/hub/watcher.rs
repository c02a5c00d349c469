//! One socket's view of one room: the pure rule by which segments become frames for it.

use std::{collections::VecDeque, sync::Arc};

use parley_proto::{
    Cursor, Position, RoomId, UserId,
    planted::{PlantedBug, planted},
    segment::{Segment, Step, step},
    wire::frames_json,
};

use crate::frame::Frame;

/// Segments that a watcher which can't apply them yet keeps, at most.
const BUFFER_SEGMENTS: usize = 256;
/// Their bytes, at most.
const BUFFER_BYTES: usize = 512 * 1024;

/// A segment on its way to many sockets: its full frame is encoded once.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) segment: Segment,
    /// Where a client stands that has applied it: just above its last item.
    known: Cursor,
    /// Whose membership ends in it.
    departures: Vec<(Position, UserId)>,
    frame: std::sync::OnceLock<Frame>,
}

impl Shared {
    /// What the bus tells ends with its last item.
    pub(super) fn new(segment: Segment) -> Arc<Self> {
        Self::known_up_to(segment.end, segment)
    }

    /// What was read may end above its last item, and an older row that changed is applied where it changed: a client learns of neither.
    pub(super) fn read(segment: Segment) -> Arc<Self> {
        let known = segment.group.items().iter().map(|(_, item)| item.position.next()).max().unwrap_or_default();
        Self::known_up_to(known, segment)
    }

    fn known_up_to(known: Cursor, segment: Segment) -> Arc<Self> {
        Arc::new(Self { known, departures: segment.group.departures(), segment, frame: std::sync::OnceLock::new() })
    }

    /// The first item at or above `from` with which the person stops to be a member.
    fn departure(&self, user: UserId, from: Cursor) -> Option<Position> {
        self.departures.iter().find(|(position, who)| *who == user && position.at() >= from).map(|(position, _)| *position)
    }

    fn full_frame(&self, room: RoomId) -> Frame {
        self.frame.get_or_init(|| Frame::text(&frames_json(room, self.segment.prev, self.segment.group.json_from(Cursor::ZERO)))).clone()
    }
}

/// Segments that wait.
#[derive(Debug, Default)]
struct Buffer {
    segments: VecDeque<Arc<Shared>>,
    bytes: usize,
    overflowed: bool,
}

impl Buffer {
    fn push(&mut self, shared: Arc<Shared>) {
        self.bytes += shared.segment.group.json_len();
        self.segments.push_back(shared);
        if self.segments.len() > BUFFER_SEGMENTS || self.bytes > BUFFER_BYTES {
            // What is dropped here is found again as a gap.
            self.segments.clear();
            self.bytes = 0;
            self.overflowed = true;
        }
    }
}

/// What waits is in a box: most views are live, and there are many.
#[derive(Debug)]
enum Mode {
    /// The first answer is being put together; live segments wait.
    Joining(Box<Buffer>),
    Live,
    /// What lies below `wanted` is being read; live segments wait.
    Held {
        wanted: Cursor,
        buffer: Box<Buffer>,
    },
    /// The person is no member any more, says the room's own order; what came since then reaches up to `seen`. Nothing above is theirs, unless they are back.
    Departed {
        seen: Cursor,
    },
}

/// Where one socket stands in one room.
#[derive(Debug)]
pub(super) struct View {
    room: RoomId,
    user: UserId,
    mode: Mode,
    /// c: everything below it was queued on the socket, or there was nothing.
    cursor: Cursor,
    /// What the client knows of c: quiet raises reach it later.
    told: Cursor,
    /// The number of the last beat that was called before this view went live: that one says nothing about it.
    live_since: u64,
    /// One beat found it behind; at the second it is repaired.
    behind: bool,
}

/// What [`View::apply`] and its kin want done.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) frames: Vec<Frame>,
    /// The room has to be read from here on for this view.
    pub(super) held: bool,
    /// The person stopped to be a member.
    pub(super) departed: bool,
}

impl View {
    /// A view whose first answer is being put together.
    pub(super) fn joining(room: RoomId, user: UserId) -> Self {
        Self { room, user, mode: Mode::Joining(Box::default()), cursor: Cursor::ZERO, told: Cursor::ZERO, live_since: u64::MAX, behind: false }
    }

    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self.mode, Mode::Live | Mode::Held { .. })
    }

    pub(super) fn has_departed(&self) -> bool {
        matches!(self.mode, Mode::Departed { .. })
    }

    pub(super) fn user(&self) -> UserId {
        self.user
    }

    /// The range that has to be read for this view.
    pub(super) fn wanted(&self) -> Option<(Cursor, Cursor)> {
        match &self.mode {
            Mode::Held { wanted, .. } => Some((self.cursor, *wanted)),
            _ => None,
        }
    }

    /// The client was told c.
    pub(super) fn tell(&mut self) -> Cursor {
        self.told = self.cursor;
        self.cursor
    }

    /// What the client knows of c.
    pub(super) fn known(&mut self) -> Cursor {
        self.told
    }

    /// How far c is above what the client knows.
    pub(super) fn untold(&self) -> u64 {
        self.cursor.since(self.told)
    }

    /// A live segment arrived. Returns `true` in `held` if it left a gap.
    pub(super) fn apply(&mut self, shared: &Arc<Shared>, out: &mut Outcome) {
        match &mut self.mode {
            Mode::Joining(buffer) | Mode::Held { buffer, .. } => buffer.push(Arc::clone(shared)),
            Mode::Live => match step(self.cursor, shared.segment.prev, shared.segment.end) {
                Step::Drop => {}
                Step::Apply { from } => self.advance(shared, from, out),
                Step::Gap { to, .. } => {
                    let mut buffer = Box::<Buffer>::default();
                    buffer.push(Arc::clone(shared));
                    self.mode = Mode::Held { wanted: to, buffer };
                    out.held = true;
                }
            },
            Mode::Departed { seen } => *seen = (*seen).max(shared.segment.end),
        }
    }

    /// The person is a member again: what came meanwhile is theirs. Returns whether it has to be read.
    pub(super) fn come_back(&mut self) -> bool {
        let Mode::Departed { seen } = self.mode else { return false };
        self.mode = Mode::Live;
        self.want(seen)
    }

    /// What was wanted (or a part of it) was read.
    pub(super) fn repair(&mut self, shared: &Arc<Shared>, out: &mut Outcome) {
        if !matches!(self.mode, Mode::Held { .. }) {
            return;
        }
        if let Step::Apply { from } = step(self.cursor, shared.segment.prev, shared.segment.end) {
            self.advance(shared, from, out);
        }
        self.flush(out);
    }

    /// The first answer covers everything below `cursor`: what waited follows. `false`: too much waited, put the answer together again.
    pub(super) fn go_live(&mut self, cursor: Cursor, beat: u64, out: &mut Outcome) -> bool {
        if let Mode::Joining(buffer) = &mut self.mode
            && std::mem::take(&mut buffer.overflowed)
        {
            return false;
        }
        self.cursor = cursor;
        self.told = cursor;
        self.live_since = beat;
        self.flush(out);
        true
    }

    /// Reads up to `to` are needed, whatever the reason.
    pub(super) fn want(&mut self, to: Cursor) -> bool {
        match &mut self.mode {
            Mode::Joining(_) => return false,
            Mode::Departed { seen } => {
                *seen = (*seen).max(to);
                return false;
            }
            Mode::Held { wanted, .. } => *wanted = (*wanted).max(to),
            Mode::Live if to <= self.cursor => return false,
            Mode::Live => self.mode = Mode::Held { wanted: to, buffer: Box::default() },
        }
        true
    }

    /// A beat that was called as number `beat` says: the room's frames reach up to `up`, and all below `next` was published.
    /// Returns whether a repair is needed.
    pub(super) fn beat(&mut self, beat: u64, up: Cursor, next: Cursor, grace: bool) -> bool {
        if (self.live_since >= beat && !planted(PlantedBug::BeatRaisesLateRoom)) || !matches!(self.mode, Mode::Live) {
            return false;
        }
        if up <= self.cursor {
            self.behind = false;
            self.cursor = self.cursor.max(next);
            return false;
        }
        if grace && !std::mem::replace(&mut self.behind, true) {
            return false;
        }
        self.behind = false;
        self.want(up)
    }

    fn advance(&mut self, shared: &Arc<Shared>, from: Cursor, out: &mut Outcome) {
        let segment = &shared.segment;
        let departure = shared.departure(self.user, from);
        let (end, known) = departure.map_or((segment.end, shared.known), |position| (position.next(), position.next()));
        self.cursor = end;
        let whole = departure.is_none() && segment.prev <= self.told && segment.group.first().is_none_or(|first| first.at() >= from);
        let frame = if whole {
            (!segment.group.is_empty()).then(|| shared.full_frame(self.room))
        } else {
            let json = segment.group.json_in(from, end);
            (!json.is_empty()).then(|| Frame::text(&frames_json(self.room, self.told, json)))
        };
        if let Some(frame) = frame {
            self.told = self.told.max(known);
            out.frames.push(frame);
        }
        if departure.is_some() {
            let seen = self.wanted().map_or(segment.end, |(_, wanted)| wanted.max(segment.end));
            self.mode = Mode::Departed { seen };
            out.departed = true;
        }
    }

    fn flush(&mut self, out: &mut Outcome) {
        let (Mode::Joining(buffer) | Mode::Held { buffer, .. }) = &mut self.mode else { return };
        let mut waiting = std::mem::take(&mut buffer.segments);
        let wanted = self.wanted().map(|(_, wanted)| wanted);
        if let Some(wanted) = wanted
            && wanted > self.cursor
        {
            // Still short: keep what waits.
            if let Mode::Held { buffer, .. } = &mut self.mode {
                buffer.segments = waiting;
            }
            out.held = true;
            return;
        }
        self.mode = Mode::Live;
        while let Some(shared) = waiting.pop_front() {
            self.apply(&shared, out);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use parley_proto::{
        Cid, MessageId, UnixMillis,
        event::{EventName, MemberRow, RoomRow, SystemEvent, Visibility},
        item::{Item, ItemKind},
        segment::Group,
    };
    use uuid::Uuid;

    const ADA: UserId = UserId(Uuid::from_u128(1));

    fn room() -> RoomId {
        RoomId::new(parley_proto::PartitionId(1), [1; 16])
    }

    fn message(position: u64) -> Item {
        Item {
            position: Position(position),
            kind: ItemKind::Message,
            id: MessageId(Uuid::from_u128(u128::from(position))),
            sender: UserId::NIL,
            cid: Cid::NIL,
            target: None,
            body: position.to_string().into(),
            sent_at: UnixMillis(0),
            rev: None,
            seq: None,
            imported: false,
            edited: false,
            deleted: false,
        }
    }

    fn of_items(prev: u64, items: &[Item]) -> Arc<Shared> {
        let end = items.last().map_or(prev, |last| last.position.next().0);
        Shared::new(Segment { prev: Cursor(prev), end: Cursor(end), group: Group::new(items.iter().map(|item| (item.position, item))) })
    }

    fn segment(prev: u64, positions: &[u64]) -> Arc<Shared> {
        of_items(prev, &positions.iter().map(|position| message(*position)).collect::<Vec<_>>())
    }

    /// Messages, and at `position` the line that says that somebody left.
    pub(in crate::hub) fn with_departure(prev: u64, positions: &[u64], position: u64, user: UserId) -> Arc<Shared> {
        let room = RoomRow {
            id: room(),
            kind: "group".to_owned(),
            name: "general".to_owned(),
            topic: String::new(),
            visibility: Visibility::Public,
            archived: false,
            created_at: UnixMillis(0),
        };
        let member = MemberRow { user, role: None, joined_at: UnixMillis(0) };
        let event = SystemEvent { event: EventName::Left, version: 2, room, member: Some(member) };
        let left = Item { kind: ItemKind::System, body: serde_json::to_value(event).unwrap(), ..message(position) };
        let items = positions.iter().map(|at| if *at == position { left.clone() } else { message(*at) });
        of_items(prev, &items.collect::<Vec<_>>())
    }

    fn positions(out: &Outcome) -> Vec<u64> {
        out.frames
            .iter()
            .flat_map(|frame| {
                let frame: serde_json::Value = serde_json::from_str(frame.json()).unwrap();
                frame["items"].as_array().unwrap().iter().map(|item| item["position"].as_u64().unwrap()).collect::<Vec<_>>()
            })
            .collect()
    }

    fn live_at(cursor: u64) -> View {
        let mut view = View::joining(room(), ADA);
        assert!(view.go_live(Cursor(cursor), 0, &mut Outcome::default()));
        view
    }

    #[test]
    fn what_arrives_while_the_first_answer_is_made_follows_it_once() {
        let mut view = View::joining(room(), ADA);
        let mut out = Outcome::default();
        view.apply(&segment(0, &[3, 5]), &mut out);
        view.apply(&segment(6, &[7]), &mut out);
        assert!(out.frames.is_empty());
        assert!(view.go_live(Cursor(5), 0, &mut out));
        assert_eq!(positions(&out), [5, 7]);
        assert_eq!(view.cursor(), Cursor(8));
    }

    #[test]
    fn the_line_that_says_that_they_left_is_the_last_that_they_are_shown() {
        let mut view = live_at(5);
        let mut out = Outcome::default();
        view.apply(&with_departure(5, &[5, 6, 7], 6, ADA), &mut out);
        view.apply(&segment(8, &[8]), &mut out);
        assert_eq!((positions(&out), out.departed, out.held), (vec![5, 6], true, false));
        assert_eq!((view.cursor(), view.is_live(), view.wanted()), (Cursor(7), false, None));
        assert!(!view.beat(9, Cursor(20), Cursor(20), false) && !view.want(Cursor(20)));

        assert!(view.come_back());
        assert_eq!(view.wanted(), Some((Cursor(7), Cursor(20))));
        view.repair(&segment(7, &[7, 8, 19]), &mut out);
        assert_eq!(positions(&out), [5, 6, 7, 8, 19]);
    }

    #[test]
    fn somebody_else_s_leaving_and_one_s_own_of_long_ago_end_nothing() {
        let mut view = live_at(6);
        let mut out = Outcome::default();
        view.apply(&with_departure(4, &[5, 6], 5, ADA), &mut out);
        view.apply(&with_departure(7, &[7, 8], 7, UserId::NIL), &mut out);
        assert_eq!((positions(&out), out.departed), (vec![6, 7, 8], false));
    }

    #[test]
    fn a_leaving_in_what_is_read_or_has_waited_ends_the_room_as_well() {
        let mut view = live_at(5);
        let mut out = Outcome::default();
        view.apply(&segment(9, &[9]), &mut out);
        view.repair(&with_departure(5, &[6, 7, 8], 7, ADA), &mut out);
        assert_eq!((positions(&out), out.departed), (vec![6, 7], true));

        let mut view = View::joining(room(), ADA);
        let mut out = Outcome::default();
        view.apply(&with_departure(5, &[5, 6], 5, ADA), &mut out);
        view.apply(&segment(7, &[7]), &mut out);
        assert!(view.go_live(Cursor(5), 0, &mut out));
        assert_eq!((positions(&out), out.departed), (vec![5], true));
    }

    #[test]
    fn a_gap_holds_the_room_until_what_was_missed_is_read() {
        let mut view = live_at(5);
        let mut out = Outcome::default();
        view.apply(&segment(9, &[9]), &mut out);
        view.apply(&segment(10, &[12]), &mut out);
        assert!(out.held && out.frames.is_empty());
        assert_eq!(view.wanted(), Some((Cursor(5), Cursor(9))));
        let mut out = Outcome::default();
        view.repair(&segment(5, &[6, 8]), &mut out);
        assert_eq!(positions(&out), [6, 8, 9, 12]);
        assert!(!out.held);
    }

    #[test]
    fn a_client_is_never_sent_a_prev_above_what_it_knows() {
        let mut view = live_at(5);
        assert!(!view.beat(1, Cursor(5), Cursor(50), true));
        assert_eq!((view.cursor(), view.untold()), (Cursor(50), 45));
        let mut out = Outcome::default();
        view.apply(&segment(50, &[60]), &mut out);
        let frame: serde_json::Value = serde_json::from_str(out.frames[0].json()).unwrap();
        assert_eq!(frame["prev"], 5);
        assert_eq!(view.untold(), 0);
    }

    #[test]
    fn a_repair_that_reaches_beyond_its_last_item_is_not_known_to_the_client() {
        let mut view = live_at(5);
        assert!(view.want(Cursor(20)));
        let Segment { prev, group, .. } = segment(5, &[6, 8]).segment.clone();
        let mut out = Outcome::default();
        view.repair(&Shared::read(Segment { prev, end: Cursor(20), group }), &mut out);
        view.apply(&segment(20, &[25]), &mut out);
        let frame: serde_json::Value = serde_json::from_str(out.frames[1].json()).unwrap();
        assert_eq!((view.cursor(), &frame["prev"]), (Cursor(26), &serde_json::json!(9)));
    }

    #[test]
    fn a_beat_repairs_only_at_the_second_time_and_says_nothing_about_a_room_gone_live_after_its_call() {
        let mut view = View::joining(room(), ADA);
        assert!(view.go_live(Cursor(5), 3, &mut Outcome::default()));
        assert!(!view.beat(3, Cursor(9), Cursor(9), false));
        assert!(!view.beat(4, Cursor(9), Cursor(9), true));
        assert!(view.beat(5, Cursor(9), Cursor(9), true));
        assert_eq!(view.wanted(), Some((Cursor(5), Cursor(9))));
    }

    #[test]
    fn an_overflowing_join_is_made_again() {
        let mut view = View::joining(room(), ADA);
        for position in 0..=BUFFER_SEGMENTS as u64 {
            view.apply(&segment(position, &[position]), &mut Outcome::default());
        }
        assert!(!view.go_live(Cursor(1), 0, &mut Outcome::default()));
        assert!(view.go_live(Cursor(300), 0, &mut Outcome::default()));
    }
}
