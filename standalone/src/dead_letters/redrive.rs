//! `parley dead-letters redrive`: the same record once more, at the log's end.
//!
//! A record that no reader can read stays dead: everybody would find the same wrong with it again. One that the database refused has, for the fold, its
//! place in the log already; so the new copy's floor lies above that place, at the `next` of the snapshot in which the store was seen not to have it
//! (PROTOCOL.md, 3.2). A crash at any point is harmless: what was appended and not stored yet makes the next try a duplicate, and what was stored is found.
//!
//! An older edit, vote or reaction is not appended over a newer one. What somebody does within the same instant is not seen: redrive what people are not
//! changing just now.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use parley_engines::{
    log::{Appended, Log},
    store::{Snapshot, projection::DeadLetter},
};
use parley_proto::{Position, Record, WINDOW, check, codec};
use tokio::time::{Instant, sleep, timeout};

use super::{LetterId, Letters, find};
use crate::{
    config::Config,
    engines::{self, Engines},
    running::Running,
};

/// How long the store may take to get what was appended: a persister may just be starting.
const STORED_DEADLINE: Duration = Duration::from_secs(60);
/// For the log's answer.
const APPEND_DEADLINE: Duration = Duration::from_secs(10);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// What became of one.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The store has it, there.
    Stored(Position),
    /// Nothing was appended: the store has it, or something newer, there.
    Decided(Position),
    /// The database refused it again, there.
    RefusedAgain(Position, String),
    /// Nothing was appended: no reader can read it.
    Unreadable(String),
}

/// Drives one of them, or all that can be, and says of each what became of it. Fails where the one can't be, or one was refused again.
pub(crate) async fn redrive(config: Config, id: Option<LetterId>) -> anyhow::Result<()> {
    let engines = Engines::open(&config).await?;
    let running = match engines::ensure_shared(&config) {
        Ok(()) => Running::beside_others(engines),
        Err(_) => Running::start(engines, &config),
    };
    let driven = match id {
        Some(id) => redrive_one(&running, id).await,
        None => redrive_all(&running).await,
    };
    running.end().await;
    driven
}

async fn redrive_one(running: &Running, id: LetterId) -> anyhow::Result<()> {
    let letter = find(&*running.engines.store, id).await?;
    if let Some(to) = letter.redriven {
        println!("{id} was driven once more already: it lies at {}:{to}", id.partition);
        return Ok(());
    }
    match drive(running, &letter).await.with_context(|| id.to_string())? {
        Outcome::Unreadable(reason) => {
            bail!("{id} can't be driven once more: {reason}. Every reader finds the same wrong with it; whoever wrote it has to write it anew")
        }
        outcome => say(id, outcome),
    }
}

/// Looked up before the first is appended: what is refused again is not driven for ever.
async fn redrive_all(running: &Running) -> anyhow::Result<()> {
    let store = &*running.engines.store;
    let (mut open, mut unreadable, mut refused) = (Vec::new(), 0, 0);
    for state in store.partitions().await? {
        let mut letters = Letters::of(state.partition);
        while let Some(piece) = letters.next(store).await? {
            open.extend(piece.iter().filter(|letter| letter.redriven.is_none()).map(LetterId::from));
        }
    }
    for id in open {
        match drive(running, &find(store, id).await?).await.with_context(|| id.to_string())? {
            Outcome::Unreadable(_) => unreadable += 1,
            outcome => {
                if let Err(again) = say(id, outcome) {
                    println!("{again}");
                    refused += 1;
                }
            }
        }
    }
    if unreadable > 0 {
        println!("{unreadable} can't be driven once more: no reader can read them");
    }
    ensure!(refused == 0, "the database refused {refused} again: `parley dead-letters list` says why");
    Ok(())
}

fn say(id: LetterId, outcome: Outcome) -> anyhow::Result<()> {
    let partition = id.partition;
    match outcome {
        Outcome::Stored(to) => println!("{id} is stored: it lies at {partition}:{to}"),
        Outcome::Decided(to) => println!("{id} needs nothing: the store has it, or something newer, at {partition}:{to}"),
        Outcome::RefusedAgain(to, reason) => bail!("{id} was refused again, as {partition}:{to}: {}", reason.escape_debug()),
        Outcome::Unreadable(reason) => bail!("{id} can't be driven once more: {reason}"),
    }
    Ok(())
}

async fn drive(running: &Running, letter: &DeadLetter) -> anyhow::Result<Outcome> {
    let record = match check::check(&letter.bytes, letter.partition) {
        Ok(record) => record,
        Err(error) => return Ok(Outcome::Unreadable(error.to_string())),
    };
    let store = &*running.engines.store;
    let outcome = loop {
        let Snapshot { next, value } = store.decided(&record, letter.position).await?;
        if let Some(at) = value {
            break Outcome::Decided(at);
        }
        if running.engines.log.end(letter.partition).await?.since(next) > WINDOW / 2 {
            // The floor would be too far below the place that the record gets: it would expire.
            running.check_stopped()?;
            sleep(LOOK).await;
            continue;
        }
        let at = append(&*running.engines.log, Record { floor: next, ..record.clone() }).await?;
        if at.at().since(next) <= WINDOW {
            break stored(running, letter, at).await?;
        }
    };
    let (Outcome::Stored(to) | Outcome::Decided(to) | Outcome::RefusedAgain(to, _)) = outcome else { return Ok(outcome) };
    store.mark_redriven(letter.partition, letter.position, to).await?;
    Ok(outcome)
}

async fn append(log: &dyn Log, record: Record) -> anyhow::Result<Position> {
    let partition = record.room.partition();
    check::check_record(&record, partition)?;
    match timeout(APPEND_DEADLINE, log.enqueue(partition, record.room, codec::encode(&record))?).await {
        Ok(Appended::At(position)) => Ok(position),
        _ => bail!("the log did not say whether it has it: do it again, nothing is doubled"),
    }
}

/// Waits until the store has passed `at`, and looks what it made of it.
async fn stored(running: &Running, letter: &DeadLetter, at: Position) -> anyhow::Result<Outcome> {
    let store = &*running.engines.store;
    let until = Instant::now() + STORED_DEADLINE;
    while !store.partitions().await?.iter().any(|state| state.partition == letter.partition && state.next > at.at()) {
        running.check_stopped()?;
        ensure!(Instant::now() < until, "it is appended, and not stored yet: does a persister run? Do it again then, nothing is doubled");
        sleep(LOOK).await;
    }
    let again = store.dead_letters(letter.partition, at.at(), 1).await?.pop().filter(|again| again.position == at);
    Ok(again.map_or(Outcome::Stored(at), |again| Outcome::RefusedAgain(at, again.reason)))
}
