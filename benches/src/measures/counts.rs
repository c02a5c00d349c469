//! What a delivery, a send and a persisted row take in instructions and system calls, counted by valgrind and strace. They slow everything down and say
//! nothing about time; but what they count is the same on a busy machine. Two runs that differ only in how many messages were sent: starting, coming in and
//! ending cancel out, and what is done each second does too, since both take the same time. Two rooms that differ only in their members tell a delivery from
//! what a message takes besides.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::{Context, delivery::Side};
use crate::{
    bodies,
    child::{Under, command},
    people::{People, Plan},
    report::{Measured, Rows},
};

const MEMBERS: [usize; 2] = [2, 100];
const MESSAGES: [u64; 2] = [10, 110];
const BETWEEN: Duration = Duration::from_millis(50);
const ROWS: [usize; 2] = [4_000, 12_000];
/// For one message to reach everybody: under valgrind everything takes fifty times as long.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    let mut rows = Rows::default();
    for (tool, what, unit) in [("valgrind", "instructions in user mode", ""), ("strace", "system calls", "")] {
        if Command::new(tool).arg("--version").output().is_err() {
            rows.void(format!("{tool} is not installed"));
            continue;
        }
        let (mut deliveries, mut sends, mut persisted) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..context.scale.of(3, 1) {
            let folder = context.folder.join(format!("counts-{tool}-{round}"));
            let [small, large] = MEMBERS.map(|members| message(context, &folder.join(members.to_string()), tool, members));
            let (small, large) = (small?, large?);
            let delivery = (large - small) / (MEMBERS[1] - MEMBERS[0]) as f64;
            deliveries.push(delivery);
            sends.push(small - delivery * MEMBERS[0] as f64);
            let [few, many] = ROWS.map(|rows| drained(&folder.join(format!("{rows}-rows")), tool, rows));
            persisted.push((many? - few?) / (ROWS[1] - ROWS[0]) as f64);
        }
        rows.add(format!("{what} per delivery, one message at a time"), unit, None, deliveries);
        rows.add(format!("{what} per send, up to its row: what a message takes besides its deliveries"), unit, None, sends);
        rows.add(format!("{what} per persisted row, draining a backlog into SQLite"), unit, None, persisted);
    }
    Ok(rows.measured())
}

/// What one message takes in a room with so many members.
fn message(context: &Context, folder: &Path, tool: &str, members: usize) -> anyhow::Result<f64> {
    let (many, took) = counted(context, folder, tool, members, MESSAGES[1], Duration::ZERO)?;
    let (few, _) = counted(context, folder, tool, members, MESSAGES[0], took)?;
    Ok((many - few) / (MESSAGES[1] - MESSAGES[0]) as f64)
}

/// What the persister takes for a log with so many messages, from its start to its end.
fn drained(folder: &Path, tool: &str, rows: usize) -> anyhow::Result<f64> {
    fs::create_dir_all(folder)?;
    let file = folder.join("counted");
    let (messages, into) = (rows.to_string(), format!("sqlite:{}", folder.join("drained.db").display()));
    for (under, arguments) in
        [(Under::default(), vec!["seed-demo", "--file", bodies::FILE, "--messages", &messages]), (under(tool, &file), vec!["rebuild", "--into", &into])]
    {
        let mut command = command(folder, &under)?;
        let status = command.args(&arguments).env("PARLEY_LOG", "off").stdout(Stdio::null()).status()?;
        ensure!(status.success(), "{arguments:?} ended with {status}");
    }
    read(tool, &file)
}

/// What was counted with so many messages, and how long they and the silence after them took: at least this long.
fn counted(context: &Context, folder: &Path, tool: &str, members: usize, messages: u64, at_least: Duration) -> anyhow::Result<(f64, Duration)> {
    let folder = folder.join(messages.to_string());
    fs::create_dir_all(&folder)?;
    let people = People::embedded(&context.runtime, &folder, members, &[Plan { partition: 3, members: 0..members }])?;
    let file = folder.join("counted");
    let mut side = Side::ours(&people, &folder, &under(tool, &file))?;
    let began = Instant::now();
    for _ in 0..messages {
        let expected = side.crowd.arrived.deliveries + members as u64;
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
    Ok((read(tool, &file)?, took))
}

/// What the tool wrote down.
fn read(tool: &str, file: &Path) -> anyhow::Result<f64> {
    let text = fs::read_to_string(file).with_context(|| format!("{tool} wrote nothing"))?;
    total(tool, &text).with_context(|| format!("{tool} wrote something else"))
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
