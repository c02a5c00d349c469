//! Rooms that a gateway watches: from one to 100 000. Talk goes on in rooms of a hundred in both cases, at the same pace, so that a delivery's share of its
//! message stays the same; the sockets are as many, too. Beside them everybody watches quiet rooms of their own. The limit of `rooms` watches as many
//! channels, and what counts is by how much more ours grows than it does.

use std::time::Duration;

use parley_engines::store::{
    postgres::{PostgresConfig, PostgresStore},
    upkeep::{Rebuild, RosterRow},
};
use parley_gateway::clock;
use parley_proto::{
    PartitionId, RoomId, UserId,
    event::{MemberRow, Role, RoomRow, Visibility},
};
use uuid::Uuid;

use crate::{
    bare::PARTITIONS,
    cpu,
    crowd::{Crowd, Entrance},
    deployment::Deployment,
    measures::Context,
    people::Plan,
    report::{Aim, Measured, Rows},
    republisher::Republisher,
    talk::Talk,
};

const MEMBERS: usize = 100;
const PER_SECOND: u64 = 100;
/// With the room that somebody speaks in, as many as one person may subscribe to at once.
const QUIET_EACH: usize = 19;
/// Sockets that come in at the same time, each with all its subscriptions. With a hundred of them, on a busy machine, one was refused with
/// `auth_unverified`.
const WAVE: usize = 10;
/// Rooms in one statement.
const BATCH: usize = 1_000;

/// How many rooms are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    One,
    All,
}

/// What rounds with so many rooms came to.
struct Grown {
    ours: Vec<f64>,
    limit: Vec<f64>,
    our_bytes: f64,
    its_bytes: f64,
}

struct Hall {
    deployment: Deployment,
    /// Of each person, the quiet rooms.
    quiet: Vec<Vec<RoomId>>,
}

pub(in crate::measures) fn run(context: &Context) -> anyhow::Result<Measured> {
    let people = context.scale.of(5_300, 200);
    let apart = cpu::Apart::new()?;
    let plans: Vec<_> = (0..people / MEMBERS).map(|room| Plan { partition: room as u16 % PARTITIONS, members: room * MEMBERS..(room + 1) * MEMBERS }).collect();
    let deployment = context.runtime.block_on(Deployment::start(&context.folder.join("growth-rooms"), people, &plans))?;
    let quiet = context.runtime.block_on(make_quiet(&deployment))?;
    let hall = Hall { deployment, quiet };
    let mut rows = Rows::default();
    let one = hall.measure(context, &apart, Watched::One, &mut rows)?;
    let all = hall.measure(context, &apart, Watched::All, &mut rows)?;
    let count = plans.len() + people * QUIET_EACH;
    let growth = |large: &[f64], small: &[f64]| large.iter().zip(small).map(|(large, small)| large / small).collect::<Vec<_>>();
    let (ours, limit) = (growth(&all.ours, &one.ours), growth(&all.limit, &one.limit));
    let aim = Some(Aim::AtMost(2.0, 2.0));
    rows.add(format!("CPU per delivery, {count} rooms ÷ 1 room: growth of ours ÷ growth of the limit"), "", aim, growth(&ours, &limit));
    rows.add("CPU per delivery: growth of ours", "", None, ours);
    rows.add("CPU per delivery: growth of the limit", "", None, limit);
    rows.add("memory of the process: growth of ours ÷ growth of the limit", "", aim, [all.our_bytes / one.our_bytes * one.its_bytes / all.its_bytes]);
    let per_room = |all: f64, one: f64| [(all - one) / 1_024.0 / (count - 1) as f64];
    rows.add("memory of the gateway for each room more", "KB", None, per_room(all.our_bytes, one.our_bytes));
    rows.add("memory of the limit for each room more", "KB", None, per_room(all.its_bytes, one.its_bytes));
    for (name, grown) in [("1 room".to_owned(), one), (format!("{count} rooms"), all)] {
        rows.add(format!("{name}: gateway and Redis"), "µs", None, grown.ours);
        rows.add(format!("{name}: limit and Redis"), "µs", None, grown.limit);
        rows.add(format!("{name}: memory of the gateway"), "MB", None, [grown.our_bytes / 1_048_576.0]);
    }
    Ok(rows.measured())
}

/// Rooms of one member each, as a rebuild makes them: no events of them wait to be appended.
async fn make_quiet(deployment: &Deployment) -> anyhow::Result<Vec<Vec<RoomId>>> {
    let store = PostgresStore::connect(&deployment.cluster.postgres().url(), PostgresConfig::default()).await?;
    let mut made = Vec::new();
    let mut rows = Vec::new();
    for (number, user) in deployment.people.users().enumerate() {
        let quiet: Vec<_> = (0..QUIET_EACH).map(|room| quiet(number, room, user)).collect();
        made.push(quiet.iter().map(|row| row.room.id).collect());
        rows.extend(quiet);
    }
    for batch in rows.chunks(BATCH) {
        store.import_roster(batch).await?;
    }
    store.close().await;
    Ok(made)
}

fn quiet(person: usize, number: usize, user: UserId) -> RosterRow {
    let (name, now) = (format!("quiet-{person}-{number}"), clock::now());
    let id = RoomId::new(PartitionId((person + number) as u16 % PARTITIONS), *Uuid::new_v4().as_bytes());
    let room = RoomRow { id, kind: "room".to_owned(), name, topic: String::new(), visibility: Visibility::Private, archived: false, created_at: now };
    RosterRow { room, room_version: 1, member: MemberRow { user, role: Some(Role::Owner), joined_at: now }, member_version: 1 }
}

impl Hall {
    /// Both sides come in anew, the gateway and the limit start anew: what each has is this number of rooms' and no other's.
    fn measure(&self, context: &Context, apart: &cpu::Apart, watched: Watched, rows: &mut Rows) -> anyhow::Result<Grown> {
        let (rounds, time) = (context.scale.of(5, 2), Duration::from_secs(context.scale.of(8, 2)));
        context.runtime.block_on(self.deployment.gateway.service.restart())?;
        self.deployment.serve(apart)?;
        let limit = Republisher::start(context, apart, &context.folder.join(format!("growth-rooms-limit-{watched:?}")))?;
        let (mut ours, mut its) = (self.enter(watched)?, self.enter_limit(&limit, watched)?);
        ours.warm(PER_SECOND / 5, &mut [&mut its.crowd])?;
        its.crowd.say(0, &format!("set:{}", ours.frame()?))?;
        its.warm(PER_SECOND / 5, &mut [&mut ours.crowd])?;
        let our_bytes = cpu::private_memory(self.deployment.gateway_pid()?)? as f64;
        let its_bytes = cpu::private_memory(limit.server.pid())? as f64;
        let mut grown = Grown { our_bytes, its_bytes, ours: Vec::new(), limit: Vec::new() };
        for _ in 0..rounds {
            match (its.round(PER_SECOND, time, &mut [&mut ours.crowd])?, ours.round(PER_SECOND, time, &mut [&mut its.crowd])?) {
                (Ok(limit), Ok(ours)) => {
                    grown.limit.push(limit.all_micros());
                    grown.ours.push(ours.all_micros());
                }
                (Err(why), _) | (_, Err(why)) => rows.void(format!("{watched:?}: {why}")),
            }
        }
        Ok(grown)
    }

    /// Rooms in which people speak.
    fn spoken(&self, watched: Watched) -> usize {
        match watched {
            Watched::One => 1,
            Watched::All => self.deployment.people.rooms.len(),
        }
    }

    fn enter(&self, watched: Watched) -> anyhow::Result<Talk> {
        let (people, spoken) = (&self.deployment.people, self.spoken(watched));
        let entrance = |(number, token): (usize, String)| {
            let quiet = self.quiet[number].iter().filter(|_| watched == Watched::All);
            let rooms = people.rooms[..spoken].get(number / MEMBERS).into_iter().chain(quiet).copied().collect();
            Entrance { token: Some(token), rooms }
        };
        let mut crowd = Crowd::new()?;
        let entrances: Vec<_> = people.tokens()?.into_iter().enumerate().map(entrance).collect();
        crowd.enter_in_waves(self.deployment.gateway.addr, &entrances, WAVE)?;
        let rooms = people.rooms[..spoken].iter().enumerate().map(|(number, room)| (*room, number * MEMBERS..(number + 1) * MEMBERS));
        Talk::ours(crowd, vec![self.deployment.gateway_pid()?, self.deployment.redis_pid()?], rooms.collect())
    }

    fn enter_limit(&self, limit: &Republisher, watched: Watched) -> anyhow::Result<Talk> {
        let spoken = self.spoken(watched);
        let mut crowd = Crowd::new()?;
        crowd.enter(limit.server.addr, &vec![Entrance { token: None, rooms: Vec::new() }; self.quiet.len()])?;
        for number in 0..self.quiet.len() {
            let room = number / MEMBERS;
            let mut names: Vec<_> = (room < spoken).then(|| room.to_string()).into_iter().collect();
            if watched == Watched::All {
                names.extend((0..QUIET_EACH).map(|quiet| format!("{number}-{quiet}")));
            }
            if !names.is_empty() {
                crowd.say(number, &format!("rooms:{}", names.join(",")))?;
            }
        }
        let rooms = (0..spoken).map(|number| number * MEMBERS..(number + 1) * MEMBERS).collect();
        Ok(Talk::limit(crowd, limit.pids()?, rooms, |room| format!("say:{room}")))
    }
}
