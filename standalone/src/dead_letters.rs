//! `parley dead-letters`: what the store could not take, for people to look at, and to have once more.
//!
//! A dead letter is called by its place, `PARTITION:POSITION`. Nothing is ever removed: the counters of the store add up to the records of the log, and a
//! dead letter that was driven once more stays what it was, with a mark.

use std::{fmt, str::FromStr};

use parley_engines::store::{StoreUnavailable, postgres::PostgresConfig, projection::DeadLetter, upkeep::Upkeep};
use parley_proto::{Cursor, PartitionId, Position};

use crate::{config::Config, engines::OpenStore};

mod redrive;
mod show;

pub(crate) use self::redrive::redrive;

/// Read in one question.
const PIECE: usize = 100;

/// A dead letter's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LetterId {
    partition: PartitionId,
    position: Position,
}

impl FromStr for LetterId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (partition, position) = text.split_once(':').ok_or("PARTITION:POSITION, as `parley dead-letters list` shows it")?;
        let partition = partition.parse().map(PartitionId).map_err(|_| "the partition is not a number below 65536")?;
        let position = position.parse().ok().map(Position).filter(|position| position.at() < Cursor::LIMIT).ok_or("the position is none")?;
        Ok(Self { partition, position })
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.position)
    }
}

impl From<&DeadLetter> for LetterId {
    fn from(letter: &DeadLetter) -> Self {
        Self { partition: letter.partition, position: letter.position }
    }
}

/// Prints one line for each; with `redriven` those that were driven once more as well.
pub(crate) async fn list(config: &Config, redriven: bool) -> anyhow::Result<()> {
    let store = open_store(config).await?;
    let listed = list_in(&*store.port(), redriven).await;
    store.close().await;
    listed
}

async fn list_in(store: &dyn Upkeep, redriven: bool) -> anyhow::Result<()> {
    println!("{}", show::head());
    let (mut shown, mut hidden) = (0, 0);
    for state in store.partitions().await? {
        let mut letters = Letters::of(state.partition);
        while let Some(piece) = letters.next(store).await? {
            for letter in piece {
                if letter.redriven.is_some() && !redriven {
                    hidden += 1;
                    continue;
                }
                shown += 1;
                println!("{}", show::line(&letter));
            }
        }
    }
    println!("{shown} dead letters{}", if hidden > 0 { format!(", and {hidden} that were driven once more: --redriven lists them") } else { String::new() });
    Ok(())
}

/// Prints everything that is known of one.
pub(crate) async fn show(config: &Config, id: LetterId) -> anyhow::Result<()> {
    let store = open_store(config).await?;
    let letter = find(&*store.port(), id).await;
    store.close().await;
    print!("{}", show::whole(&letter?));
    Ok(())
}

/// The store alone: what is in it can be read while log and bus are away.
async fn open_store(config: &Config) -> anyhow::Result<OpenStore> {
    OpenStore::open(&config.store, PostgresConfig::default(), None).await
}

async fn find(store: &dyn Upkeep, id: LetterId) -> anyhow::Result<DeadLetter> {
    let letter = store.dead_letters(id.partition, id.position.at(), 1).await?.pop().filter(|letter| letter.position == id.position);
    letter.ok_or_else(|| anyhow::anyhow!("{id} is no dead letter: `parley dead-letters list` shows them"))
}

/// The dead letters of a partition, piece by piece.
#[derive(Debug)]
pub(crate) struct Letters {
    partition: PartitionId,
    from: Cursor,
}

impl Letters {
    pub(crate) fn of(partition: PartitionId) -> Self {
        Self { partition, from: Cursor::ZERO }
    }

    /// `None` after the last.
    pub(crate) async fn next(&mut self, store: &dyn Upkeep) -> Result<Option<Vec<DeadLetter>>, StoreUnavailable> {
        let piece = store.dead_letters(self.partition, self.from, PIECE).await?;
        let Some(last) = piece.last() else { return Ok(None) };
        self.from = last.position.next();
        Ok(Some(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_shown_and_nothing_else_is() {
        let id: LetterId = "3:41".parse().unwrap();
        assert_eq!((id.partition, id.position, id.to_string()), (PartitionId(3), Position(41), "3:41".to_owned()));
        for wrong in ["", "41", "3:", ":41", "65536:1", "3:-1", "3:41 ", "3:9007199254740992"] {
            assert!(wrong.parse::<LetterId>().is_err(), "{wrong}");
        }
    }
}
