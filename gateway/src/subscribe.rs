//! The first answer to a subscribe or a resume: everything up to a cursor from which live frames go on, without a hole and nothing twice,
//! wherever the messages are at the time.

use std::time::Duration;

use parley_engines::{
    bus::Tail,
    store::{Store, timeline::RowsAt},
};
use parley_proto::{
    Cursor, ErrorCode, RoomId, UserId,
    item::{Item, ItemKind},
    limits,
    planted::{PlantedBug, planted},
    segment::Segment,
};
use std::sync::Arc;

use crate::{
    ends::Ends,
    reader::{Keyed, ReadError, Reader, tail_items},
    refusal::Refusal,
    timeline,
};

/// A log that does not say its end for this long is silent: the answer goes without it and says so.
const END_PATIENCE: Duration = Duration::from_secs(1);
/// A tail that is short of the log's end is read once more after this: the relay is mostly just about to publish.
const TAIL_PATIENCE: Duration = Duration::from_millis(30);
/// What a client is told to wait for history that can't be read now.
const HISTORY_RETRY: Duration = Duration::from_secs(1);

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tier {
    Tail,
    Store,
}

impl Tier {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tail => "tail",
            Self::Store => "store",
        }
    }
}

/// A room's newest rows, complete from `start` to `cursor`.
#[derive(Debug)]
pub(crate) struct Newest {
    pub(crate) items: Vec<Item>,
    pub(crate) start: Cursor,
    pub(crate) cursor: Cursor,
    pub(crate) has_older: bool,
    pub(crate) last_seq: Option<u64>,
    pub(crate) catching_up: bool,
    pub(crate) tier: Tier,
}

/// What was missed since a cursor, complete up to `cursor`.
#[derive(Debug)]
pub(crate) struct Missed {
    pub(crate) items: Vec<Keyed>,
    pub(crate) cursor: Cursor,
    pub(crate) last_seq: Option<u64>,
    pub(crate) catching_up: bool,
    pub(crate) tier: Tier,
}

/// Puts first answers together. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    pub(crate) reader: Reader,
    pub(crate) ends: Ends,
    pub(crate) store: Arc<dyn Store>,
}

/// What is above the store's `next` (or above a cursor), and how far it reaches.
struct Beyond {
    items: Vec<Keyed>,
    cursor: Cursor,
    catching_up: bool,
}

impl Subscriber {
    /// The newest page. The caller has subscribed to the room's live frames before.
    pub(crate) async fn newest(&self, room: RoomId, limit: usize) -> Result<Newest, Refusal> {
        let (end, tail) = self.look(room).await;
        if let Tail::Frames { next, segments, .. } = &tail
            && let Some(from) = page_in_tail(segments, limit)
        {
            let beyond = self.beyond(room, from, &tail, end).await?;
            let items = timeline::fold(Vec::new(), beyond.items);
            let mut page = Newest {
                items,
                start: from,
                cursor: beyond.cursor.max(*next),
                has_older: true,
                last_seq: None,
                catching_up: beyond.catching_up,
                tier: Tier::Tail,
            };
            page.trim(limit);
            return Ok(page);
        }
        let (rows, from) = match self.store.rows(room, RowsAt::Newest, limit).await {
            Ok(snapshot) => (Some(snapshot.value), snapshot.next),
            // Without the store: from the tail's floor on; what is older has to wait.
            Err(error) => match &tail {
                Tail::Frames { floor, .. } => {
                    tracing::warn!(%error, %room, "subscribe.store_away");
                    (None, *floor)
                }
                Tail::Unseeded => return Err(error.into()),
            },
        };
        let beyond = self.beyond(room, from, &tail, end).await?;
        let last_seq = rows.as_ref().map(|rows| rows.last_seq);
        let has_older = rows.as_ref().is_none_or(|rows| rows.has_older);
        let rows = rows.map(|rows| rows.items);
        let start = match &rows {
            None => from,
            Some(items) if has_older => items.first().map_or(from, |item| item.position.at()),
            Some(_) => Cursor::ZERO,
        };
        let items = timeline::fold(rows.unwrap_or_default(), beyond.items);
        let mut page = Newest { items, start, cursor: beyond.cursor, has_older, last_seq, catching_up: beyond.catching_up, tier: Tier::Store };
        page.trim(limit);
        Ok(page)
    }

    /// What was missed since `cursor`; `resync_required` where that is too much, or the cursor is of another log.
    pub(crate) async fn missed(&self, room: RoomId, cursor: Cursor) -> Result<Missed, Refusal> {
        let (end, tail) = self.look(room).await;
        if end.is_some_and(|end| cursor > end && !planted(PlantedBug::SubscribeWithoutEnd)) {
            return Err(Refusal::new(ErrorCode::ResyncRequired));
        }
        let (mut items, from, last_seq, tier) = match &tail {
            Tail::Frames { floor, .. } if *floor <= cursor => (Vec::new(), cursor, None, Tier::Tail),
            _ => match self.store.changes(room, cursor, limits::REPLAY).await {
                Ok(snapshot) if snapshot.value.truncated => return Err(Refusal::new(ErrorCode::ResyncRequired)),
                Ok(mut snapshot) => {
                    if planted(PlantedBug::ResumeByPosition) {
                        snapshot.value.items.retain(|item| item.position.at() >= cursor);
                    }
                    let rows = snapshot.value.items.into_iter().map(|item| (item.rev.unwrap_or(item.position), item)).collect();
                    (rows, snapshot.next.max(cursor), Some(snapshot.value.last_seq), Tier::Store)
                }
                Err(error) => {
                    tracing::warn!(%error, %room, "resume.store_away");
                    (Vec::new(), cursor, None, Tier::Store)
                }
            },
        };
        let beyond = self.beyond(room, from, &tail, end).await?;
        items.extend(beyond.items);
        if planted(PlantedBug::ResumeByTime) {
            let last = self.store.rows(room, RowsAt::Before(cursor), 1).await?.value.items.pop();
            items.retain(|(_, item)| last.as_ref().is_none_or(|last| item.sent_at >= last.sent_at));
        }
        if items.len() > limits::REPLAY {
            return Err(Refusal::new(ErrorCode::ResyncRequired));
        }
        Ok(Missed { items, cursor: beyond.cursor.max(cursor), last_seq, catching_up: beyond.catching_up, tier })
    }

    /// The log's end by a request that begins now, and the room's tail, which mostly reaches it.
    async fn look(&self, room: RoomId) -> (Option<Cursor>, Tail) {
        if planted(PlantedBug::SubscribeWithoutEnd) {
            return (Some(Cursor::ZERO), self.reader.tail(room).await);
        }
        let end = match tokio::time::timeout(END_PATIENCE, self.ends.fresh(room.partition())).await {
            Ok(Ok(end)) => Some(end),
            Ok(Err(error)) => {
                tracing::warn!(%error, "subscribe.log_silent");
                None
            }
            Err(_) => None,
        };
        let mut tail = self.reader.tail(room).await;
        if let (Some(end), Tail::Frames { next, .. }) = (end, &tail)
            && *next < end
        {
            tokio::time::sleep(TAIL_PATIENCE).await;
            tail = self.reader.tail(room).await;
        }
        (end, tail)
    }

    /// Everything from `from` to the log's end (or as far as can be told while the log is silent).
    async fn beyond(&self, room: RoomId, from: Cursor, tail: &Tail, end: Option<Cursor>) -> Result<Beyond, Refusal> {
        let published = match tail {
            Tail::Frames { next, .. } => *next,
            Tail::Unseeded => Cursor::ZERO,
        };
        let Some(end) = end else {
            // What lies between `from` and the tail can't be read: the tail is of use only where it begins below.
            let (items, cursor) = match tail {
                Tail::Frames { floor, next, segments } if *floor <= from => (tail_items(segments, from, *next), from.max(*next)),
                _ => (Vec::new(), from),
            };
            return Ok(Beyond { items, cursor, catching_up: true });
        };
        let to = end.max(published).max(from);
        match self.reader.beyond_store(room, from, to, tail).await {
            Ok(items) => Ok(Beyond { items, cursor: to, catching_up: false }),
            Err(ReadError::Pending | ReadError::TooMuch) => Err(Refusal::new(ErrorCode::HistoryPending).retry_after(HISTORY_RETRY)),
        }
    }
}

/// Whether the room's own order says that the person is no member any more: the last word on their membership among these items is its end.
pub(crate) fn ends_membership<'a>(items: impl DoubleEndedIterator<Item = &'a Item>, user: UserId) -> bool {
    let role = |item: &Item| {
        let member = item.body.get("member").filter(|_| item.kind == ItemKind::System)?;
        let is_theirs = member.get("user")?.as_str()?.parse() == Ok(user);
        is_theirs.then(|| member.get("role").is_some_and(|role| !role.is_null()))
    };
    items.rev().find_map(role) == Some(false)
}

impl Newest {
    fn trim(&mut self, limit: usize) {
        if timeline::keep_newest(&mut self.items, limit) {
            self.has_older = true;
            if let Some(first) = self.items.first() {
                self.start = first.position.at();
            }
        }
    }
}

/// The position of the first of the newest `limit` messages, if the tail holds that many.
fn page_in_tail(segments: &[Segment], limit: usize) -> Option<Cursor> {
    let items = segments.iter().rev().flat_map(|segment| segment.group.items().into_iter().rev());
    items.filter(|(_, item)| item.kind == ItemKind::Message).nth(limit.checked_sub(1)?).map(|(position, _)| position.at())
}
