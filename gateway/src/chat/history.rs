//! Pages of history: rows of the store with everything folded on top that only tail and log have.

use parley_engines::{bus::Tail, log::LogError, store::timeline::RowsAt};
use parley_proto::{
    Cursor, ErrorCode, MessageId, RoomId,
    item::Item,
    planted::{PlantedBug, planted},
};

use super::Chat;
use crate::{
    reader::ReadError,
    refusal::{AWAY_RETRY_AFTER, Refusal},
    timeline,
};

/// Which page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageAt {
    Newest,
    Before(Cursor),
    From(Cursor),
    Around(MessageId),
}

/// Items of [start, end), ascending.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub items: Vec<Item>,
    pub start: Cursor,
    pub end: Cursor,
    pub has_older: bool,
    pub has_newer: bool,
}

impl Chat {
    /// A page up to the end of the log, for a member (judged by the caller).
    ///
    /// # Errors
    /// `not_found` where `around` is no row of this room; `history_pending` and `unavailable` with a retry hint.
    pub async fn page(&self, room: RoomId, at: PageAt, limit: usize) -> Result<HistoryPage, Refusal> {
        let end = match self.ends.fresh(room.partition()).await {
            Ok(end) => end,
            // The log is silent: what was published or stored can still be read (PROTOCOL, section 6, step 3).
            Err(LogError::Unavailable(_)) => match self.reader.tail(room).await {
                Tail::Frames { next, .. } => next,
                Tail::Unseeded => self.store.rows(room, RowsAt::Newest, 1).await?.next,
            },
            Err(error) => return Err(error.into()),
        };
        self.page_up_to(room, at, limit, end).await
    }

    /// A page as a reader at `cursor` sees it.
    pub(crate) async fn page_up_to(&self, room: RoomId, at: PageAt, limit: usize, cursor: Cursor) -> Result<HistoryPage, Refusal> {
        let rows_at = match at {
            PageAt::Newest => RowsAt::Newest,
            PageAt::Before(before) => RowsAt::Before(before),
            PageAt::From(from) => RowsAt::From(from),
            PageAt::Around(id) => RowsAt::Around(id),
        };
        let mut snapshot = self.store.rows(room, rows_at, limit).await?;
        let mut unstored_row = false;
        if matches!(at, PageAt::Around(_)) && snapshot.value.items.is_empty() {
            // Perhaps it is in the log only.
            snapshot = self.store.rows(room, RowsAt::Newest, limit).await?;
            unstored_row = true;
        }
        let end = if planted(PlantedBug::HistoryFromStoreOnly) { snapshot.next } else { cursor };
        let later = self.reader.range(room, snapshot.next, end).await.map_err(|error| match error {
            ReadError::Pending | ReadError::TooMuch => Refusal::new(ErrorCode::HistoryPending).retry_after(AWAY_RETRY_AFTER),
        })?;
        let stored = snapshot.value;
        let (mut has_older, mut has_newer) = (stored.has_older, stored.has_newer);
        let last_stored = stored.items.last().map(|item| item.position);
        let mut items = timeline::fold(stored.items, later);
        match at {
            PageAt::Newest => has_older |= timeline::keep_newest(&mut items, limit),
            PageAt::Before(before) => {
                items.retain(|item| item.position.at() < before);
                has_older |= timeline::keep_newest(&mut items, limit);
                has_newer = before < cursor;
            }
            PageAt::From(from) => {
                items.retain(|item| item.position.at() >= from && (!has_newer || last_stored.is_some_and(|last| item.position <= last)));
                has_newer |= timeline::keep_oldest(&mut items, limit);
                has_older |= from > Cursor::ZERO;
            }
            PageAt::Around(id) => {
                if has_newer {
                    items.retain(|item| last_stored.is_some_and(|last| item.position <= last));
                }
                let at = items.iter().position(|item| item.id == id).ok_or_else(Refusal::not_found)?;
                if unstored_row {
                    let first = at.saturating_sub(limit / 2).min(items.len().saturating_sub(limit));
                    has_older |= first > 0;
                    items.drain(..first);
                }
                has_newer |= timeline::keep_oldest(&mut items, limit);
            }
        }
        let start = match items.first() {
            Some(first) if has_older => first.position.at(),
            _ => Cursor::ZERO,
        };
        let end = match (items.last(), at) {
            (_, PageAt::Before(before)) => before,
            (Some(last), _) if has_newer => last.position.next(),
            _ => cursor,
        };
        Ok(HistoryPage { items, start, end, has_older, has_newer })
    }
}
