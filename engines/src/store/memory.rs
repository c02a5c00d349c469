//! The store in memory, over the same [`super::plan`] as the SQL engines: for the simulation, which puts faults between a caller and these tables by a
//! [`Gate`]. It keeps nothing beyond the process and has no place in a deployment.

mod accounts;
mod projection;
mod reads;
mod rooms;
mod timeline;
mod votes;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use parley_proto::{Cursor, MessageId, PartitionId, Position, Record, RoomId, SessionId, UnixMillis, UserId, item::Item};

use super::{
    Direction, Page, PageRequest, StoreUnavailable,
    accounts::{Account, RefreshHash, Session},
    plan::{RoomMark, Tally, Vote},
    projection::{DeadLetter, OutboxRow, PartitionState},
    rooms::{Membership, Room},
};

/// What stands between a caller and the tables.
#[async_trait]
pub trait Gate: Send + Sync + std::fmt::Debug {
    /// Before the call takes effect; an error keeps it from doing so.
    async fn before(&self) -> Result<(), StoreUnavailable>;

    /// After it took effect; an error loses the answer.
    async fn after(&self) -> Result<(), StoreUnavailable>;

    /// Whether the database refuses the row of this record.
    fn refuses(&self, record: &Record) -> bool;
}

/// Nothing stands there.
#[derive(Debug)]
struct Open;

#[async_trait]
impl Gate for Open {
    async fn before(&self) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    async fn after(&self) -> Result<(), StoreUnavailable> {
        Ok(())
    }

    fn refuses(&self, _record: &Record) -> bool {
        false
    }
}

/// A way to tables in memory. Clones lead to the same ones.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    gate: Arc<dyn Gate>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { tables: Arc::default(), gate: Arc::new(Open) }
    }
}

#[derive(Debug, Default)]
struct Tables {
    accounts: BTreeMap<UserId, Account>,
    sessions: BTreeMap<SessionId, Session>,
    /// Grows when a session or a membership of the person ends.
    rights_versions: BTreeMap<UserId, u64>,
    refresh: BTreeMap<[u8; 32], (SessionId, accounts::Used)>,
    rooms: BTreeMap<RoomId, Room>,
    /// Who left keeps a row without a role, for its version.
    members: BTreeMap<(RoomId, UserId), rooms::Member>,
    outbox: Vec<OutboxRow>,
    partitions: BTreeMap<PartitionId, PartitionState>,
    messages: BTreeMap<(RoomId, Position), Item>,
    by_id: BTreeMap<MessageId, (RoomId, Position)>,
    marks: BTreeMap<RoomId, RoomMark>,
    votes: BTreeMap<(MessageId, UserId), Vote>,
    tallies: BTreeMap<MessageId, Tally>,
    reactions: BTreeMap<(MessageId, UserId, String), (Position, bool)>,
    reads: BTreeMap<(RoomId, UserId), u64>,
    dead_letters: BTreeMap<(PartitionId, Position), DeadLetter>,
}

impl MemoryStore {
    /// Another way to the same tables.
    #[must_use]
    pub fn through(&self, gate: Arc<dyn Gate>) -> Self {
        Self { tables: Arc::clone(&self.tables), gate }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(&self, call: impl FnOnce(&mut Tables) -> T + Send) -> Result<T, StoreUnavailable> {
        self.gate.before().await?;
        let answer = call(&mut self.tables());
        self.gate.after().await?;
        Ok(answer)
    }
}

impl Tables {
    fn next(&self, partition: PartitionId) -> Cursor {
        self.partitions.get(&partition).map_or(Cursor::ZERO, |state| state.next)
    }

    fn member(&self, room: RoomId, user: UserId) -> Option<Membership> {
        self.members.get(&(room, user)).and_then(|member| member.membership(room, user))
    }

    fn room(&self, id: RoomId) -> Option<Room> {
        let room = self.rooms.get(&id)?.clone();
        let mark = self.marks.get(&id).copied().unwrap_or_default();
        let members = self.members.range((id, UserId::NIL)..).take_while(|((of, _), _)| *of == id).filter(|(_, member)| member.role.is_some()).count();
        let last_activity_at = mark.last_sent_at.unwrap_or(room.created_at);
        Some(Room { members: members as u64, last_seq: mark.last_seq, last_activity_at, ..room })
    }
}

/// The page of a list that is in order.
fn page<K: PartialOrd + Copy, T>(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> K, request: &PageRequest<K>) -> Page<T> {
    let all: Vec<T> = items.into_iter().collect();
    let len = all.len();
    let (from, to) = match (request.start, request.direction) {
        (None, Direction::Forward) => (0, len),
        (None, Direction::Backward) => (0, len),
        (Some(start), Direction::Forward) => (all.iter().take_while(|item| key(item) <= start).count(), len),
        (Some(start), Direction::Backward) => (0, all.iter().take_while(|item| key(item) < start).count()),
    };
    let (from, to) = match request.direction {
        Direction::Forward => (from, to.min(from + request.limit)),
        Direction::Backward => (from.max(to.saturating_sub(request.limit)), to),
    };
    Page { items: all.into_iter().skip(from).take(to - from).collect(), has_previous: from > 0, has_next: to < len }
}

/// The first of a moment, for keys whose list is newest first.
fn newest_first(at: UnixMillis) -> i64 {
    -at.0
}

/// A refresh token's key.
fn refresh_key(hash: RefreshHash) -> [u8; 32] {
    hash.0
}
