//! Thousands vote at once.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parley_engines::{
    bus::{BusChannels, BusEvent, Channel},
    log::{Appended, LogReader, LogWriter},
    store::{timeline::Timeline, votes::Votes},
};
use parley_proto::{Kind, Record, codec, notice::Notice};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::time::Instant;

use super::{Room, id, is_tallies, record, say, stored, voters};
use crate::node::Node;

/// Sockets come, go and turn pages during a storm in which notices are lost: in the end everybody shows what the store has.
#[tokio::test]
async fn whatever_is_lost_in_a_storm_everybody_shows_what_is_stored_in_the_end() {
    let mut node = Node::start().await;
    let second = node.add_gateway("gateway-2").await;
    let Room { room, people, sockets, target } = voters(&node).await;
    let mut random = StdRng::seed_from_u64(18);
    let mut targets = vec![target];
    let mut sockets: Vec<_> = sockets.into_iter().collect();
    for number in 0..8 {
        targets.push(say(&mut sockets[0], room, &number.to_string()).await);
    }
    let (log, storm_targets, base) = (Arc::clone(&node.log), targets.clone(), sockets[0].base(room));
    let storm = tokio::spawn(async move {
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..400 {
            let receipts: Vec<_> = (0..10)
                .map(|_| {
                    let target = storm_targets[random.random_range(0..storm_targets.len())];
                    let vote =
                        Record { target: Some(target), value: random.random_range(-1..=1), ..record(Kind::Vote, room, random.random_range(100..160), base) };
                    log.enqueue(room.partition(), room, codec::encode(&vote)).unwrap()
                })
                .collect();
            for receipt in receipts {
                receipt.await;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut round = 0;
    while !storm.is_finished() {
        round += 1;
        let number = random.random_range(0..3);
        let url = if random.random_bool(0.5) { &second } else { &node.url };
        match random.random_range(0..7) {
            0 => node.bus.lose_events(Channel::Notices(room.partition()), random.random_range(1..4)),
            1 if round % 5 == 0 => node.bus.cut_subscribers(),
            2 | 3 => {
                let before = sockets.remove(number);
                sockets.insert(number, people[number].at(url).resume(before).await);
            }
            4 => {
                sockets[number] = people[number].at(url).connect().await;
                sockets[number].subscribe(room).await;
            }
            5 => {
                sockets[number].subscribe(room).await;
            }
            _ => {
                let target = targets[random.random_range(0..targets.len())];
                let value = random.random_range(-1..=1);
                sockets[number].vote(room, target, value).await;
            }
        }
        for socket in &mut sockets {
            socket.settle(Duration::from_millis(5)).await;
        }
    }
    storm.await.unwrap();
    stored(&node, room.partition()).await;
    let begun = Instant::now();
    for (number, socket) in sockets.iter_mut().enumerate() {
        let user = id(&people[number]).await;
        for target in &targets {
            let tallies = Votes::tallies(&*node.store, room, &[*target], user).await.unwrap().value;
            let tally = tallies[0];
            socket.until_seen(room, *target, (tally.up, tally.down, i64::from(tally.mine.unwrap()))).await;
        }
    }
    println!("{round} rounds; everybody agreed after {:?}", begun.elapsed());
}

/// What a storm of votes on one message costs.
#[derive(Debug)]
struct Cost {
    records: usize,
    commits: usize,
    tally_rows: usize,
    vote_rows: usize,
    frames: usize,
    notice_bytes_max: usize,
    took: Duration,
}

/// `voters` people change their vote on one message `changes` times each, in random order, or each all of theirs in a row.
async fn storm(people: u128, changes: usize, in_a_row: bool) -> Cost {
    let node = Node::start().await;
    let Room { room, sockets: [_a, mut watcher, _], target, .. } = voters(&node).await;
    stored(&node, room.partition()).await;
    watcher.settle(Duration::from_millis(300)).await;
    let (connection, mut notices) = node.bus.connect(1_000_000).await.unwrap();
    connection.subscribe(&[Channel::Notices(room.partition())]).await.unwrap();
    let mut order: Vec<u128> = (0..people).flat_map(|voter| std::iter::repeat_n(voter, changes)).collect();
    let mut random = StdRng::seed_from_u64(10_000);
    if !in_a_row {
        order.shuffle(&mut random);
    }
    let mut last = HashMap::new();
    let begun = Instant::now();
    let watching = tokio::spawn(async move {
        // Frames are read as they come: an outbox is bounded.
        let quiet = Duration::from_millis(1_500);
        loop {
            let before = watcher.count(|_| true);
            watcher.settle(quiet).await;
            if watcher.count(is_tallies) > 0 && watcher.count(|_| true) == before {
                return watcher;
            }
        }
    });
    for piece in order.chunks(2_000) {
        let base = node.log.end(room.partition()).await.unwrap();
        let mut receipts = Vec::with_capacity(piece.len());
        for voter in piece {
            let value = random.random_range(-1..=1);
            last.insert(*voter, value);
            let vote = Record { target: Some(target), value, ..record(Kind::Vote, room, 1_000_000 + voter, base) };
            receipts.push(node.log.enqueue(room.partition(), room, codec::encode(&vote)).unwrap());
        }
        for receipt in receipts {
            assert!(matches!(receipt.await, Appended::At(_)));
        }
    }
    let deadline = Instant::now() + Duration::from_secs(300);
    while node.store.find(room.partition(), &[]).await.unwrap().next < node.log.end(room.partition()).await.unwrap() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    let mut watcher = watching.await.unwrap();
    let count = |wanted| last.values().filter(|value| **value == wanted).count() as u64;
    watcher.until_seen(room, target, (count(1), count(-1), 0)).await;
    assert!(watcher.closed.is_none());
    let mut cost = Cost { records: order.len(), commits: 0, tally_rows: 0, vote_rows: 0, frames: watcher.count(is_tallies), notice_bytes_max: 0, took };
    while let Ok(BusEvent::Payload { payload, .. }) = notices.try_recv() {
        let notice: Notice = serde_json::from_slice(&payload).unwrap();
        cost.notice_bytes_max = cost.notice_bytes_max.max(payload.len());
        cost.commits += usize::from(notice.from != notice.to);
        cost.tally_rows += notice.tallies.len();
        cost.vote_rows += notice.tallies.iter().map(|tally| tally.votes.len()).sum::<usize>();
    }
    cost
}

fn check(cost: &Cost) {
    println!("of {} votes: {} rows of votes, {} of tallies, {} frames to a socket; {cost:?}", cost.records, cost.vote_rows, cost.tally_rows, cost.frames);
    assert_eq!(cost.tally_rows, cost.commits, "one row of the tally a commit");
    assert!(cost.vote_rows <= cost.records);
    assert!(cost.frames as u128 <= cost.took.as_millis() / 250 + 10, "{} frames in {:?}", cost.frames, cost.took);
}

#[tokio::test]
async fn a_storm_of_votes_makes_few_frames_and_few_rows() {
    let cost = storm(500, 20, false).await;
    check(&cost);
    let cost = storm(500, 20, true).await;
    check(&cost);
    assert!(cost.vote_rows < cost.records / 5, "who changes their mind at once is written once");
}

/// The storm of the promise. Takes a while: `cargo test -p parley-standalone --test it -- --ignored the_whole_storm --nocapture`
#[tokio::test]
#[ignore = "200 000 votes, twice"]
async fn the_whole_storm() {
    check(&storm(10_000, 20, false).await);
    check(&storm(10_000, 20, true).await);
}
