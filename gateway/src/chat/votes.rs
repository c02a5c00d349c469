//! Votes as people see them: what may be voted on, tallies of pages, who voted, a room's top messages.

use std::time::Duration;

use parley_engines::store::{Page, PageRequest, timeline::RowsAt, votes::Vote};
use parley_proto::{
    ErrorCode, MessageId, RoomId, UnixMillis, UserId,
    item::{Item, ItemKind},
    wire::Tallies,
};
use serde::Deserialize;

use super::Chat;
use crate::{recent::Known, refusal::Refusal, timeline};

/// Messages that are remembered as there.
pub(super) const VOTABLE_MAX: usize = 50_000;
/// For so long; who votes on what was deleted meanwhile votes in vain.
pub(super) const VOTABLE_TTL: Duration = Duration::from_secs(15);
/// A store that says nothing for this long does not hold up a vote: whether the message is there is judged by the fold in any case.
const TARGET_PATIENCE: Duration = Duration::from_millis(500);

/// Of which time a room's top messages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    Week,
    Month,
    #[default]
    All,
}

impl Period {
    /// When it began; `None`: it had no beginning. By the messages' display time, which orders nothing.
    fn since(self, now: UnixMillis) -> Option<UnixMillis> {
        const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
            Self::All => return None,
        };
        Some(UnixMillis(now.0.saturating_sub(days * DAY_MS)))
    }
}

/// Best first.
#[derive(Debug, Clone, PartialEq)]
pub struct TopMessages {
    pub items: Vec<Item>,
    pub tallies: Tallies,
}

impl Chat {
    /// Refuses what can be known not to be a message to vote on; what can't be known is left to the fold.
    pub(super) async fn check_votable(&self, room: RoomId, target: MessageId) -> Result<(), Refusal> {
        if let Some(Known::Fresh(())) = self.votable.get(&(room, target)) {
            return Ok(());
        }
        let Ok(looked) = tokio::time::timeout(TARGET_PATIENCE, self.message(room, target)).await else { return Ok(()) };
        match looked {
            Ok(item) if item.deleted => Err(Refusal::new(ErrorCode::Conflict).detail("this message was deleted").at("target")),
            Ok(_) => {
                self.votable.put((room, target), ());
                Ok(())
            }
            Err(refusal) if refusal.code.status() == 503 => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// The message with this id, stored or still in the log only.
    async fn message(&self, room: RoomId, id: MessageId) -> Result<Item, Refusal> {
        let snapshot = self.store.rows(room, RowsAt::Around(id), 1).await?;
        let is_it = |item: &Item| item.id == id && item.kind == ItemKind::Message;
        if let Some(item) = snapshot.value.items.into_iter().find(is_it) {
            return Ok(item);
        }
        let end = self.ends.fresh(room.partition()).await?;
        let unstored = self.reader.range(room, snapshot.next, end).await.map_err(|_| Refusal::unavailable())?;
        timeline::fold(Vec::new(), unstored).into_iter().find(is_it).ok_or_else(|| Refusal::not_found().at("target"))
    }

    /// The tallies of a page's messages, with the reader's own votes.
    pub async fn tallies(&self, room: RoomId, messages: &[MessageId], reader: UserId) -> Result<Tallies, Refusal> {
        let snapshot = self.store.tallies(room, messages, reader).await?;
        Ok(Tallies { items: snapshot.value, as_of: snapshot.next })
    }

    /// Who voted on a message, for a member of its room (judged by the caller).
    pub async fn voters(&self, room: RoomId, message: MessageId, page: &PageRequest<UserId>) -> Result<Page<Vote>, Refusal> {
        if self.message(room, message).await?.deleted {
            return Err(Refusal::not_found());
        }
        Ok(self.store.votes(message, page).await?)
    }

    /// A room's top messages of the time that ends `now`.
    pub async fn top(&self, room: RoomId, reader: UserId, period: Period, now: UnixMillis, limit: usize) -> Result<TopMessages, Refusal> {
        let snapshot = self.store.top(room, reader, period.since(now), limit).await?;
        let (items, tallies) = snapshot.value.into_iter().unzip();
        Ok(TopMessages { items, tallies: Tallies { items: tallies, as_of: snapshot.next } })
    }
}
