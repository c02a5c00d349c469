//! How long a message takes until the last of a room's 1 000 members has it, at a quarter, half and three quarters of the rate that the server can keep up;
//! and whether those who read notice that one of a hundred does not.

use std::time::Duration;

use super::{Context, delivery::Side};
use crate::{
    child::Under,
    cpu,
    crowd::{Crowd, Entrance},
    people::{People, Plan},
    report::{Aim, Measured, Rows},
    stats::quantile,
    talk::{LOAD_BUSY_MAX, SETTLE},
};

/// The search for the highest rate begins here and takes steps of a quarter.
const FIRST_RATE: f64 = 40.0;
const STEP: f64 = 1.25;
/// A rate is kept up if the last message is with everybody this soon after it was sent.
const KEPT_UP: Duration = Duration::from_millis(500);
/// What is sent goes through the room's first partition.
const PARTITION: u16 = 3;
/// A stalled socket's, so that what it does not read waits in the server and not in the kernel.
const STALLED_BUFFER: usize = 4 * 1024;
const SHARES: [(&str, f64); 3] = [("25 %", 0.25), ("50 %", 0.5), ("75 %", 0.75)];

/// What a round came to.
struct Round {
    p50_ms: f64,
    p99_ms: f64,
    last_ms: f64,
    load_busy: f64,
    server_busy: f64,
}

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let members = context.scale.of(1_000, 50);
    let stalled = members / 100 + usize::from(members < 100);
    let (rounds, time) = (context.scale.of(5, 1), Duration::from_secs(context.scale.of(6, 1)));
    let _apart = cpu::Apart::new()?;
    let folder = context.folder.join("reach");
    std::fs::create_dir_all(&folder)?;
    let people = People::embedded(&context.runtime, &folder, members, &[Plan { partition: PARTITION, members: 0..members }])?;
    let mut side = Side::ours(&people, &folder, &Under::default())?;
    let mut rows = Rows::default();
    side.reach(20.0, Duration::from_secs(1))?.map_err(anyhow::Error::msg)?;
    let highest = highest(&mut side, time / 2, &mut rows)?;
    rows.add("highest rate that is kept up", "messages/s", None, [highest]);
    for (name, share) in SHARES {
        let mut reached = Vec::new();
        for _ in 0..rounds {
            match side.reach(highest * share, time)? {
                Ok(round) if round.load_busy <= LOAD_BUSY_MAX => reached.push(round),
                Ok(round) => rows.void(format!("{name}: the load was {:.0} % busy", round.load_busy * 100.0)),
                Err(why) => rows.void(format!("{name}: {why}")),
            }
        }
        rows.add(format!("{name} of it: p50"), "ms", None, reached.iter().map(|round| round.p50_ms));
        rows.add(format!("{name} of it: p99"), "ms", None, reached.iter().map(|round| round.p99_ms));
    }
    let (mut ratios, mut memory) = (Vec::new(), Vec::new());
    let tokens = people.tokens()?;
    // Long enough for what waits to reach its bound.
    let time = time * 2;
    for _ in 0..rounds {
        let without = side.reach(highest * 0.25, time)?;
        let before = cpu::private_memory(side.server.pid())?;
        let mut silent = Crowd::with_receive_buffer(STALLED_BUFFER)?;
        let entrances: Vec<_> = tokens.iter().take(stalled).map(|token| Entrance { token: Some(token.clone()), rooms: people.rooms.clone() }).collect();
        silent.enter(side.server.addr, &entrances)?;
        let with = side.reach(highest * 0.25, time)?;
        memory.push((cpu::private_memory(side.server.pid())? as f64 - before as f64) / 1024.0 / stalled as f64);
        match (without, with) {
            (Ok(without), Ok(with)) => ratios.push(with.p99_ms / without.p99_ms),
            (Err(why), _) | (_, Err(why)) => rows.void(format!("{stalled} stalled: {why}")),
        }
    }
    rows.add(format!("{stalled} more members who read nothing: p99 of the others, with them ÷ without"), "", Some(Aim::AtMost(1.3, 1.05)), ratios);
    rows.add("memory for each who reads nothing; 256 frames may wait", "KB", None, memory);
    Ok(rows.measured())
}

/// The highest rate that the server keeps up, or that the load does.
fn highest(side: &mut Side, time: Duration, rows: &mut Rows) -> anyhow::Result<f64> {
    let mut highest = FIRST_RATE;
    for step in 0..15 {
        let rate = FIRST_RATE * STEP.powi(step);
        match side.reach(rate, time)? {
            Ok(round) if round.load_busy > LOAD_BUSY_MAX => {
                rows.void(format!("above {highest:.0} messages/s the load was the limit; the server's processor was {:.0} % busy", round.server_busy * 100.0));
                break;
            }
            Ok(round) if round.last_ms <= KEPT_UP.as_secs_f64() * 1e3 => highest = rate,
            _ => break,
        }
    }
    Ok(highest)
}

impl Side {
    /// Messages at this rate, for this long; or why the round does not count.
    fn reach(&mut self, per_second: f64, time: Duration) -> anyhow::Result<Result<Round, String>> {
        let count = (time.as_secs_f64() * per_second) as usize;
        let gap = Duration::from_secs_f64(1.0 / per_second);
        let (cpu, load) = (self.server.cpu()?, cpu::of_this()?);
        let began = self.crowd.watch_messages(self.sent + 1, count);
        let mut sent = Vec::with_capacity(count);
        for number in 0..count {
            self.crowd.listen_until(began + gap * number as u32)?;
            sent.push(began.elapsed().as_micros() as u64);
            self.say()?;
        }
        let busy = began.elapsed().as_secs_f64();
        let (cpu, load) = (self.server.cpu()? - cpu, cpu::of_this()? - load);
        self.crowd.listen(SETTLE)?;
        let arrivals = self.crowd.watched_messages();
        let missing = arrivals.iter().filter(|(deliveries, _)| *deliveries != self.crowd.len()).count();
        if missing > 0 {
            // Whatever still comes would be counted in the next round.
            self.crowd.listen(SETTLE * 5)?;
            return Ok(Err(format!("{missing} of {count} messages were not with everybody in time")));
        }
        let mut millis: Vec<_> = arrivals.iter().zip(sent).map(|((_, at), sent)| at.saturating_sub(sent) as f64 / 1e3).collect();
        let last_ms = millis.last().copied().unwrap_or(f64::NAN);
        millis.sort_unstable_by(f64::total_cmp);
        let (p50_ms, p99_ms) = (quantile(&millis, 0.5), quantile(&millis, 0.99));
        Ok(Ok(Round { p50_ms, p99_ms, last_ms, load_busy: load.as_secs_f64() / busy, server_busy: cpu.as_secs_f64() / busy }))
    }
}
