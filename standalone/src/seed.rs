//! `parley seed-demo`: real messages for the product to run on, through the log, the persister and the store, like everybody's.
//!
//! An import can be repeated, also after a kill: every message's identity follows from its line, and before a message is appended the store is asked
//! for it, once it has everything that the log has. The file is read into memory as a whole.

use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, path::PathBuf};

use anyhow::{Context, bail};
use parley_engines::store::Store;
use parley_runtime::shutdown::Shutdown;
use tokio::time::Instant;

use self::{rooms::DemoRoom, source::Source};
use crate::{
    config::Config,
    engines::{self, Engines},
    running::Running,
    stdout,
};

mod append;
mod ids;
mod people;
mod progress;
mod rooms;
mod source;

/// What to take.
#[derive(Debug)]
pub(crate) struct SeedOptions {
    /// JSON lines, gzipped.
    pub(crate) file: PathBuf,
    /// How many messages at most.
    pub(crate) messages: usize,
    /// Who gets passwords besides the demo person.
    pub(crate) talkers: Option<Talkers>,
}

/// The first so many authors, who can sign in from now on; a file for whoever lets them talk.
#[derive(Debug)]
pub(crate) struct Talkers {
    pub(crate) count: usize,
    pub(crate) file: PathBuf,
}

/// Imports, says what it did, and how to sign in.
pub(crate) async fn seed_demo(config: Config, options: &SeedOptions) -> anyhow::Result<()> {
    let shutdown = Shutdown::new(config.drain_deadline);
    shutdown.on_signals()?;
    let started = Instant::now();
    let source = source::open(&options.file, options.messages)?;
    let engines = Engines::open(&config).await?;
    let running = match engines::ensure_shared(&config) {
        Ok(()) => Running::beside_others(engines),
        Err(_) => Running::start(engines, &config),
    };
    let seeded = tokio::select! {
        seeded = seed(&running, &source, options.talkers.as_ref()) => seeded,
        () = shutdown.soft().cancelled() => bail!("stopped; seed again, and it goes on where it was"),
    };
    running.end().await;
    report(&source, &seeded?, started);
    Ok(())
}

/// What an import came to.
#[derive(Debug)]
struct Seeded {
    added: usize,
    /// With how many messages each has now.
    rooms: Vec<(DemoRoom, u64)>,
    password: String,
}

async fn seed(running: &Running, source: &Source, talkers: Option<&Talkers>) -> anyhow::Result<Seeded> {
    let store = &*running.engines.store;
    running.caught_up().await?;
    let plan = rooms::plan(&source.messages, rooms::FIRST_ROOM_MESSAGES);
    people::import(store, source, &plan).await?;
    // The line that says who made a room stands above its first message.
    running.outbox_empty().await?;
    let added = append::append(running, source, &plan).await?;
    running.caught_up().await?;
    let password = people::set_new_password(store, people::DEMO_USER_NAME).await?.password;
    if let Some(talkers) = talkers {
        give_passwords(store, source, talkers).await?;
    }
    let rooms = rooms::counted(store, plan.rooms).await?;
    Ok(Seeded { added, rooms, password })
}

/// Writes them to a file that only its owner can read.
async fn give_passwords(store: &dyn Store, source: &Source, talkers: &Talkers) -> anyhow::Result<()> {
    let mut credentials = Vec::new();
    for person in source.people.iter().take(talkers.count) {
        credentials.push(people::set_new_password(store, &person.user_name).await?);
    }
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&talkers.file);
    let file = file.with_context(|| talkers.file.display().to_string())?;
    serde_json::to_writer(file, &credentials).with_context(|| talkers.file.display().to_string())
}

fn report(source: &Source, seeded: &Seeded, started: Instant) {
    let (total, seconds) = (source.messages.len(), started.elapsed().as_secs_f64());
    stdout::tell(format_args!("{} messages added in {seconds:.1} s, {} were there already", seeded.added, total - seeded.added));
    for (room, messages) in &seeded.rooms {
        stdout::tell(format_args!("  {:<14} {messages:>7} messages", room.name));
    }
    let skipped = &source.skipped;
    stdout::tell(format_args!(
        "  skipped: {} blank, {} too long, {} invalid; {} lines are no messages",
        skipped.blank, skipped.too_long, skipped.invalid, skipped.other_kinds
    ));
    stdout::tell(format_args!("  {} people wrote them\n", source.people.len()));
    stdout::tell(format_args!("sign in as  {}", people::DEMO_USER_NAME));
    stdout::tell(format_args!("password    {}", seeded.password));
}
