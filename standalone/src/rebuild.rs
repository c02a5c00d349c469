//! `parley rebuild`: a new store from the log, from its first record on.
//!
//! The persister itself makes it, on a log that it can only read ([`whole_log::WholeLog`]) and a bus that nobody hears: whoever serves on the old store
//! meanwhile notices nothing. What the log does not have is taken over from the old store, if there is one to ask: accounts with their passwords, members who
//! were imported without events, and which records its database refused. Sessions are not: everybody signs in again.
//! A rebuild that was interrupted goes on where it was. Accounts come last: a store that has some is no new one, and is left alone.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use parley_engines::{
    bus::embedded::EmbeddedBus,
    log::{Log, LogError, ReadMax},
    store::{
        postgres::{PostgresConfig, Schema},
        upkeep::Upkeep,
    },
};
use parley_persister::{Config as PersisterConfig, Persister, Refusals};
use parley_proto::{Cursor, PartitionId};
use parley_runtime::shutdown::Shutdown;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use self::{progress::ProgressBar, whole_log::WholeLog};
use crate::{
    config::{Config, StoreUrl},
    dead_letters::Letters,
    engines::{OpenLog, OpenStore},
    running,
};

mod progress;
mod whole_log;

/// Between two looks how far it is.
const LOOK: Duration = Duration::from_millis(20);
/// Of one transaction over whole tables.
const BATCH_DEADLINE: Duration = Duration::from_secs(3_600);
/// Rows taken over in one transaction.
const PIECE: usize = 1_000;

/// What to make, of what.
#[derive(Debug)]
pub(crate) struct RebuildOptions {
    /// The new store; without one, PARLEY_STORE_URL, of which there is no old one then.
    pub(crate) into: Option<StoreUrl>,
    /// The old store is lost, or not to be trusted.
    pub(crate) log_alone: bool,
}

/// Makes it, and says what it came to.
pub(crate) async fn rebuild(config: Config, options: RebuildOptions) -> anyhow::Result<()> {
    let shutdown = Shutdown::new(config.drain_deadline);
    shutdown.on_signals()?;
    let old = (options.into.is_some() && !options.log_alone).then_some(&config.store);
    let into = options.into.as_ref().unwrap_or(&config.store);
    ensure!(options.into.as_ref() != Some(&config.store), "--into names the store that PARLEY_STORE_URL names: a rebuild makes another one");
    let log = OpenLog::open(&config).await?;
    let rebuilt = tokio::select! {
        rebuilt = with_stores(&config, &log, into, old) => rebuilt,
        () = shutdown.soft().cancelled() => Err(anyhow::anyhow!("stopped; do it again, and it goes on where it was")),
    };
    log.close().await;
    rebuilt
}

async fn with_stores(config: &Config, log: &OpenLog, into: &StoreUrl, old: Option<&StoreUrl>) -> anyhow::Result<()> {
    // An embedded log holds its folder's lock, in which the stores may lie as well.
    let locked = matches!(log, OpenLog::Embedded(_)).then_some(config.log.folder.as_path());
    let patient = PostgresConfig { schema: Schema::Migrate, call_deadline: BATCH_DEADLINE, batch_deadline: BATCH_DEADLINE, ..PostgresConfig::default() };
    let old = match old {
        Some(url) => {
            ensure!(exists(url), "there is no old store at PARLEY_STORE_URL: --log-alone does without it");
            Some(OpenStore::open(url, PostgresConfig::default(), locked).await.context("the old store can't be read: --log-alone does without it")?)
        }
        None => None,
    };
    let new = OpenStore::open(into, patient, locked).await.context("the new store")?;
    let rebuilt = make(config, &log.port(), &new.port(), old.as_ref().map(OpenStore::port).as_deref()).await;
    new.close().await;
    if let Some(old) = old {
        old.close().await;
    }
    rebuilt
}

/// A file would be made where it is missing.
fn exists(url: &StoreUrl) -> bool {
    match url {
        StoreUrl::Sqlite(path) => path.exists(),
        StoreUrl::Postgres(_) => true,
    }
}

async fn make(config: &Config, log: &Arc<dyn Log>, new: &Arc<dyn Upkeep>, old: Option<&dyn Upkeep>) -> anyhow::Result<()> {
    ensure!(new.accounts_after(None, 1).await?.is_empty(), "the store has accounts: a rebuild makes a new one, give it an empty one by --into");
    ensure_from_the_beginning(&**log).await?;
    let refused = match old {
        Some(old) => {
            let waiting = old.outbox_partitions().await?;
            ensure!(
                waiting.is_empty(),
                "changes of rooms and members are in the old store's outbox and not in the log yet: let a persister end its work first"
            );
            refusals(old).await?
        }
        None => Refusals::new(),
    };
    let started = Instant::now();
    let repeated = repeat(config, log, new, refused).await?;
    let seconds = started.elapsed().as_secs_f64();
    println!("{repeated} records repeated in {seconds:.1} s ({:.0}/s)", repeated as f64 / seconds);
    ensure_conserved(&**new).await?;
    if let Some(old) = old {
        ensure_one_log(&**new, old).await?;
        take_over_marks(&**new, old).await?;
        take_over_roster(&**new, old).await?;
    }
    new.claim_names().await?;
    let known = match old {
        Some(old) => take_over_accounts(&**new, old).await?,
        None => 0,
    };
    let strangers = new.import_strangers().await?;
    println!("{known} accounts taken over from the old store; {strangers} more are named in the log and have no password");
    Ok(())
}

/// Retention may have taken the beginning, and what nobody has served on yet has none.
async fn ensure_from_the_beginning(log: &dyn Log) -> anyhow::Result<()> {
    for partition in (0..log.partitions()).map(PartitionId) {
        match log.read(partition, Cursor::ZERO, ReadMax { records: 1, bytes: 1 }).await {
            Ok(records) => ensure!(!records.is_empty(), "partition {partition} of the log is empty: nothing was served on it yet"),
            Err(LogError::OutOfRange { first, .. }) => {
                bail!(
                    "partition {partition} of the log begins at {first}, what was before is not kept: restore an older snapshot of the store, it catches up from there"
                )
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// What the old store's database said no to. What no reader can read is found again.
async fn refusals(old: &dyn Upkeep) -> anyhow::Result<Refusals> {
    let mut refused = Refusals::new();
    for state in old.partitions().await? {
        let mut letters = Letters::of(state.partition);
        while let Some(piece) = letters.next(old).await? {
            refused.extend(piece.iter().filter_map(|letter| Some(((letter.partition, letter.position), letter.refusal()?.to_owned()))));
        }
    }
    Ok(refused)
}

/// Has the persister repeat the log up to where it ends now; how many records were missing.
async fn repeat(config: &Config, log: &Arc<dyn Log>, new: &Arc<dyn Upkeep>, refused: Refusals) -> anyhow::Result<u64> {
    let mut ends = Vec::new();
    for partition in (0..log.partitions()).map(PartitionId) {
        ends.push((partition, log.end(partition).await?));
    }
    let total = ends.iter().map(|(_, end)| end.0).sum();
    let before = stored(&**new, &ends).await?;
    let stop = CancellationToken::new();
    let _stops_with_this = stop.clone().drop_guard();
    let persister_config = PersisterConfig { refused: Arc::new(refused), ..config.persister.clone() };
    let persister =
        Persister::start(Arc::new(WholeLog::new(Arc::clone(log))), Arc::new(EmbeddedBus::new()), Arc::clone(new) as _, persister_config, stop.clone());
    let mut bar = ProgressBar::new(total, before);
    loop {
        let stopped = persister.status().stopped();
        ensure!(stopped.is_empty(), "the persister has stopped: {}", running::name_stopped(&stopped));
        let stored = stored(&**new, &ends).await?;
        bar.show(stored);
        if stored == total {
            break;
        }
        sleep(LOOK).await;
    }
    bar.end();
    stop.cancel();
    persister.finished().await;
    Ok(total - before)
}

/// How many of the records below `ends` the store has.
async fn stored(store: &dyn Upkeep, ends: &[(PartitionId, Cursor)]) -> anyhow::Result<u64> {
    let states = store.partitions().await?;
    let next = |partition| states.iter().find(|state| state.partition == partition).map_or(Cursor::ZERO, |state| state.next);
    Ok(ends.iter().map(|(partition, end)| next(*partition).min(*end).0).sum())
}

async fn ensure_conserved(new: &dyn Upkeep) -> anyhow::Result<()> {
    for state in new.partitions().await? {
        let (outcomes, next) = (state.outcomes, state.next);
        ensure!(outcomes.consumed() == next.0, "partition {}: {} records were consumed, {outcomes:?} were counted", state.partition, next);
    }
    Ok(())
}

async fn ensure_one_log(new: &dyn Upkeep, old: &dyn Upkeep) -> anyhow::Result<()> {
    let (new, old) = (new.partitions().await?, old.partitions().await?);
    let same = old.iter().all(|old| new.iter().any(|new| new.partition == old.partition && new.log_id == old.log_id));
    ensure!(same, "the store at PARLEY_STORE_URL is another log's: nothing was taken over from it");
    Ok(())
}

async fn take_over_marks(new: &dyn Upkeep, old: &dyn Upkeep) -> anyhow::Result<()> {
    for state in old.partitions().await? {
        let mut letters = Letters::of(state.partition);
        while let Some(piece) = letters.next(old).await? {
            for (letter, to) in piece.iter().filter_map(|letter| Some((letter, letter.redriven?))) {
                new.mark_redriven(letter.partition, letter.position, to).await?;
            }
        }
    }
    Ok(())
}

async fn take_over_roster(new: &dyn Upkeep, old: &dyn Upkeep) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let rows = old.roster_after(after, PIECE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = Some((last.room.id, last.member.user));
        new.import_roster(&rows).await?;
    }
}

async fn take_over_accounts(new: &dyn Upkeep, old: &dyn Upkeep) -> anyhow::Result<usize> {
    let (mut after, mut taken) = (None, 0);
    loop {
        let accounts = old.accounts_after(after, PIECE).await?;
        let Some(last) = accounts.last() else { return Ok(taken) };
        after = Some(last.id);
        taken += new.import_accounts(&accounts).await?;
        let ids: Vec<_> = accounts.iter().map(|account| account.id).collect();
        new.import_rights(&old.rights_versions(&ids).await?).await?;
    }
}
