//! What a delivery takes in instructions and system calls, counted by valgrind and strace. They slow everything down and say nothing about time; but what
//! they count is the same on a busy machine. Two runs that differ only in how many messages were sent: starting, coming in and ending cancel out, and what is
//! done each second does too, since both take the same time.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::{Context, delivery::Side};
use crate::{
    child::Under,
    people::{People, Plan},
    report::{Measured, Rows},
};

const MEMBERS: usize = 100;
const MESSAGES: [u64; 2] = [10, 110];
const BETWEEN: Duration = Duration::from_millis(50);
/// For one message to reach everybody: under valgrind everything takes fifty times as long.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let mut rows = Rows::default();
    for (tool, what, unit) in [("valgrind", "instructions in user mode", ""), ("strace", "system calls", "")] {
        if Command::new(tool).arg("--version").output().is_err() {
            rows.void(format!("{tool} is not installed"));
            continue;
        }
        let rounds = context.scale.of(3, 1);
        let mut counts = Vec::new();
        for round in 0..rounds {
            let folder = context.folder.join(format!("counts-{tool}-{round}"));
            let (many, took) = counted(context, &folder, tool, MESSAGES[1], Duration::ZERO)?;
            let (few, _) = counted(context, &folder, tool, MESSAGES[0], took)?;
            counts.push((many - few) / ((MESSAGES[1] - MESSAGES[0]) as f64 * MEMBERS as f64));
        }
        rows.add(format!("{what} per delivery, room of {MEMBERS}, one message at a time"), unit, None, counts);
    }
    Ok(rows.measured())
}

/// What was counted with so many messages, and how long they and the silence after them took: at least this long.
fn counted(context: &Context, folder: &Path, tool: &str, messages: u64, at_least: Duration) -> anyhow::Result<(f64, Duration)> {
    let folder = folder.join(messages.to_string());
    fs::create_dir_all(&folder)?;
    let people = People::embedded(&context.runtime, &folder, MEMBERS, &[Plan { partition: 3, members: 0..MEMBERS }])?;
    let file = folder.join("counted");
    let mut side = Side::ours(&people, &folder, &under(tool, &file))?;
    let began = Instant::now();
    for _ in 0..messages {
        let expected = side.crowd.arrived.deliveries + MEMBERS as u64;
        side.say()?;
        let until = Instant::now() + DEADLINE;
        while side.crowd.arrived.deliveries < expected {
            ensure!(Instant::now() < until, "{} deliveries instead of {expected}", side.crowd.arrived.deliveries);
            side.crowd.turn(BETWEEN)?;
        }
        side.crowd.listen(BETWEEN)?;
    }
    side.crowd.listen_until(began + at_least)?;
    let took = began.elapsed();
    let Side { server, crowd, .. } = side;
    drop(crowd);
    server.end()?;
    let text = fs::read_to_string(&file).with_context(|| format!("{tool} wrote nothing"))?;
    Ok((total(tool, &text).with_context(|| format!("{tool} wrote something else"))?, took))
}

fn under(tool: &str, file: &Path) -> Under {
    let file = file.display();
    Under(match tool {
        "valgrind" => vec![tool.to_owned(), "-q".to_owned(), "--tool=callgrind".to_owned(), format!("--callgrind-out-file={file}")],
        _ => vec![tool.to_owned(), "-f".to_owned(), "-c".to_owned(), format!("-o{file}")],
    })
}

/// The number of everything that was counted.
fn total(tool: &str, text: &str) -> Option<f64> {
    match tool {
        "valgrind" => text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")))?.split(' ').next()?.parse().ok(),
        // % time, seconds, usecs/call, calls, perhaps errors, "total".
        _ => text.lines().rfind(|line| line.ends_with(" total"))?.split_ascii_whitespace().nth(3)?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tools_reports_are_understood() {
        assert_eq!(total("valgrind", "events: Ir\nfn=x\ntotals: 1234\n"), Some(1234.0));
        let strace = "% time     seconds  usecs/call     calls    errors syscall\n------ ---\n100.00    0.2           3     70001        12 total\n";
        assert_eq!(total("strace", strace), Some(70_001.0));
        assert_eq!(total("strace", "nothing"), None);
    }
}
