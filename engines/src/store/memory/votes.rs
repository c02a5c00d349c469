//! Votes and tallies in memory.

use async_trait::async_trait;
use parley_proto::{MessageId, RoomId, UnixMillis, UserId, item::Item, notice::ChangedTally, wire};

use super::{MemoryStore, Tables, page};
use crate::store::{
    Page, PageRequest, Snapshot, StoreUnavailable,
    plan::{Tally, shown, vote_value},
    votes::{ChangedQuery, ChangedTallies, Vote, Votes},
};

impl Tables {
    fn seen_by(&self, target: MessageId, tally: &Tally, voter: UserId) -> wire::Tally {
        let mine = self.votes.get(&(target, voter)).map_or(0, |vote| vote.value);
        shown(target, tally.position, tally.sum, tally.count, Some(mine))
    }

    fn changed(&self, query: &ChangedQuery<'_>) -> ChangedTallies {
        let wanted = |tally: &Tally| query.rooms.contains(&tally.room) && tally.rev.at() >= query.from;
        let mut changed: Vec<_> = self.tallies.iter().filter(|(_, tally)| wanted(tally)).collect();
        changed.sort_by_key(|(_, tally)| tally.rev);
        let truncated = changed.len() > query.limit;
        changed.truncate(query.limit);
        let complete_to = changed.last().filter(|_| truncated).map_or_else(|| self.next(query.partition), |(_, tally)| tally.rev.next());
        ChangedTallies { items: changed.into_iter().map(|(target, tally)| self.changed_tally(*target, tally, query)).collect(), complete_to }
    }

    fn changed_tally(&self, target: MessageId, tally: &Tally, query: &ChangedQuery<'_>) -> ChangedTally {
        let wire::Tally { position, up, down, .. } = shown(target, tally.position, tally.sum, tally.count, None);
        let mut voters = query.voters.to_vec();
        voters.sort_unstable();
        let vote = |voter: UserId| self.votes.get(&(target, voter)).filter(|vote| vote.position.at() >= query.from).map(|vote| (voter, vote_value(vote.value)));
        ChangedTally { room: tally.room, target, position, up, down, votes: voters.into_iter().filter_map(vote).collect() }
    }

    fn top(&self, room: RoomId, voter: UserId, since: Option<UnixMillis>, limit: usize) -> Vec<(Item, wire::Tally)> {
        let wanted = |tally: &Tally| tally.room == room && tally.sum > 0 && since.is_none_or(|since| tally.sent_at >= since);
        let mut best: Vec<_> = self.tallies.iter().filter(|(_, tally)| wanted(tally)).collect();
        best.sort_by_key(|(_, tally)| std::cmp::Reverse((tally.sum, tally.position)));
        let item = |tally: &Tally| self.messages.get(&(room, tally.position)).filter(|item| !item.deleted).cloned();
        best.into_iter().filter_map(|(target, tally)| Some((item(tally)?, self.seen_by(*target, tally, voter)))).take(limit).collect()
    }
}

#[async_trait]
impl Votes for MemoryStore {
    async fn tallies(&self, room: RoomId, messages: &[MessageId], voter: UserId) -> Result<Snapshot<Vec<wire::Tally>>, StoreUnavailable> {
        self.call(|tables| {
            let tally = |id: &MessageId| tables.tallies.get(id).filter(|tally| tally.room == room).map(|tally| tables.seen_by(*id, tally, voter));
            let mut value: Vec<_> = messages.iter().filter_map(tally).collect();
            value.sort_by_key(|tally| tally.position);
            Snapshot { next: tables.next(room.partition()), value }
        })
        .await
    }

    async fn changed_tallies(&self, query: ChangedQuery<'_>) -> Result<Snapshot<ChangedTallies>, StoreUnavailable> {
        self.call(|tables| Snapshot { next: tables.next(query.partition), value: tables.changed(&query) }).await
    }

    async fn votes(&self, message: MessageId, request: &PageRequest<UserId>) -> Result<Page<Vote>, StoreUnavailable> {
        self.call(|tables| {
            let votes = tables.votes.range((message, UserId::NIL)..).take_while(|((of, _), _)| *of == message).filter(|(_, vote)| vote.value != 0);
            let votes: Vec<_> = votes.map(|((_, user), vote)| Vote { user: *user, value: vote_value(vote.value) }).collect();
            page(votes, |vote| vote.user, request)
        })
        .await
    }

    async fn top(&self, room: RoomId, voter: UserId, since: Option<UnixMillis>, limit: usize) -> Result<Snapshot<Vec<(Item, wire::Tally)>>, StoreUnavailable> {
        self.call(|tables| Snapshot { next: tables.next(room.partition()), value: tables.top(room, voter, since, limit) }).await
    }
}
