//! What Redis holds: nothing that the log does not have, nothing left out between a tail's floor and its end, and no room further than its partition.

use std::collections::{BTreeMap, HashMap};

use bytes::{Buf, Bytes};
use parley_proto::{Cursor, MessageId, PartitionId, Position, RoomId, segment::Group};
use redis::{AsyncCommands, aio::MultiplexedConnection};

use super::{expected::Expected, report::Check};

/// Compares Redis with the log. What it has lost (or never had, because it was emptied) is no difference: the next publish seeds it.
pub(super) async fn compare(redis: &mut MultiplexedConnection, expected: &BTreeMap<PartitionId, Expected>) -> redis::RedisResult<Vec<Check>> {
    let mut scores = Check::new("Redis: each room's score is its last frame's position");
    let mut tails = Check::new("Redis: each room's tail is all of its frames from its floor on, in order");
    for (partition, expected) in expected {
        let all: Vec<(String, f64)> = redis.zrange_withscores(format!("p:{{{}}}", partition.0), 0, -1).await?;
        let all: HashMap<String, u64> = all.into_iter().map(|(name, score)| (name, integer(score))).collect();
        let (Some(next), Some(seed), Some(inc)) = (all.get("!next"), all.get("!seed"), all.get("!inc")) else { continue };
        let (next, seed) = (Cursor(*next), Cursor(*seed));
        scores.that(next <= expected.next, || format!("partition {partition} is published up to {next}, the log ends at {}", expected.next));
        for (room, frames) in &expected.frames {
            let published: Vec<_> = frames.iter().filter(|(position, _)| (seed..next).contains(&position.at())).copied().collect();
            let score = all.get(&room.to_string()).copied().map(Position);
            scores.equal(&score, &published.last().map(|(position, _)| *position), || room.to_string());
            let key = format!("t:{{{}}}:{inc}:{room}", partition.0);
            compare_tail(&mut tails, redis.lrange(&key, 0, -1).await?, *room, &published);
        }
        for name in all.keys().filter(|name| !name.starts_with('!')) {
            let known = name.parse().is_ok_and(|room: RoomId| expected.frames.contains_key(&room));
            scores.that(known, || format!("{name} has a score and nothing in the log"));
        }
    }
    Ok(vec![scores, tails])
}

fn compare_tail(check: &mut Check, entries: Vec<Vec<u8>>, room: RoomId, published: &[(Position, MessageId)]) {
    let mut there = Vec::new();
    let mut floor = None;
    for entry in entries {
        let Some((prev, group)) = decode(entry.into()) else {
            check.that(false, || format!("{room}: an entry that can't be read"));
            return;
        };
        let floor = *floor.get_or_insert(prev);
        let end = there.last().map_or(floor, |(position, _): &(Position, MessageId)| position.next());
        check.equal(&prev, &end, || format!("{room}: prev of an entry"));
        there.extend(group.items().into_iter().map(|(position, item)| (position, item.id)));
    }
    let Some(floor) = floor else { return };
    let wanted: Vec<_> = published.iter().filter(|(position, _)| position.at() >= floor).copied().collect();
    check.equal(&there, &wanted, || room.to_string());
}

/// `prev in decimal ':' end as u64 big-endian ‖ group`.
fn decode(mut entry: Bytes) -> Option<(Cursor, Group)> {
    let colon = entry.iter().position(|byte| *byte == b':')?;
    let prev = std::str::from_utf8(&entry[..colon]).ok()?.parse().ok().map(Cursor)?;
    entry.advance(colon + 1);
    entry.try_get_u64().ok()?;
    Some((prev, Group::from_bytes(entry).ok()?))
}

/// Scores are integers below 2⁵³, which a double holds exactly.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
fn integer(score: f64) -> u64 {
    score as u64
}
