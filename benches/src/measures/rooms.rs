//! What a delivery costs where rooms are small and many: each message pays its whole way for few deliveries. Gateway and Redis are counted, on real Kafka
//! and Postgres, and with them producer, relay and the tails in Redis. The limit is bare PUBLISH: one program hands what is said to Redis, and writes what
//! comes back to the sockets of its room. It writes the very frame that ours wrote.

use std::{ops::Range, time::Duration};

use super::Context;
use crate::{
    bare::PARTITIONS,
    cpu,
    crowd::{Crowd, Entrance},
    deployment::Deployment,
    people::Plan,
    report::{Aim, Measured, Rows},
    republisher::Republisher,
    talk::Talk,
};

/// Everybody is in one room.
#[derive(Debug, Clone, Copy)]
struct Shape {
    members: usize,
    per_second: u64,
}

/// Messages a second that each come in a frame of their own.
const SLOWLY: u64 = 20;
const SHAPES: [Shape; 2] = [Shape { members: 10, per_second: 2_000 }, Shape { members: 100, per_second: 200 }];

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let people = context.scale.of(1_000, 200);
    let apart = cpu::Apart::new()?;
    let plans: Vec<_> = SHAPES.iter().flat_map(|shape| rooms(people, *shape)).enumerate().map(|(number, members)| plan(number, members)).collect();
    let deployment = context.runtime.block_on(Deployment::start(&context.folder.join("rooms"), people, &plans))?;
    deployment.serve(&apart)?;
    let mut rows = Rows::default();
    let mut first = 0;
    for shape in SHAPES {
        measure(context, &apart, &deployment, shape, first, &mut rows)?;
        first += rooms(people, shape).count();
    }
    Ok(rows.measured())
}

/// The people in each room of this shape.
fn rooms(people: usize, Shape { members, .. }: Shape) -> impl Iterator<Item = Range<usize>> {
    (0..people / members).map(move |room| room * members..(room + 1) * members)
}

fn plan(number: usize, members: Range<usize>) -> Plan {
    Plan { partition: number as u16 % PARTITIONS, members }
}

/// `first` is the number of the first room of this shape.
fn measure(context: &Context, apart: &cpu::Apart, deployment: &Deployment, shape: Shape, first: usize, rows: &mut Rows) -> anyhow::Result<()> {
    let (rounds, time) = (context.scale.of(7, 2), Duration::from_secs(context.scale.of(8, 2)));
    let per_second = context.scale.of(shape.per_second, shape.per_second / 5);
    let tokens = deployment.people.tokens()?;
    let rooms: Vec<_> = rooms(tokens.len(), shape).collect();
    let mut ours = Talk::ours(
        enter(deployment, &tokens, &rooms, first)?,
        vec![deployment.gateway_pid()?, deployment.redis_pid()?],
        rooms.iter().enumerate().map(|(number, members)| (deployment.people.rooms[first + number], members.clone())).collect(),
    )?;
    let republisher = Republisher::start(context, apart, &context.folder.join(format!("rooms-limit-{}", shape.members)))?;
    let mut crowd = Crowd::new()?;
    crowd.enter(republisher.server.addr, &vec![Entrance { token: None, rooms: Vec::new() }; tokens.len()])?;
    for (number, members) in rooms.iter().enumerate() {
        members.clone().try_for_each(|member| crowd.say(member, &format!("rooms:{number}")))?;
    }
    let mut limit = Talk::limit(crowd, republisher.pids()?, rooms, |room| format!("say:{room}"));
    ours.warm(SLOWLY, &mut [&mut limit.crowd])?;
    limit.crowd.say(0, &format!("set:{}", ours.frame()?))?;
    limit.warm(SLOWLY, &mut [&mut ours.crowd])?;
    // At full pace for the first time, and not counted.
    if let Err(why) = ours.round(per_second, time, &mut [&mut limit.crowd])? {
        println!("  before the first round: {why}");
    }
    let (mut us, mut limits) = (Vec::new(), Vec::new());
    let name = format!("rooms of {}, {per_second} messages/s", shape.members);
    for _ in 0..rounds {
        match (limit.round(per_second, time, &mut [&mut ours.crowd])?, ours.round(per_second, time, &mut [&mut limit.crowd])?) {
            (Ok(limit), Ok(ours)) => {
                limits.push(limit);
                us.push(ours);
            }
            (Err(why), _) | (_, Err(why)) => rows.void(format!("{name}: {why}")),
        }
    }
    let ratios = limits.iter().zip(&us).map(|(limit, ours)| limit.all_micros() / ours.all_micros());
    rows.add(format!("{name}: limit ÷ ours"), "", Some(Aim::AtLeast(0.7, 0.7)), ratios);
    for (who, rounds) in [("gateway", &us), ("limit", &limits)] {
        rows.add(format!("{name}: {who}"), "µs", None, rounds.iter().map(|round| round.micros[0]));
        rows.add(format!("{name}: Redis under the {who}"), "µs", None, rounds.iter().map(|round| round.micros[1]));
    }
    rows.add(format!("{name}: frames per message and socket, ours"), "", None, us.iter().map(|round| round.frames_per_delivery));
    Ok(())
}

fn enter(deployment: &Deployment, tokens: &[String], rooms: &[Range<usize>], first: usize) -> anyhow::Result<Crowd> {
    let mut crowd = Crowd::new()?;
    let entrances = rooms.iter().enumerate().flat_map(|(number, members)| {
        let room = deployment.people.rooms[first + number];
        tokens[members.clone()].iter().map(move |token| Entrance { token: Some(token.clone()), rooms: vec![room] })
    });
    crowd.enter(deployment.gateway.addr, &entrances.collect::<Vec<_>>())?;
    Ok(crowd)
}
