//! What it costs to bring one message to one member: a room of 1 000 members, who all sit on sockets of their own.
//!
//! Ours is one process with everything in it (log, relay, gateway, persister, store), so what is counted is everything that a message costs. The limit
//! writes the very frame that ours wrote.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::Instant;

use super::Context;
use crate::{
    bodies,
    child::{Child, Under},
    cpu,
    crowd::{self, Crowd, Entrance},
    people::{self, People, Plan},
    report::{Aim, Measured, Rows},
    talk::{LOAD_BUSY_MAX, SETTLE},
};

/// How messages come.
#[derive(Debug, Clone, Copy)]
struct Pace {
    name: &'static str,
    per_second: u64,
    /// So many at the same time.
    burst: u64,
    /// The limit's: messages that come within it are written together.
    window_ms: u64,
    aim: Aim,
}

const PACES: [Pace; 3] = [
    Pace { name: "20 messages/s", per_second: 20, burst: 1, window_ms: 0, aim: Aim::AtLeast(0.80, 0.92) },
    Pace { name: "bursts of 16, 80 messages/s", per_second: 80, burst: 16, window_ms: 10, aim: Aim::AtLeast(0.75, 0.9) },
    Pace { name: "160 messages/s", per_second: 160, burst: 1, window_ms: 10, aim: Aim::AtLeast(0.75, 0.9) },
];

/// One side of the comparison: a server, everybody on sockets to it, and how one of them speaks.
pub(super) struct Side {
    pub(super) server: Child,
    pub(super) crowd: Crowd,
    speech: Speech,
    pub(super) sent: u64,
}

enum Speech {
    Ours { room: parley_proto::RoomId, bodies: Vec<String> },
    Limit,
}

/// What a round came to.
struct Round {
    micros_per_delivery: f64,
    frames_per_delivery: f64,
}

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let members = context.scale.of(1_000, 50);
    let (rounds, time) = (context.scale.of(7, 2), Duration::from_secs(context.scale.of(8, 1)));
    let _apart = cpu::Apart::new()?;
    let folder = context.folder.join("delivery");
    std::fs::create_dir_all(&folder)?;
    let people = People::embedded(&context.runtime, &folder, members, &[Plan { partition: 3, members: 0..members }])?;
    let mut ours = Side::ours(&people, &folder, &Under::default())?;
    let mut limit = Side::limit(members)?;
    let mut rows = Rows::default();
    // Warm: caches and prepared statements. It also gives the frame that the limit writes.
    ours.speak(PACES[0], Duration::from_secs(2), &mut limit.crowd)?;
    let frame = String::from_utf8(ours.crowd.last_frame.clone())?;
    limit.crowd.say(0, &format!("set:{frame}"))?;
    for pace in PACES {
        limit.crowd.say(0, &format!("window:{}", pace.window_ms))?;
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            match (limit.round(pace, time, &mut ours.crowd)?, ours.round(pace, time, &mut limit.crowd)?) {
                (Ok(limit), Ok(ours)) => pairs.push((limit, ours)),
                (Err(why), _) | (_, Err(why)) => rows.void(format!("{}: {why}", pace.name)),
            }
        }
        let name = pace.name;
        rows.add(format!("{name}: limit ÷ ours"), "", Some(pace.aim), pairs.iter().map(|(limit, ours)| limit.micros_per_delivery / ours.micros_per_delivery));
        rows.add(format!("{name}: ours"), "µs", None, pairs.iter().map(|(_, ours)| ours.micros_per_delivery));
        rows.add(format!("{name}: limit"), "µs", None, pairs.iter().map(|(limit, _)| limit.micros_per_delivery));
        rows.add(format!("{name}: frames per message and socket, ours"), "", None, pairs.iter().map(|(_, ours)| ours.frames_per_delivery));
    }
    Ok(rows.measured())
}

impl Side {
    pub(super) fn ours(people: &People, folder: &std::path::Path, under: &Under) -> anyhow::Result<Self> {
        let server = Child::parley(folder, &[("PARLEY_TOKEN_KEY", people.key.clone())], under)?;
        let entrances: Vec<_> = people.tokens()?.into_iter().map(|token| Entrance { token: Some(token), rooms: people.rooms.clone() }).collect();
        let mut crowd = Crowd::new()?;
        // Under what counts everything a server is too slow for many at a time.
        let wave = if under.0.is_empty() { entrances.len() } else { 1 };
        crowd.enter_in_waves(server.addr, &entrances, wave.min(crowd::WAVE))?;
        Ok(Self { server, crowd, speech: Speech::Ours { room: people.rooms[0], bodies: bodies::read(1_000)? }, sent: 0 })
    }

    fn limit(members: usize) -> anyhow::Result<Self> {
        let server = Child::broadcaster()?;
        let mut crowd = Crowd::new()?;
        crowd.enter(server.addr, &vec![Entrance { token: None, rooms: Vec::new() }; members])?;
        Ok(Self { server, crowd, speech: Speech::Limit, sent: 0 })
    }

    /// Messages at this pace, for this long; then everything that is still on its way. The others, who wait for their turn, answer pings meanwhile.
    fn speak(&mut self, pace: Pace, time: Duration, others: &mut Crowd) -> anyhow::Result<u64> {
        let (began, gap) = (Instant::now(), Duration::from_secs(pace.burst) / u32::try_from(pace.per_second)?);
        let bursts = (time.as_secs_f64() / gap.as_secs_f64()) as u32;
        for burst in 0..bursts {
            self.crowd.listen_until(began + gap * burst)?;
            for _ in 0..pace.burst {
                self.say()?;
            }
            others.turn(Duration::ZERO)?;
        }
        self.crowd.listen(SETTLE)?;
        Ok(u64::from(bursts) * pace.burst)
    }

    /// Members speak in turn: nobody more often than one person may.
    pub(super) fn say(&mut self) -> anyhow::Result<()> {
        self.sent += 1;
        let speaker = self.sent as usize % self.crowd.len();
        match &self.speech {
            Speech::Ours { room, bodies } => {
                let text = people::send(self.sent, *room, &bodies[self.sent as usize % bodies.len()])?;
                self.crowd.say(speaker, &text)
            }
            Speech::Limit => self.crowd.say(speaker, "say"),
        }
    }

    /// One round; or why it does not count.
    fn round(&mut self, pace: Pace, time: Duration, others: &mut Crowd) -> anyhow::Result<Result<Round, String>> {
        let (before, cpu_before, load_before, began) = (self.crowd.arrived, self.server.cpu()?, cpu::of_this()?, Instant::now());
        let sent = self.speak(pace, time, others)?;
        let cpu = self.server.cpu()? - cpu_before;
        let busy = (cpu::of_this()? - load_before).as_secs_f64() / began.elapsed().as_secs_f64();
        let deliveries = self.crowd.arrived.deliveries - before.deliveries;
        let expected = sent * self.crowd.len() as u64;
        ensure!(deliveries > 0, "nothing arrived: {:?}", self.crowd.arrived);
        if deliveries != expected {
            let refused = self.crowd.arrived.refusals - before.refusals;
            return Ok(Err(format!("{deliveries} deliveries instead of {expected}; {refused} of {sent} sends were refused {}", self.crowd.last_refusal)));
        }
        if busy > LOAD_BUSY_MAX {
            return Ok(Err(format!("the load was {:.0} % busy", busy * 100.0)));
        }
        let frames = self.crowd.arrived.frames - before.frames;
        Ok(Ok(Round { micros_per_delivery: cpu.as_secs_f64() * 1e6 / deliveries as f64, frames_per_delivery: frames as f64 / deliveries as f64 }))
    }
}
