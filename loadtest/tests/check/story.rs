//! A made-up run: a log, and the histories that its clients would have written had everything gone well. Tests then change one thing.

use std::collections::{BTreeMap, BTreeSet};

use parley_loadtest::{
    check::{Judgement, Limits, Needs, Trouble, Truth, judge},
    history::{Deed, Event, How, Line, Micros, Shown, Votes, digest},
    verify::expected::Expected,
};
use parley_proto::{
    Body, Cid, Cursor, Kind, MessageId, PartitionId, Position, Record, RoomId, UserId, codec,
    event::{EventName, MemberRow, RoomRow, SystemEvent, Visibility},
    record::UnixMillis,
    wire::{Ref, ResumeOutcome, RoomCursor},
};
use uuid::Uuid;

const PARTITION: PartitionId = PartitionId(0);
/// Between two things that happen, in microseconds.
const STEP: Micros = 1_000;

/// A log in the making, and who watches.
pub(crate) struct Story {
    expected: Expected,
    truth: Truth,
    pub(crate) clients: BTreeMap<&'static str, Vec<Line>>,
    /// Where each client stands, by client and room, while it receives it.
    cursors: BTreeMap<(&'static str, RoomId), Cursor>,
    rows: BTreeMap<RoomId, Vec<Shown>>,
    pub(crate) now: Micros,
    cids: u128,
    references: Ref,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) needs: Needs,
}

/// Something that was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) cid: Cid,
    pub(crate) id: MessageId,
    pub(crate) position: Position,
}

pub(crate) fn room(number: u8) -> RoomId {
    RoomId::new(PARTITION, [number; 16])
}

pub(crate) fn user(name: &str) -> UserId {
    UserId(Uuid::from_u128(name.bytes().fold(1, |number, byte| number * 256 + u128::from(byte))))
}

impl Story {
    pub(crate) fn new() -> Self {
        Self {
            expected: Expected::new(PARTITION, BTreeSet::new()),
            truth: Truth::default(),
            clients: BTreeMap::new(),
            cursors: BTreeMap::new(),
            rows: BTreeMap::new(),
            now: 0,
            cids: 0,
            references: 0,
            troubles: Vec::new(),
            needs: Needs::default(),
        }
    }

    pub(crate) fn judge(self) -> Judgement {
        let limits = Limits::promised(1).beside(&self.troubles);
        let histories = || Ok(self.clients.values().map(|lines| lines.iter().cloned().map(Ok)).collect());
        judge(histories, &self.truth, &self.troubles, &limits, &self.needs).unwrap()
    }

    /// The client writes something down.
    pub(crate) fn note(&mut self, who: &'static str, event: Event) {
        self.now += STEP;
        self.clients.entry(who).or_default().push((self.now, event));
    }

    /// Changes what a client wrote down.
    pub(crate) fn change(&mut self, who: &str, change: impl FnMut(&mut Line)) {
        self.clients.get_mut(who).unwrap().iter_mut().for_each(change);
    }

    pub(crate) fn comes(&mut self, who: &'static str) {
        self.note(who, Event::Person { user: user(who), name: who.to_owned() });
        self.hello(who, None);
    }

    pub(crate) fn hello(&mut self, who: &'static str, resume: Option<Vec<RoomCursor>>) {
        let outcome = if resume.is_some() { ResumeOutcome::Accepted } else { ResumeOutcome::None };
        self.note(who, Event::Hello { url: "http://chat".to_owned(), resume });
        self.note(who, Event::Welcome { gateway: "gateway-1".to_owned(), resume: outcome });
    }

    pub(crate) fn subscribes(&mut self, who: &'static str, room: RoomId) {
        let reference = self.asks_for(who, room);
        let page = self.page(who, reference, room);
        self.note(who, page);
    }

    /// Subscribes, and is not answered yet.
    pub(crate) fn asks_for(&mut self, who: &'static str, room: RoomId) -> Ref {
        self.references += 1;
        self.note(who, Event::Subscribe { reference: self.references, room });
        self.references
    }

    /// The page that would answer now.
    pub(crate) fn page(&mut self, who: &'static str, reference: Ref, room: RoomId) -> Event {
        let items = self.rows.get(&room).cloned().unwrap_or_default();
        let end = self.expected.next;
        self.cursors.insert((who, room), end);
        let votes = Some(self.votes_of(&items, who));
        Event::Page { how: How::Subscribed(reference), room, start: Cursor::ZERO, end, items, catching_up: false, votes }
    }

    fn votes_of(&self, items: &[Shown], who: &str) -> Votes {
        let as_of = self.expected.next;
        let counted = items.iter().map(|(_, id, ..)| {
            let (up, down) = self.truth.counted(*id, as_of);
            (*id, up, down, Some(self.truth.own_vote(*id, user(who), as_of)))
        });
        Votes { as_of, items: counted.collect() }
    }

    /// The connection goes; what is said meanwhile is missed.
    pub(crate) fn goes(&mut self, who: &'static str) {
        self.note(who, Event::Closed { code: None, by_us: false });
    }

    /// The client comes back to its rooms and gets what it missed.
    pub(crate) fn resumes(&mut self, who: &'static str) {
        let replays = self.asks_to_resume(who);
        self.replayed(who, replays);
    }

    /// The hello of a resume, and the replays that answer it.
    pub(crate) fn asks_to_resume(&mut self, who: &'static str) -> Vec<Event> {
        let rooms: Vec<_> =
            self.cursors.iter().filter(|((client, _), _)| *client == who).map(|((_, room), cursor)| RoomCursor { room: *room, cursor: *cursor }).collect();
        self.hello(who, Some(rooms.clone()));
        let cursor = self.expected.next;
        let replay = |RoomCursor { room, cursor: prev }| {
            let items: Vec<_> = self.rows[&room].iter().filter(|(position, ..)| position.at() >= prev).copied().collect();
            self.cursors.insert((who, room), cursor);
            Event::Replay { room, prev, cursor, items, more: false, catching_up: false }
        };
        rooms.into_iter().map(replay).collect()
    }

    pub(crate) fn replayed(&mut self, who: &'static str, replays: Vec<Event>) {
        for replay in replays {
            self.note(who, replay);
        }
        self.note(who, Event::Cursors { items: Vec::new() });
    }

    pub(crate) fn record(&mut self, kind: Kind, room: RoomId, sender: UserId, body: &str) -> Record {
        self.cids += 1;
        let floor = self.expected.next;
        let cid = Cid(Uuid::from_u128(self.cids));
        let body = Body::Plain(body.to_owned());
        Record { kind, room, sender, cid, base: Cursor::ZERO, floor, auth: floor, target: None, value: 0, body, imported: false, sent_at: UnixMillis(0) }
    }

    /// The log takes it.
    pub(crate) fn append(&mut self, record: &Record) -> Sent {
        let (position, bytes) = (self.expected.next.position(), codec::encode(record));
        let outcome = self.expected.record(position, &bytes).unwrap();
        self.truth.record(PARTITION, position, &bytes, outcome);
        Sent { cid: record.cid, id: record.id(), position }
    }

    fn body_of(record: &Record) -> u64 {
        match &record.body {
            Body::Plain(text) if record.kind == Kind::Message => digest(text),
            _ => 0,
        }
    }

    /// Everybody who receives the room is shown a line.
    fn shown(&mut self, record: &Record, sent: Sent, watchers: &[&'static str]) {
        let line = (sent.position, sent.id, record.sender, Self::body_of(record));
        let rows = self.rows.entry(record.room).or_default();
        let prev = rows.last().map_or(Cursor::ZERO, |(position, ..)| position.next());
        rows.push(line);
        for who in watchers {
            self.cursors.insert((who, record.room), sent.position.next());
            self.note(who, Event::Frames { room: record.room, prev, items: vec![line] });
        }
    }

    pub(crate) fn try_send(&mut self, who: &'static str, record: &Record, retry: bool) {
        let Record { room, cid, base, .. } = *record;
        let due = self.now;
        self.note(who, Event::Send { room, cid, base, body: Self::body_of(record), retry, due });
    }

    pub(crate) fn ack(&mut self, who: &'static str, sent: Sent) {
        self.note(who, Event::Ack { cid: sent.cid, id: sent.id, at_most: sent.position });
    }

    /// Sent, taken, acked, shown.
    pub(crate) fn says(&mut self, who: &'static str, room: RoomId, text: &str, watchers: &[&'static str]) -> Sent {
        let record = self.record(Kind::Message, room, user(who), text);
        self.try_send(who, &record, false);
        let sent = self.append(&record);
        self.ack(who, sent);
        self.shown(&record, sent, watchers);
        sent
    }

    pub(crate) fn votes(&mut self, who: &'static str, room: RoomId, target: MessageId, value: i64, watchers: &[&'static str]) {
        let record = Record { target: Some(target), value, ..self.record(Kind::Vote, room, user(who), "") };
        let (cid, base, due) = (record.cid, record.base, self.now);
        self.note(who, Event::Vote { room, cid, base, target, value, retry: false, due });
        let sent = self.append(&record);
        self.ack(who, sent);
        let as_of = sent.position.next();
        let (up, down) = self.truth.counted(target, as_of);
        for watcher in watchers {
            let mine = (*watcher == who).then_some(value);
            self.note(watcher, Event::Tallies { room, votes: Votes { as_of, items: vec![(target, up, down, mine)] } });
        }
    }

    pub(crate) fn leaves(&mut self, who: &'static str, room: RoomId, watchers: &[&'static str]) -> Sent {
        self.note(who, Event::Asked { deed: Deed::Leave(room) });
        let room_row = RoomRow {
            id: room,
            kind: "room".to_owned(),
            name: "room".to_owned(),
            topic: String::new(),
            visibility: Visibility::Public,
            archived: false,
            created_at: UnixMillis(0),
        };
        let member = Some(MemberRow { user: user(who), role: None, joined_at: UnixMillis(0) });
        let event = SystemEvent { event: EventName::Left, version: i64::try_from(self.cids).unwrap(), room: room_row, member };
        let record = self.record(Kind::System, room, user(who), &serde_json::to_string(&event).unwrap());
        let sent = self.append(&record);
        self.note(who, Event::Done { deed: Deed::Leave(room) });
        self.note(who, Event::Unsubscribed { room, code: None });
        self.cursors.remove(&(who, room));
        self.shown(&record, sent, watchers);
        sent
    }

    pub(crate) fn signs_out(&mut self, who: &'static str) {
        self.note(who, Event::Asked { deed: Deed::SignOut });
        self.note(who, Event::Done { deed: Deed::SignOut });
        self.note(who, Event::Closed { code: Some(4501), by_us: false });
        self.cursors.retain(|(client, _), _| *client != who);
    }

    pub(crate) fn all_is_quiet(&mut self) {
        let everybody: Vec<_> = self.clients.keys().copied().collect();
        for who in everybody {
            self.note(who, Event::Quiet);
        }
    }

    pub(crate) fn trouble(&mut self, kind: &str, part: &str, began: Micros, ended: Micros) {
        let effect = Some("felt".to_owned());
        self.troubles.push(Trouble { part: part.to_owned(), kind: kind.to_owned(), began, ended, effect, only_in_log: Vec::new() });
    }
}
