//! Votes and tallies.

use std::collections::BTreeMap;

use parley_engines::store::{
    projection::Entry,
    votes::{ChangedQuery, ChangedTallies},
};
use parley_proto::{
    Cursor, Kind, MessageId, Position, Record, RoomId, UnixMillis, UserId,
    notice::ChangedTally,
    wire::{Tally, VoteValue},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use uuid::Uuid;

use super::fixture::{AnyStore, P, about, append, append_entries, backward, forward, message, room, user, vote};

const ALL: usize = 1_000;

async fn changed(store: &AnyStore, rooms: &[RoomId], voters: &[UserId], from: u64, limit: usize) -> (Cursor, ChangedTallies) {
    let snapshot = store.changed_tallies(ChangedQuery { partition: P, rooms, voters, from: Cursor(from), limit }).await.unwrap();
    (snapshot.next, snapshot.value)
}

fn tally(record: &Record, position: u64, up: u64, down: u64, mine: VoteValue) -> Tally {
    Tally { target: record.id(), position: Position(position), up, down, mine: Some(mine) }
}

pub(super) async fn a_page_s_tallies_come_with_the_reader_s_own_votes(store: AnyStore) {
    let (first, second, third) = (message(room(1), user(1), "1"), message(room(1), user(1), "2"), message(room(1), user(1), "3"));
    let elsewhere = message(room(2), user(1), "4");
    append(&store, [&first, &second, &third, &elsewhere]).await;
    append(&store, [&vote(&second, user(2), 1), &vote(&second, user(3), -1), &vote(&first, user(2), -1), &vote(&elsewhere, user(2), 1)]).await;
    append(&store, [&vote(&first, user(3), 1), &vote(&first, user(3), 0)]).await;
    let ids = [third.id(), second.id(), first.id(), elsewhere.id(), MessageId(Uuid::from_u128(9))];
    let read = store.tallies(room(1), &ids, user(2)).await.unwrap();
    assert_eq!((read.next, read.value), (Cursor(10), vec![tally(&first, 0, 0, 1, VoteValue::DOWN), tally(&second, 1, 1, 1, VoteValue::UP)]));
    let read = store.tallies(room(1), &ids, user(3)).await.unwrap().value;
    assert_eq!(read, [tally(&first, 0, 0, 1, VoteValue::NONE), tally(&second, 1, 1, 1, VoteValue::DOWN)]);
    assert_eq!(store.tallies(room(1), &ids, user(4)).await.unwrap().value[0].mine, Some(VoteValue::NONE));
    assert_eq!(store.tallies(room(1), &[], user(2)).await.unwrap().value, []);
}

pub(super) async fn a_commit_says_which_tallies_changed_and_by_whom(store: AnyStore) {
    let (first, second) = (message(room(1), user(1), "1"), message(room(1), user(1), "2"));
    append(&store, [&first, &second, &vote(&first, user(2), 1)]).await;
    let deleted = about(Kind::Delete, &second, user(1));
    let committed =
        append(&store, [&vote(&first, user(3), 1), &vote(&first, user(2), -1), &vote(&first, user(3), 0), &deleted, &vote(&second, user(2), 1)]).await;
    let votes = vec![(user(2), VoteValue::DOWN), (user(3), VoteValue::NONE)];
    let expected = ChangedTally { room: room(1), target: first.id(), position: Position(0), up: 0, down: 1, votes };
    assert_eq!(committed.tallies, [expected]);
    assert_eq!(append(&store, [&message(room(1), user(1), "3")]).await.tallies, []);
}

pub(super) async fn changed_tallies_come_in_pieces_that_meet(store: AnyStore) {
    let messages: Vec<_> = (0..6).map(|number| message(room(if number == 5 { 2 } else { 1 }), user(1), "x")).collect();
    for message in &messages {
        append(&store, [message]).await;
    }
    for message in &messages {
        append(&store, [&vote(message, user(2), 1), &vote(message, user(3), -1)]).await;
    }
    // Votes are at 6 to 17, the tallies were changed last at 7, 9, … 17.
    let (next, all) = changed(&store, &[room(1)], &[user(3)], 8, ALL).await;
    let targets = |read: &ChangedTallies| read.items.iter().map(|item| item.target).collect::<Vec<_>>();
    assert_eq!((next, all.complete_to, targets(&all)), (Cursor(18), Cursor(18), messages[1..5].iter().map(Record::id).collect()));
    assert!(all.items.iter().all(|item| (item.up, item.down) == (1, 1) && item.votes == [(user(3), VoteValue::DOWN)] && item.room == room(1)));
    let (_, first) = changed(&store, &[room(1), room(2)], &[], 8, 2).await;
    assert_eq!((first.complete_to, targets(&first)), (Cursor(12), vec![messages[1].id(), messages[2].id()]));
    let (_, rest) = changed(&store, &[room(1), room(2)], &[], 12, ALL).await;
    assert_eq!((rest.complete_to, targets(&rest)), (Cursor(18), messages[3..].iter().map(Record::id).collect()));
    // A vote from before is known.
    let (_, last) = changed(&store, &[room(1)], &[user(2), user(3)], 15, ALL).await;
    assert_eq!(last.items.iter().map(|item| item.votes.clone()).collect::<Vec<_>>(), [vec![(user(3), VoteValue::DOWN)]]);
    let (next, none) = changed(&store, &[], &[], 0, ALL).await;
    assert_eq!((next, none), (Cursor(18), ChangedTallies { items: vec![], complete_to: Cursor(18) }));
}

pub(super) async fn who_voted_is_paged_both_ways_and_a_vote_taken_back_is_none(store: AnyStore) {
    let first = message(room(1), user(1), "1");
    append(&store, [&first]).await;
    for voter in 1..=9 {
        append(&store, [&vote(&first, user(voter), if voter % 2 == 0 { -1 } else { 1 })]).await;
    }
    append(&store, [&vote(&first, user(4), 0)]).await;
    let voters = async |page| {
        let page = store.votes(first.id(), &page).await.unwrap();
        (page.items.iter().map(|vote| (vote.user.0.as_u128(), i64::from(vote.value))).collect::<Vec<_>>(), page.has_previous, page.has_next)
    };
    assert_eq!(voters(forward(None, 4)).await, (vec![(1, 1), (2, -1), (3, 1), (5, 1)], false, true));
    assert_eq!(voters(forward(Some(user(5)), 4)).await, (vec![(6, -1), (7, 1), (8, -1), (9, 1)], true, false));
    assert_eq!(voters(backward(Some(user(6)), 2)).await, (vec![(3, 1), (5, 1)], true, true));
    assert_eq!(store.votes(MessageId(Uuid::from_u128(5)), &forward(None, 4)).await.unwrap().items, []);
}

pub(super) async fn the_top_is_best_first_then_newest_and_of_its_time(store: AnyStore) {
    let at = |number: i64, place: u8| Record { sent_at: UnixMillis(number * 1_000), ..message(room(place), user(1), &number.to_string()) };
    // What was imported stands late in the log and is old.
    let messages = [at(1, 1), at(2, 1), at(3, 1), at(4, 1), at(5, 1), at(0, 1), at(9, 2)];
    for message in &messages {
        append(&store, [message]).await;
    }
    for (number, ups, downs) in [(0, 2, 0), (1, 3, 1), (2, 5, 0), (3, 1, 1), (4, 0, 2), (5, 9, 0), (6, 20, 0)] {
        for voter in 0..ups + downs {
            append(&store, [&vote(&messages[number], user(10 + voter), if voter < ups { 1 } else { -1 })]).await;
        }
    }
    append(&store, [&about(Kind::Delete, &messages[2], user(1))]).await;
    let top = async |since: Option<i64>, limit| {
        let top = store.top(room(1), user(10), since.map(|at| UnixMillis(at * 1_000)), limit).await.unwrap().value;
        top.iter().map(|(item, tally)| (item.body.as_str().unwrap().to_owned(), tally.up, tally.down)).collect::<Vec<_>>()
    };
    let row = |body: &str, up, down| (body.to_owned(), up, down);
    assert_eq!(top(None, 10).await, [row("0", 9, 0), row("2", 3, 1), row("1", 2, 0)], "not the deleted one, and none that more are against");
    assert_eq!(top(Some(1), 10).await, [row("2", 3, 1), row("1", 2, 0)]);
    assert_eq!(top(Some(2), 10).await, [row("2", 3, 1)]);
    assert_eq!(top(None, 1).await, [row("0", 9, 0)]);
    let best = &store.top(room(1), user(10), None, 1).await.unwrap().value[0];
    assert_eq!((best.1.mine, best.1.target, best.1.position), (Some(VoteValue::UP), messages[5].id(), Position(5)));
}

/// The votes themselves, one after the other, without any tally.
#[derive(Default)]
struct Naive {
    votes: BTreeMap<(MessageId, UserId), i64>,
    changed_at: BTreeMap<MessageId, u64>,
}

impl Naive {
    fn counts(&self, target: MessageId) -> (u64, u64) {
        let votes = |wanted| self.votes.iter().filter(|((of, _), value)| *of == target && **value == wanted).count() as u64;
        (votes(1), votes(-1))
    }
}

pub(super) async fn every_reading_of_a_tally_is_what_a_naive_fold_says_at_every_commit(store: AnyStore) {
    let mut random = StdRng::seed_from_u64(18);
    let messages: Vec<_> = (0..5).map(|number| message(room(1 + number % 2), user(1), "x")).collect();
    append(&store, [&messages[0], &messages[1], &messages[2], &messages[3], &messages[4]]).await;
    let (mut naive, mut at) = (Naive::default(), 5);
    let rooms = [room(1), room(2)];
    for _ in 0..40 {
        let from = random.random_range(0..=at);
        let votes: Vec<_> = (0..random.random_range(1..30))
            .map(|_| vote(&messages[random.random_range(0..5)], user(random.random_range(1..8)), random.random_range(-1..=1)))
            .collect();
        for record in &votes {
            naive.votes.insert((record.target.unwrap(), record.sender), record.value);
            naive.changed_at.insert(record.target.unwrap(), at);
            at += 1;
        }
        let committed = append_entries(&store, votes.into_iter().map(|record| Entry::First(Box::new(record))).collect()).await.unwrap();
        for tally in &committed.tallies {
            assert_eq!((tally.up, tally.down), naive.counts(tally.target));
        }
        let reader = user(random.random_range(1..8));
        let ids: Vec<_> = messages.iter().map(Record::id).collect();
        for place in rooms {
            for tally in store.tallies(place, &ids, reader).await.unwrap().value {
                let mine = naive.votes.get(&(tally.target, reader)).copied().unwrap_or_default();
                assert_eq!((tally.up, tally.down, tally.mine.map(i64::from)), (naive.counts(tally.target).0, naive.counts(tally.target).1, Some(mine)));
            }
        }
        let (_, read) = changed(&store, &rooms, &[reader], from, ALL).await;
        let mut expected: Vec<_> = naive.changed_at.iter().filter(|(_, changed)| **changed >= from).map(|(target, changed)| (*changed, *target)).collect();
        expected.sort_unstable();
        assert_eq!(read.items.iter().map(|item| item.target).collect::<Vec<_>>(), expected.iter().map(|(_, target)| *target).collect::<Vec<_>>());
        assert!(read.items.iter().all(|item| (item.up, item.down) == naive.counts(item.target)));
        let top = store.top(room(1), reader, None, 10).await.unwrap().value;
        let differences: Vec<_> = top.iter().map(|(_, tally)| tally.up - tally.down).collect();
        assert!(differences.is_sorted_by(|left, right| left >= right) && differences.iter().all(|difference| *difference > 0), "{differences:?}");
    }
}
