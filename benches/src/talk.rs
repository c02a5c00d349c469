//! People who speak in rooms at a pace, on one side of a comparison, and what the servers take for each delivery of it.

use std::{ops::Range, time::Duration};

use anyhow::ensure;
use memchr::memmem;
use parley_proto::RoomId;
use tokio::time::Instant;

use crate::{
    bodies, cpu,
    crowd::{Crowd, MARK},
    people,
};

/// Above it the load may have been what was slow.
pub(crate) const LOAD_BUSY_MAX: f64 = 0.85;
/// After the last send: for everything to arrive.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);
/// After it, what has not arrived is lost.
const LATE: Duration = Duration::from_secs(5);
/// How long something is warmed.
const WARM: Duration = Duration::from_secs(2);
/// Between two looks at the sockets of those who wait: they only have to answer pings, within a few seconds.
const WAITING_EVERY: Duration = Duration::from_millis(500);

/// What a member of a room says: told its number, and the number of the room.
type Say = Box<dyn Fn(u64, usize) -> anyhow::Result<String>>;

pub(crate) struct Talk {
    pub(crate) crowd: Crowd,
    /// The processes whose CPU counts, with all that they started.
    servers: Vec<u32>,
    /// The sockets in each room. They are equally many.
    rooms: Vec<Range<usize>>,
    say: Say,
    sent: u64,
}

/// What a round came to.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// For each delivery, of each server.
    pub(crate) micros: Vec<f64>,
    pub(crate) frames_per_delivery: f64,
}

impl Round {
    pub(crate) fn all_micros(&self) -> f64 {
        self.micros.iter().sum()
    }
}

impl Talk {
    /// With the product: real messages, in these rooms.
    pub(crate) fn ours(crowd: Crowd, servers: Vec<u32>, rooms: Vec<(RoomId, Range<usize>)>) -> anyhow::Result<Self> {
        let bodies = bodies::read(1_000)?;
        let (ids, rooms): (Vec<_>, Vec<_>) = rooms.into_iter().unzip();
        let say = move |number: u64, room: usize| people::send(number, ids[room], &bodies[number as usize % bodies.len()]);
        Ok(Self { crowd, servers, rooms, say: Box::new(say), sent: 0 })
    }

    /// With a limit, which is told the number of the room.
    pub(crate) fn limit(crowd: Crowd, servers: Vec<u32>, rooms: Vec<Range<usize>>, say: impl Fn(usize) -> String + 'static) -> Self {
        Self { crowd, servers, rooms, say: Box::new(move |_, room| Ok(say(room))), sent: 0 }
    }

    /// Some messages before anything is measured: caches, prepared statements.
    pub(crate) fn warm(&mut self, per_second: u64, waiting: &mut [&mut Crowd]) -> anyhow::Result<()> {
        let before = self.crowd.arrived;
        let expected = self.speak(per_second, WARM, waiting)? * self.members();
        self.settle(before.deliveries + expected)?;
        let deliveries = self.crowd.arrived.deliveries - before.deliveries;
        ensure!(deliveries == expected, "{deliveries} deliveries instead of {expected}: {:?}", self.crowd.arrived);
        Ok(())
    }

    /// The last frame that arrived, for a limit to write. After messages that came one at a time it brings one.
    pub(crate) fn frame(&self) -> anyhow::Result<&str> {
        let frame = &self.crowd.last_frame;
        ensure!(memmem::find_iter(frame, MARK).count() == 1, "a frame that brings more than one message");
        Ok(std::str::from_utf8(frame)?)
    }

    fn members(&self) -> u64 {
        self.rooms[0].len() as u64
    }

    /// The rooms take turns, and in each the members do: nobody speaks more often than one person may.
    fn speak(&mut self, per_second: u64, time: Duration, waiting: &mut [&mut Crowd]) -> anyhow::Result<u64> {
        let (began, count) = (Instant::now(), (time.as_secs_f64() * per_second as f64) as u64);
        let mut looked = began;
        for number in 0..count {
            self.crowd.listen_until(began + Duration::from_secs_f64(number as f64 / per_second as f64))?;
            self.sent += 1;
            let (room, turn) = (self.sent as usize % self.rooms.len(), self.sent as usize / self.rooms.len());
            let members = self.rooms[room].clone();
            let text = (self.say)(self.sent, room)?;
            self.crowd.say(members.start + turn % members.len(), &text)?;
            if looked.elapsed() >= WAITING_EVERY {
                looked = Instant::now();
                waiting.iter_mut().try_for_each(|crowd| crowd.catch_up())?;
            }
        }
        waiting.iter_mut().try_for_each(|crowd| crowd.catch_up())?;
        Ok(count)
    }

    /// Until so many deliveries are there, but not for ever. Whatever comes later would be the next round's.
    fn settle(&mut self, expected: u64) -> anyhow::Result<()> {
        let until = Instant::now() + LATE;
        self.crowd.listen(SETTLE)?;
        while self.crowd.arrived.deliveries < expected && Instant::now() < until {
            self.crowd.turn(SETTLE)?;
        }
        Ok(())
    }

    /// One round; or why it does not count. Those who wait for their turn answer pings meanwhile.
    pub(crate) fn round(&mut self, per_second: u64, time: Duration, waiting: &mut [&mut Crowd]) -> anyhow::Result<Result<Round, String>> {
        let (before, cpu, load, began) = (self.crowd.arrived, self.cpu()?, cpu::of_this()?, Instant::now());
        let expected = self.speak(per_second, time, waiting)? * self.members();
        self.settle(before.deliveries + expected)?;
        let cpu: Vec<_> = self.cpu()?.into_iter().zip(cpu).map(|(after, before)| after - before).collect();
        let busy = (cpu::of_this()? - load).as_secs_f64() / began.elapsed().as_secs_f64();
        let (deliveries, refusals) = (self.crowd.arrived.deliveries - before.deliveries, self.crowd.arrived.refusals - before.refusals);
        if deliveries != expected {
            return Ok(Err(format!("{deliveries} deliveries instead of {expected}, {refusals} sends refused {}", self.crowd.last_refusal)));
        }
        if busy > LOAD_BUSY_MAX {
            return Ok(Err(format!("the load was {:.0} % busy", busy * 100.0)));
        }
        let frames = self.crowd.arrived.frames - before.frames;
        let micros = cpu.into_iter().map(|cpu| cpu.as_secs_f64() * 1e6 / deliveries as f64).collect();
        Ok(Ok(Round { micros, frames_per_delivery: frames as f64 / deliveries as f64 }))
    }

    fn cpu(&self) -> anyhow::Result<Vec<Duration>> {
        self.servers.iter().map(|pid| cpu::of_tree(*pid)).collect()
    }
}
