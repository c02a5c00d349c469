//! Votes a second while a backlog of them is drained, nine of ten by people who vote on the message again. The limit knows already what each batch comes
//! to, a row per message and person and one per message, and upserts both by UNNEST.

use std::collections::BTreeMap;

use parley_proto::{MessageId, PartitionId, RoomId, UserId};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{Context, persist};
use crate::{
    backlog,
    draining::Place,
    report::{Aim, Measured, Rows as Report},
};

const TARGETS: usize = 1_000;
const TABLES: &str = "votes, tallies";

/// Who votes on which message, and how.
#[derive(Debug, Clone, Copy)]
struct Vote {
    target: usize,
    voter: usize,
    value: i64,
}

impl Vote {
    /// The votes are scattered over a tenth as many pairs of message and person, the same in every run.
    fn number(number: usize, of: usize) -> Self {
        let mixed = mixed(number as u64);
        let pair = mixed as usize % (of / 10);
        Self { target: pair % TARGETS, voter: pair / TARGETS, value: (mixed >> 40) as i64 % 3 - 1 }
    }
}

/// What SplitMix64 makes of a number.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

type Numbers = Vec<i64>;

/// What a batch comes to, as columns.
#[derive(Debug, Default)]
struct Folded {
    votes: (Vec<Uuid>, Vec<Uuid>, Numbers, Numbers),
    /// Message, its position, sum, count, position of the last vote.
    tallies: (Vec<Uuid>, Numbers, Numbers, Numbers, Numbers),
}

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    context.runtime.block_on(async {
        let mut report = Report::default();
        let (count, rounds) = (context.scale.of(500_000, 20_000), context.scale.of(5, 1));
        let cluster = persist::cluster(context, "votes").await?;
        let place = Place::make(&cluster, "votes").await?;
        let room = RoomId::new(PartitionId(0), *Uuid::new_v4().as_bytes());
        let log = place.log().await?;
        let mut targets = Vec::new();
        let message = |number, room, base| {
            let record = backlog::message(number, room, base, "vote on this");
            targets.push(record.id());
            record
        };
        backlog::fill(&log, &[room], TARGETS, message).await?;
        place.persist(16 + TARGETS as i64).await?;
        let vote = |number, room, base| {
            let Vote { target, voter, value } = Vote::number(number, count);
            backlog::vote(backlog::person(voter), room, base, targets[target], value)
        };
        backlog::fill(&log, &[room], count, vote).await?;
        log.close().await;
        let folded = fold(count, &targets);
        let (mut ours, mut upserts) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            place.reset(TABLES).await?;
            ours.push(place.drain(count as u64).await?);
            place.reset(TABLES).await?;
            upserts.push(place.feed(1, folded.len(), count, async |connection, number| folded[number].write(connection, room).await).await?);
        }
        cluster.stop().await;
        report.add("ours ÷ UNNEST upsert of folded batches", "", Some(Aim::AtLeast(0.7, 0.9)), persist::ratios(&ours, &upserts));
        persist::speed(&mut report, "ours", "votes/s", &ours);
        persist::speed(&mut report, "upsert", "votes/s", &upserts);
        Ok(report.measured())
    })
}

/// The first message lies at 1, above what opened the partition; the votes follow the last.
fn fold(count: usize, targets: &[MessageId]) -> Vec<Folded> {
    let mut known: BTreeMap<(MessageId, UserId), i64> = BTreeMap::new();
    let mut tallies = vec![(0, 0); targets.len()];
    let batch = |first: usize| {
        let (mut votes, mut touched) = (BTreeMap::new(), BTreeMap::new());
        for number in first..count.min(first + persist::BATCH) {
            let Vote { target, voter, value } = Vote::number(number, count);
            let (key, position) = ((targets[target], backlog::person(voter)), (1 + TARGETS + number) as i64);
            let before = known.insert(key, value).unwrap_or_default();
            tallies[target].0 += value - before;
            tallies[target].1 += i64::from(value != 0) - i64::from(before != 0);
            votes.insert(key, (position, value));
            touched.insert(targets[target], (target, position));
        }
        let mut folded = Folded::default();
        for ((message, user), (position, value)) in votes {
            folded.votes.0.push(message.0);
            folded.votes.1.push(user.0);
            folded.votes.2.push(position);
            folded.votes.3.push(value);
        }
        for (message, (target, position)) in touched {
            folded.tallies.0.push(message.0);
            folded.tallies.1.push(1 + target as i64);
            folded.tallies.2.push(tallies[target].0);
            folded.tallies.3.push(tallies[target].1);
            folded.tallies.4.push(position);
        }
        folded
    };
    (0..count).step_by(persist::BATCH).map(batch).collect()
}

impl Folded {
    /// One transaction.
    async fn write(&self, connection: &mut PgConnection, room: RoomId) -> anyhow::Result<()> {
        let mut tx = connection.begin().await?;
        let (message, user, position, value) = &self.votes;
        sqlx::query(
            "insert into votes (message, user_id, position, value)
             select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
             on conflict (message, user_id) do update set position = excluded.position, value = excluded.value",
        )
        .bind(message)
        .bind(user)
        .bind(position)
        .bind(value)
        .execute(&mut *tx)
        .await?;
        let (message, position, sum, count, rev) = &self.tallies;
        sqlx::query(
            "insert into tallies (message, room, position, sum, count, tally_rev, sent_at)
             select t.message, $1, t.position, t.sum, t.count, t.rev, 0
             from unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[]) as t (message, position, sum, count, rev)
             on conflict (message) do update set sum = excluded.sum, count = excluded.count, tally_rev = excluded.tally_rev",
        )
        .bind(room.0)
        .bind(message)
        .bind(position)
        .bind(sum)
        .bind(count)
        .bind(rev)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_of_ten_votes_are_on_a_pair_that_has_one() {
        let count = 100_000;
        let pairs: std::collections::HashSet<_> = (0..count).map(|number| Vote::number(number, count)).map(|vote| (vote.target, vote.voter)).collect();
        assert!((count / 11..=count / 10).contains(&pairs.len()), "{}", pairs.len());
    }

    #[test]
    fn what_the_batches_come_to_is_what_the_last_votes_say() {
        let (count, targets) = (5_000, (0..TARGETS).map(|target| MessageId(Uuid::from_u128(target as u128))).collect::<Vec<_>>());
        let mut last = BTreeMap::new();
        for vote in (0..count).map(|number| Vote::number(number, count)) {
            last.insert((vote.target, vote.voter), vote.value);
        }
        let mut sums = BTreeMap::new();
        for folded in fold(count, &targets) {
            sums.extend(folded.tallies.0.into_iter().zip(folded.tallies.2));
        }
        assert_eq!(sums.values().sum::<i64>(), last.values().sum::<i64>());
    }
}
