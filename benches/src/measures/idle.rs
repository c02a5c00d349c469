//! What a socket costs that does nothing: memory while it is joined to two rooms, after everybody got a burst of messages, and CPU while nothing happens.
//!
//! Memory is what the process has for itself, less what it had before the first socket came; the kernel's buffers of a socket are not in it.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::Instant;

use super::Context;
use crate::{
    bodies,
    child::{Child, Under},
    cpu,
    crowd::{Crowd, Entrance},
    people::{self, People, Plan},
    report::{Aim, Measured, Rows},
};

const BURST: u64 = 64;
/// One person's sockets, below what one person may have.
const SOCKETS_EACH: usize = 9;
/// For a burst to arrive everywhere.
const BURST_DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let people = context.scale.of(1_000, 20);
    let _apart = cpu::Apart::new()?;
    let folder = context.folder.join("idle");
    std::fs::create_dir_all(&folder)?;
    let rooms = [Plan { partition: 1, members: 0..people }, Plan { partition: 2, members: 0..people }];
    let people = People::embedded(&context.runtime, &folder, people, &rooms)?;
    let (quiet, rounds) = (Duration::from_secs(context.scale.of(30, 1)), context.scale.of(5, 1));
    let (mut each, mut after, mut alone, mut idle) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let server = Child::parley(&folder, &[("PARLEY_TOKEN_KEY", people.key.clone())], &Under::default())?;
        // One socket comes and goes first: what the process makes once is not any socket's.
        drop(enter(&people, &server, 1)?);
        std::thread::sleep(Duration::from_secs(2));
        let (empty, nobody) = (cpu::private_memory(server.pid())?, usage(&server, quiet)?);
        let mut crowd = enter(&people, &server, SOCKETS_EACH)?;
        let sockets = crowd.len() as f64;
        let joined = cpu::private_memory(server.pid())? - empty;
        crowd.listen(Duration::from_secs(3))?;
        let began = server.cpu()?;
        crowd.listen(quiet)?;
        let everybody = (server.cpu()? - began).as_secs_f64() * 1e6 / quiet.as_secs_f64();
        burst(&mut crowd, &people)?;
        let burst = cpu::private_memory(server.pid())? - empty;
        each.push(joined as f64 / sockets / 1024.0);
        after.push(burst as f64 / joined as f64);
        alone.push(nobody);
        idle.push((everybody - nobody) / sockets);
    }
    let mut rows = Rows::default();
    rows.add("memory per socket", "KB", Some(Aim::AtMost(8.0, 4.5)), each);
    rows.add("memory after a burst of 64 messages to all ÷ before", "", Some(Aim::AtMost(1.3, 1.05)), after);
    rows.add("idle CPU per socket", "µs/s", Some(Aim::AtMost(5.0, 2.0)), idle);
    rows.add("idle CPU of the process without sockets", "µs/s", None, alone);
    Ok(rows.measured())
}

fn enter(people: &People, server: &Child, each: usize) -> anyhow::Result<Crowd> {
    let mut crowd = Crowd::new()?;
    let tokens = people.tokens()?;
    let entrances: Vec<_> = tokens.iter().flat_map(|token| vec![Entrance { token: Some(token.clone()), rooms: people.rooms.clone() }; each]).collect();
    crowd.enter(server.addr, if each == 1 { &entrances[..1] } else { &entrances })?;
    Ok(crowd)
}

/// Microseconds of CPU a second while nothing happens.
fn usage(server: &Child, time: Duration) -> anyhow::Result<f64> {
    let before = server.cpu()?;
    std::thread::sleep(time);
    Ok((server.cpu()? - before).as_secs_f64() * 1e6 / time.as_secs_f64())
}

/// Everybody gets as many messages in one go.
fn burst(crowd: &mut Crowd, people: &People) -> anyhow::Result<()> {
    let bodies = bodies::read(BURST as usize)?;
    let expected = crowd.arrived.deliveries + BURST * crowd.len() as u64;
    for number in 0..BURST {
        // Each by another person.
        let socket = number as usize * SOCKETS_EACH % crowd.len();
        crowd.say(socket, &people::send(number, people.rooms[0], &bodies[number as usize])?)?;
    }
    let until = Instant::now() + BURST_DEADLINE;
    while crowd.arrived.deliveries < expected {
        ensure!(Instant::now() < until, "{:?} instead of {expected} deliveries {}", crowd.arrived, crowd.last_refusal);
        crowd.turn(Duration::from_millis(100))?;
    }
    crowd.listen(Duration::from_secs(1))
}
