//! Which room a message goes to: the first ones share one, the others have one per year.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context;
use parley_engines::store::Store;
use parley_proto::{PartitionId, RoomId, UnixMillis};

use super::{ids, source::Message};
use crate::config::PARTITIONS;

/// How many messages the first room gets.
pub(super) const FIRST_ROOM_MESSAGES: usize = 100_000;

const TOPIC: &str = "Ubuntu support on IRC";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DemoRoom {
    pub(super) id: RoomId,
    pub(super) name: String,
    pub(super) topic: String,
    /// When its first message was sent.
    pub(super) created_at: UnixMillis,
}

/// The rooms, and for each message the index of its room.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) rooms: Vec<DemoRoom>,
    pub(super) room_of: Vec<usize>,
}

/// Puts the first `first` messages into one room and the rest into one per year.
pub(super) fn plan(messages: &[Message], first: usize) -> Plan {
    let (mut plan, mut known) = (Plan::default(), HashMap::new());
    for (number, message) in messages.iter().enumerate() {
        let year = (number >= first).then_some(message.year);
        let room = *known.entry(year).or_insert_with(|| {
            plan.rooms.push(DemoRoom::new(year, message.sent_at));
            plan.rooms.len() - 1
        });
        plan.room_of.push(room);
    }
    plan
}

impl DemoRoom {
    fn new(year: Option<u16>, created_at: UnixMillis) -> Self {
        // Years that follow one another are on different partitions, and none of the next fifteen on the first room's.
        let partition = PartitionId(year.map_or(0, |year| year % PARTITIONS));
        let (name, topic) = match year {
            None => ("ubuntu".to_owned(), TOPIC.to_owned()),
            Some(year) => (format!("ubuntu-{year}"), format!("{TOPIC}, {year}")),
        };
        Self { id: ids::room(&name, partition), name, topic, created_at }
    }
}

impl Plan {
    /// Who wrote in each room: indexes into the people, without repeats.
    pub(super) fn members(&self, messages: &[Message]) -> Vec<Vec<usize>> {
        let mut members = vec![BTreeSet::new(); self.rooms.len()];
        for (message, room) in messages.iter().zip(&self.room_of) {
            members[*room].insert(message.sender);
        }
        members.into_iter().map(|senders| senders.into_iter().collect()).collect()
    }
}

/// How many messages each room has by now.
pub(super) async fn counted(store: &dyn Store, rooms: Vec<DemoRoom>) -> anyhow::Result<Vec<(DemoRoom, u64)>> {
    let mut counted = Vec::with_capacity(rooms.len());
    for room in rooms {
        let stored = store.room(room.id).await?.with_context(|| format!("the room {} is gone", room.name))?;
        counted.push((room, stored.last_seq));
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: u64, year: u16, sender: usize) -> Message {
        Message { line, sent_at: UnixMillis(i64::from(year)), year, sender, body: String::new() }
    }

    #[test]
    fn the_first_messages_share_a_room_and_each_later_year_has_its_own() {
        let messages: Vec<_> = (1..).zip([2004, 2005, 2005, 2006, 2005]).map(|(line, year)| message(line, year, usize::from(year) % 3)).collect();
        let plan = plan(&messages, 2);
        let names: Vec<_> = plan.rooms.iter().map(|room| room.name.as_str()).collect();
        assert_eq!(names, ["ubuntu", "ubuntu-2005", "ubuntu-2006"]);
        assert_eq!(plan.room_of, [0, 0, 1, 2, 1]);
        assert_eq!(plan.members(&messages), [vec![0, 1], vec![1], vec![2]]);
        assert_eq!(plan.rooms[2].created_at, UnixMillis(2006));
    }

    #[test]
    fn rooms_are_spread_over_the_partitions() {
        let partitions: BTreeSet<_> = [None].into_iter().chain((2008..=2015).map(Some)).map(|year| DemoRoom::new(year, UnixMillis(0)).id.partition()).collect();
        assert_eq!(partitions.len(), 9);
    }
}
