//! A person with a client that keeps to the client's rules of PROTOCOL sections 3 and 6: resume first, strike what the replay shows, retry the rest in
//! order, one at a time a room.

pub(crate) mod outbox;
mod session;
pub(crate) mod view;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parley_gateway::tokens::{Access, TokenKey, Tokens};
use parley_proto::{Cid, MessageId, Position, RoomId, SessionId, UserId, wire::RoomCursor};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use uuid::Uuid;

use crate::{dice::Dice, schedule::Act, world::World};
use outbox::{Content, Entry, Outbox, State};
use view::View;

/// The key that all gateways share.
pub(crate) fn token_key() -> TokenKey {
    TokenKey::new("of the simulation only: 0123456789abcdefghij").unwrap_or_else(|_| TokenKey::random())
}

/// What a client is to do.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// In order of time.
    pub(crate) acts: Vec<(Duration, Act)>,
}

/// How a client is doing, for whoever waits for quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Status {
    pub(crate) idle: bool,
}

/// How far a room's reception is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reception {
    /// Not asked for, not before this.
    None(Instant),
    /// Asked for: what was acked in the room before that stands below this.
    Asked {
        reference: u64,
        acked: Option<Position>,
    },
    /// A replay is to come.
    Resuming {
        acked: Option<Position>,
    },
    Live,
    /// Not a member for now.
    Left,
}

impl Reception {
    /// Whether what the gateway says of the room is taken as it comes.
    fn takes_all(self) -> bool {
        matches!(self, Self::Live | Self::Resuming { .. })
    }
}

pub(crate) struct Client {
    world: Arc<World>,
    dice: Dice,
    pub(crate) number: usize,
    pub(crate) user: UserId,
    session: SessionId,
    tokens: Tokens,
    gateway: usize,
    pub(crate) views: BTreeMap<RoomId, View>,
    receptions: BTreeMap<RoomId, Reception>,
    token: Option<String>,
    /// Of the last `cursors`.
    token_rooms: Vec<RoomCursor>,
    pub(crate) outbox: Outbox,
    next_reference: u64,
    /// Request number → which page of which room.
    pages: BTreeMap<u64, RoomId>,
    acts: VecDeque<(Duration, Act)>,
    status: watch::Sender<Status>,
    /// Answers over REST.
    posted: (mpsc::UnboundedSender<session::Posted>, mpsc::UnboundedReceiver<session::Posted>),
    /// A room to join again, and when.
    joins: Vec<(Instant, RoomId)>,
    /// They come back then.
    away_until: Option<Instant>,
    /// Since then their session is over.
    signed_out: Option<Instant>,
}

impl Client {
    pub(crate) fn new(world: &Arc<World>, number: usize, orders: Orders) -> (Self, watch::Receiver<Status>) {
        let dice = Dice::new(world.seed, &format!("client {number}"));
        let (status, watch_status) = watch::channel(Status::default());
        let now = Instant::now();
        let client = Self {
            world: Arc::clone(world),
            number,
            user: user(number),
            session: session(number),
            tokens: Tokens::new(&token_key(), None, Duration::from_secs(600)),
            gateway: dice.below(crate::schedule::GATEWAYS),
            views: BTreeMap::new(),
            receptions: world.rooms.iter().map(|room| (*room, Reception::None(now))).collect(),
            token: None,
            token_rooms: Vec::new(),
            outbox: Outbox::default(),
            next_reference: 1,
            pages: BTreeMap::new(),
            acts: orders.acts.into(),
            status,
            posted: mpsc::unbounded_channel(),
            joins: Vec::new(),
            away_until: None,
            signed_out: None,
            dice,
        };
        (client, watch_status)
    }

    fn say(&self, line: impl FnOnce() -> String) {
        self.world.tell(|| format!("client-{} {}", self.number, line()));
    }

    fn reference(&mut self) -> u64 {
        self.next_reference += 1;
        self.next_reference
    }

    fn bearer(&self) -> String {
        let access = Access { user: self.user, session: self.session };
        self.tokens.issue(access, parley_gateway::clock::now()).map(|(token, _)| token).unwrap_or_default()
    }

    /// Puts a thing of theirs into the outbox.
    fn compose(&mut self, room: RoomId, content: Content) {
        let base = self.views.get(&room).map(|view| view.cursor).unwrap_or_default();
        let cid = Cid(Uuid::from_bytes(self.dice.bytes16()));
        self.say(|| format!("composes {cid} in {room} at base {base}: {content:?}"));
        self.outbox.entries.push(Entry {
            room,
            cid,
            base,
            content,
            state: State::Fresh(Instant::now()),
            on_this_connection: false,
            discarded: false,
            refusals: 0,
        });
    }

    /// The messages that they see, newest first.
    fn newest_seen(&self, room: RoomId) -> Vec<MessageId> {
        let rows = self.views.get(&room).into_iter().flat_map(|view| view.rows.values().rev());
        rows.filter(|row| row.body.is_some()).map(|row| row.id).collect()
    }

    fn is_idle(&self) -> bool {
        self.acts.is_empty()
            && self.joins.is_empty()
            && self.outbox.entries.is_empty()
            && self.receptions.values().all(|reception| *reception == Reception::Live)
    }
}

pub(crate) fn user(number: usize) -> UserId {
    UserId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number as u128))
}

pub(crate) fn session(number: usize) -> SessionId {
    SessionId(Uuid::from_u128(0x0191_0000_0000_7000_8000_0000_0000_0000 + number as u128))
}
