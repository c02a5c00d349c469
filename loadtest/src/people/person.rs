//! One person: wishes come on a clock, whether the server keeps up or not (open loop); a connection that goes is made anew. What is heard is in `hear`,
//! what is wished in `act`, what is asked for over REST in `deeds`.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    io,
    sync::Arc,
    time::Duration,
};

use parley_proto::{
    Cursor, MessageId, Position, RoomId,
    wire::{ClientFrame, PROTOCOL_VERSION, Ref, Resume, RoomCursor},
};
use rand::{Rng, rngs::StdRng};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{
    Counters, Phase,
    deeds::Deeds,
    habits,
    outbox::{Outbox, Thing},
};
use crate::{
    client::{Account, ClientError, Credentials, Socket},
    history::{Event, Recorder},
};

/// What may wait for the server; more is not offered, and counted.
const OUTBOX_MAX: usize = 64;
/// A connection on which nothing came for so long is dead (docs/api.md).
const SILENCE: Duration = Duration::from_secs(40);
/// Before the first and before each further try to come back, at most.
const FIRST_TRY: Duration = Duration::from_millis(200);
const NEXT_TRY: Duration = Duration::from_millis(700);
/// When nothing else is to be done.
const IDLE: Duration = Duration::from_millis(500);

/// Where a room stands with this client.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) cursor: Cursor,
    /// The oldest page goes down to here.
    pub(super) start: Cursor,
    pub(super) receiving: Receiving,
    /// Newest messages, to vote on.
    pub(super) recent: VecDeque<MessageId>,
    /// The next page of history ends here.
    pub(super) scroll: Option<Position>,
}

/// Whether frames of a room come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Receiving {
    /// Not before that; `None`: not at all, as after leaving.
    #[default]
    Not,
    From(Instant),
    Asked,
    Live,
}

/// What an answer belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    Attempt,
    Subscribe(RoomId),
    History,
    Unsubscribe(RoomId),
}

/// Who somebody is, and what they have at their disposal.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) credentials: Credentials,
    pub(super) account: Account,
    pub(super) rooms: Vec<RoomId>,
    /// Where sockets are opened: NGINX, or a gateway itself.
    pub(super) urls: Arc<[String]>,
    /// Between two wishes, on average.
    pub(super) pause: Duration,
    pub(super) say: u32,
    pub(super) rng: StdRng,
    pub(super) recorder: Recorder,
    pub(super) counters: Arc<Counters>,
}

/// The person at their client.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) setting: Setting,
    pub(super) standings: HashMap<RoomId, Standing>,
    pub(super) outbox: Outbox,
    pub(super) acked: VecDeque<Thing>,
    pub(super) questions: HashMap<Ref, Question>,
    pub(super) token: Option<String>,
    /// The rooms that the token covers.
    pub(super) resumable: HashSet<RoomId>,
    pub(super) deeds: Deeds,
    socket: Option<Socket>,
    connect_at: Instant,
    heard_at: Instant,
    pub(super) stalled_until: Option<Instant>,
    /// When a draining gateway wants this socket gone.
    pub(super) leave_at: Option<Instant>,
    /// Rooms to be scrolled back in, and to be subscribed to anew.
    pub(super) scrolls: HashSet<RoomId>,
    pub(super) unsubscribes: HashSet<RoomId>,
    pub(super) welcomed: bool,
    reference: Ref,
    busy: bool,
}

impl Person {
    pub(super) fn new(setting: Setting) -> Self {
        let now = Instant::now();
        let standings = setting.rooms.iter().map(|room| (*room, Standing { receiving: Receiving::From(now), ..Standing::default() })).collect();
        Self {
            setting,
            standings,
            outbox: Outbox::new(OUTBOX_MAX),
            acked: VecDeque::new(),
            questions: HashMap::new(),
            token: None,
            resumable: HashSet::new(),
            deeds: Deeds::default(),
            socket: None,
            connect_at: now,
            heard_at: now,
            stalled_until: None,
            leave_at: None,
            scrolls: HashSet::new(),
            unsubscribes: HashSet::new(),
            welcomed: false,
            reference: 0,
            busy: false,
        }
    }

    /// Until the run has ended. Fails only where the history can't be written, or the server says what is no frame.
    pub(super) async fn live(mut self, mut phases: watch::Receiver<Phase>) -> anyhow::Result<()> {
        let mut due = Instant::now() + habits::pause(&mut self.setting.rng, self.setting.pause);
        loop {
            let phase = *phases.borrow_and_update();
            match phase {
                Phase::Talking => {
                    while due <= Instant::now() {
                        self.wish(due)?;
                        due += habits::pause(&mut self.setting.rng, self.setting.pause);
                    }
                }
                Phase::Settling => {}
                Phase::Over => break,
            }
            self.tell_busy();
            if self.socket.is_none() && self.deeds.is_signed_in() && self.connect_at <= Instant::now() {
                self.come_back().await?;
            }
            self.stalled_until = self.stalled_until.filter(|until| *until > Instant::now());
            if self.leave_at.is_some_and(|at| at <= Instant::now()) {
                self.hang_up(None, true)?;
            }
            self.deeds_due()?;
            if self.stalled_until.is_none() {
                self.ask_for_rooms().await?;
                self.offer().await?;
            }
            let wake = self.wake(if phase == Phase::Talking { Some(due) } else { None });
            let reads = self.stalled_until.is_none();
            tokio::select! {
                frame = read(&mut self.socket), if reads && self.socket.is_some() => self.heard(frame)?,
                done = self.deeds.done() => self.deed_done(done)?,
                () = sleep_until(wake) => {}
                _ = phases.changed() => {}
            }
            if self.socket.is_some() && self.heard_at.elapsed() > SILENCE && reads {
                self.hang_up(None, true)?;
            }
        }
        self.note(&Event::Quiet)?;
        Ok(self.setting.recorder.finish()?)
    }

    /// The next instant at which something has to be done.
    fn wake(&self, due: Option<Instant>) -> Instant {
        let rooms = self.standings.values().filter_map(|standing| match standing.receiving {
            Receiving::From(at) if self.socket.is_some() => Some(at),
            _ => None,
        });
        let connect = (self.socket.is_none() && self.deeds.is_signed_in()).then_some(self.connect_at);
        let outbox = self.outbox.wake().filter(|_| self.socket.is_some());
        let idle = Instant::now() + IDLE;
        let soonest = rooms.chain(connect).chain(outbox).chain(due).chain(self.stalled_until).chain(self.leave_at).chain(self.deeds.wake()).min();
        // What could not be done when it was due waits a moment instead of turning for ever.
        soonest.unwrap_or(idle).clamp(Instant::now() + Duration::from_millis(1), idle)
    }

    /// Nothing is waiting, and all rooms are received.
    fn is_settled(&self) -> bool {
        let live = self.standings.values().all(|standing| standing.receiving == Receiving::Live);
        self.socket.is_some() && self.outbox.is_empty() && self.deeds.is_idle() && live && self.stalled_until.is_none()
    }

    fn tell_busy(&mut self) {
        let busy = !self.is_settled();
        if busy != self.busy {
            self.busy = busy;
            self.setting.counters.busy(busy);
        }
    }

    pub(super) fn note(&mut self, event: &Event) -> io::Result<()> {
        self.setting.recorder.note(event)
    }

    /// Somebody new to the server: another session, no resume.
    pub(super) fn is_now(&mut self, account: Account) {
        self.setting.account = account;
        self.token = None;
        self.resumable.clear();
        self.connect_at = Instant::now();
    }

    pub(super) fn reference(&mut self) -> Ref {
        self.reference += 1;
        self.reference
    }

    /// Hands a frame to the network; if that fails, the connection is gone.
    pub(super) async fn write(&mut self, frame: &ClientFrame) -> anyhow::Result<()> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        match socket.write(frame).await {
            Ok(()) => Ok(()),
            Err(_) => self.hang_up(None, false),
        }
    }

    fn heard(&mut self, frame: Result<parley_proto::wire::ServerFrame, ClientError>) -> anyhow::Result<()> {
        self.heard_at = Instant::now();
        match frame {
            Ok(frame) => self.hear(frame),
            Err(ClientError::Closed(code)) => {
                if code == Some(4001) {
                    self.deeds.sign_in(&self.setting);
                }
                self.hang_up(code, false)
            }
            Err(error @ ClientError::Frame(_)) => Err(error.into()),
            Err(_) => self.hang_up(None, false),
        }
    }

    /// The connection is gone, or given up.
    pub(super) fn hang_up(&mut self, code: Option<u16>, by_us: bool) -> anyhow::Result<()> {
        self.socket = None;
        self.welcomed = false;
        self.leave_at = None;
        self.questions.clear();
        self.outbox.lost();
        for standing in self.standings.values_mut().filter(|standing| standing.receiving != Receiving::Not) {
            standing.receiving = Receiving::From(Instant::now());
        }
        self.connect_at = Instant::now() + self.setting.rng.random_range(Duration::ZERO..FIRST_TRY);
        Ok(self.note(&Event::Closed { code, by_us })?)
    }

    pub(super) fn hang_up_if_open(&mut self) -> anyhow::Result<()> {
        if self.socket.is_some() { self.hang_up(None, true) } else { Ok(()) }
    }

    async fn come_back(&mut self) -> anyhow::Result<()> {
        let url = self.setting.urls[self.setting.rng.random_range(0..self.setting.urls.len())].clone();
        match self.setting.account.socket(&url).await {
            Ok(socket) => self.socket = Some(socket),
            Err(ClientError::Socket(error)) if is_unauthenticated(&error) => self.deeds.sign_in(&self.setting),
            Err(_) => {
                self.connect_at = Instant::now() + self.setting.rng.random_range(Duration::ZERO..NEXT_TRY);
                return Ok(());
            }
        }
        self.heard_at = Instant::now();
        let rooms: Vec<_> = self
            .standings
            .iter()
            .filter(|(room, _)| self.resumable.contains(room))
            .map(|(room, standing)| RoomCursor { room: *room, cursor: standing.cursor })
            .collect();
        let resume = self.token.clone().map(|token| Resume { token, rooms: rooms.clone() });
        self.note(&Event::Hello { url, resume: resume.is_some().then_some(rooms) })?;
        let reference = self.reference();
        self.write(&ClientFrame::Hello { reference, version: PROTOCOL_VERSION, resume }).await
    }

    /// Subscribes to what is not received, and may be.
    async fn ask_for_rooms(&mut self) -> anyhow::Result<()> {
        if self.socket.is_none() || !self.welcomed {
            return Ok(());
        }
        let now = Instant::now();
        let rooms: Vec<_> =
            self.standings.iter().filter(|(_, standing)| matches!(standing.receiving, Receiving::From(at) if at <= now)).map(|(room, _)| *room).collect();
        for room in rooms {
            self.subscribe(room).await?;
        }
        Ok(())
    }
}

async fn read(socket: &mut Option<Socket>) -> Result<parley_proto::wire::ServerFrame, ClientError> {
    match socket {
        Some(socket) => socket.read().await,
        None => std::future::pending().await,
    }
}

fn is_unauthenticated(error: &tokio_tungstenite::tungstenite::Error) -> bool {
    matches!(error, tokio_tungstenite::tungstenite::Error::Http(answer) if answer.status().as_u16() == 401)
}
