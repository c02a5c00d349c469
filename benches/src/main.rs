//! `bench`: the product beside what the machine could do at best, in the same run. Never a test: nothing here passes or fails by its speed.
//!
//! Every measure has a limit, which does the same work with nothing around it. Product and limit take turns, and what counts is their ratio, over at least
//! five rounds; what others do on the machine meanwhile then hits both. A measure that was not run is said to be not run.

use std::path::Path;

use anyhow::ensure;
use clap::{Parser, Subcommand};

use crate::{
    measures::{ALL, Context, Scale},
    report::Report,
};

mod backlog;
mod bare;
mod bodies;
mod broadcaster;
mod child;
mod cpu;
mod crowd;
mod deployment;
mod draining;
mod machine;
mod measures;
mod people;
mod report;
mod republisher;
mod rows;
mod stats;
mod talk;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");

#[derive(Debug, Parser)]
#[command(version, about = "The product beside what the machine could do at best")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure, and write what it came to into docs/benchmarks.md.
    Run {
        /// Only these measures, separated by commas; all by default.
        #[arg(long, value_delimiter = ',')]
        only: Vec<String>,
        /// Small and short, and nothing is written: whether the benchmark works.
        #[arg(long)]
        small: bool,
        /// Rows of the large history of `growth-history`. Ten millions take long, and room for them in Kafka and in Postgres.
        #[arg(long, default_value_t = 1_000_000)]
        history: usize,
    },
    /// The limit of delivery, as a process of its own.
    #[command(hide = true)]
    Broadcaster,
    /// The limit of rooms, as a process of its own.
    #[command(hide = true)]
    Republisher { redis: String },
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Run { only, small, history } => run(&only, if small { Scale::Small } else { Scale::Full }, history),
        Command::Broadcaster => broadcaster::serve(),
        Command::Republisher { redis } => republisher::serve(&redis),
    }
}

fn run(only: &[String], scale: Scale, history: usize) -> anyhow::Result<()> {
    let unknown: Vec<_> = only.iter().filter(|name| ALL.iter().all(|measure| measure.name != *name)).collect();
    ensure!(unknown.is_empty(), "no such measure: {unknown:?}; there are {}", ALL.iter().map(|measure| measure.name).collect::<Vec<_>>().join(", "));
    let folder = tempfile::Builder::new().prefix("parley-bench-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let context = Context { runtime, folder: folder.path().to_owned(), scale, history };
    let mut failed = Vec::new();
    for measure in ALL.iter().filter(|measure| only.is_empty() || only.iter().any(|name| name == measure.name)) {
        println!("{} ({})", measure.title, measure.name);
        let measured = match (measure.run)(&context) {
            Ok(measured) => measured,
            Err(error) => {
                println!("  failed: {error:#}");
                failed.push(measure.name);
                continue;
            }
        };
        if scale == Scale::Full {
            // After each: a run that is cut short has said what it had.
            let mut report = Report::load(Path::new(DOCS))?;
            report.put(measure.name, measured);
            report.save(Path::new(DOCS), &ALL.iter().map(|measure| (measure.name, measure.title)).collect::<Vec<_>>())?;
        }
    }
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}
