//! Parley in one process, on any engines; and the commands of its operators.
//!
//! `parley` reads its settings, opens the engines, starts the persister, then the gateway ([`serve`]); it ends the other way round. What a message goes
//! through on the way is told by the crates that it goes through.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand};
use parley_runtime::env::ConfigErrors;

use crate::{
    config::{Config, StoreUrl},
    dead_letters::LetterId,
    rebuild::RebuildOptions,
    seed::{SeedOptions, Talkers},
    stdout::NotShown,
};

mod admin;
mod config;
mod dead_letters;
mod engines;
mod healthcheck;
mod obstacles;
mod rebuild;
mod running;
mod seed;
mod serve;
mod stdout;
mod token_key;

/// The C library's own keeps some of argon2's 19 MiB for each thread that ever ran it: over a gibibyte after a hundred sign-ups.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long what still runs on other threads may hold up the end of the process.
const RUNTIME_END: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
#[command(name = "parley", version, about = "A chat server. Settings are PARLEY_* variables: `parley check-config --example` lists them.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Default, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C (the default).
    #[default]
    Serve,
    /// Serve as one gateway of several, on Kafka, Redis and Postgres.
    Gateway,
    /// Persist, beside gateways of their own.
    Persister,
    /// Ask the process that these settings are of whether it is ready; ends with 1 if it is not.
    Healthcheck,
    /// Make the log's topic and bring the store's schema up to date.
    Migrate,
    /// Make a new store from the log, equal to the old one; credentials come from the old one alone.
    Rebuild {
        /// The new store, sqlite:PATH or postgres://…, empty. PARLEY_STORE_URL is the old one then; without this it is the new one.
        #[arg(long)]
        into: Option<StoreUrl>,
        /// Take nothing over from an old store: accounts have no passwords then.
        #[arg(long)]
        log_alone: bool,
    },
    /// What the store could not take: look at it, have the store try again.
    DeadLetters {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// Put real messages, their authors and a demo person into the data folder. Doing it again adds nothing, and gives the demo person a new password.
    SeedDemo {
        /// JSON lines, gzipped: at, kind, nick, body.
        #[arg(long, default_value = "data/ubuntu-irc.jsonl.gz")]
        file: PathBuf,
        /// How many messages to take from the file's start.
        #[arg(long, default_value_t = 200_000)]
        messages: usize,
        /// Give the first so many authors passwords as well, and write them to --talkers-file.
        #[arg(long, requires = "talkers_file")]
        talkers: Option<usize>,
        #[arg(long, requires = "talkers")]
        talkers_file: Option<PathBuf>,
    },
    /// Say who is an administrator.
    Admin {
        #[command(subcommand)]
        command: admin::AdminCommand,
    },
    /// Read the settings, name every mistake, do nothing else.
    CheckConfig {
        /// Print every setting with its default, as .env.example has them.
        #[arg(long)]
        example: bool,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetters {
    /// One line for each: place, size, when it was sent, kind, reason.
    List {
        /// Those that were driven once more as well.
        #[arg(long)]
        redriven: bool,
    },
    /// Everything that is known of one: reason, fields as far as they can be read, bytes.
    Show {
        /// PARTITION:POSITION
        id: LetterId,
    },
    /// Append it once more, so that the store tries again; nothing is doubled, whatever happens meanwhile.
    Redrive {
        /// PARTITION:POSITION
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<LetterId>,
        /// Every one that any reader can read and that was not driven once more.
        #[arg(long)]
        all: bool,
    },
}

fn main() -> ExitCode {
    let command = Cli::parse().command.unwrap_or_default();
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.downcast_ref().is_some_and(NotShown::reader_is_gone) => ExitCode::SUCCESS,
        Err(error) => {
            // There may be nobody to tell.
            let _ = writeln!(io::stderr(), "parley: {error:#}");
            ExitCode::from(if error.is::<ConfigErrors>() { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    if let Command::CheckConfig { example: true } = command {
        return Ok(stdout::show_text(config::example())?);
    }
    let config = Config::from_process()?;
    parley_runtime::telemetry::init(&config.logging)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let ended = match command {
        Command::Serve => runtime.block_on(serve::serve(config, serve::Roles::Both)),
        Command::Gateway => runtime.block_on(serve::serve(config, serve::Roles::Gateway)),
        Command::Persister => runtime.block_on(serve::serve(config, serve::Roles::Persister)),
        Command::Healthcheck => runtime.block_on(healthcheck::healthcheck(config.admin_listen, healthcheck::DEADLINE)),
        Command::Migrate => runtime.block_on(engines::migrate(&config)),
        Command::Rebuild { into, log_alone } => runtime.block_on(rebuild::rebuild(config, RebuildOptions { into, log_alone })),
        Command::DeadLetters { command } => runtime.block_on(async {
            match command {
                DeadLetters::List { redriven } => dead_letters::list(&config, redriven).await,
                DeadLetters::Show { id } => dead_letters::show(&config, id).await,
                DeadLetters::Redrive { id, .. } => dead_letters::redrive(config, id).await,
            }
        }),
        Command::SeedDemo { file, messages, talkers, talkers_file } => {
            let talkers = talkers.zip(talkers_file).map(|(count, file)| Talkers { count, file });
            runtime.block_on(seed::seed_demo(config, &SeedOptions { file, messages, talkers }))
        }
        Command::Admin { command } => runtime.block_on(admin::admin(&config, command)),
        Command::CheckConfig { .. } => {
            stdout::tell("the settings are fine");
            Ok(())
        }
    };
    runtime.shutdown_timeout(RUNTIME_END);
    ended
}
