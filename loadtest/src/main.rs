//! `loadtest`: see `loadtest --help`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::{Args, Parser, Subcommand};
use parley_cluster::cluster::Brokers;
use parley_loadtest::{
    chaos::{self, Length},
    check::Verdict,
    people::SAY,
    talk::{self, Plan, Summary},
    texts,
    verify::{Deployment, verify},
};

#[derive(Debug, Parser)]
#[command(version, about = "Users over real sockets, and a check of everything that they left behind")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Let people talk over sockets until so many messages are acked.
    Talk {
        /// Where people connect.
        #[arg(long, default_value = "http://127.0.0.1:8080")]
        url: String,
        /// Who: a JSON array of {user_name, password}, as `parley seed-demo --talkers-file` writes it.
        #[arg(long)]
        people: PathBuf,
        #[arg(long, default_value_t = 10_000)]
        messages: u64,
        /// Votes on what others say, meanwhile.
        #[arg(long, default_value_t = 5_000)]
        votes: u64,
        /// What they say: JSON lines, gzipped, with kind and body.
        #[arg(long, default_value = "data/ubuntu-irc.jsonl.gz")]
        texts: PathBuf,
    },
    /// Start a cluster of its own, let people use it while parts of it are killed, held, cut off and emptied, and check what they were told and what is left.
    /// Exits with 1 where a promise was broken, with 2 where too little was reached to say anything.
    Chaos(ChaosOptions),
    /// Compare log, store and bus of a deployment, record by record and row by row. Exits with 1 where anything differs.
    Verify {
        #[command(flatten)]
        deployment: DeploymentOptions,
        /// Seconds to wait until the store has what the log has.
        #[arg(long, default_value_t = 60)]
        patience_s: u64,
    },
}

#[derive(Debug, Args)]
struct ChaosOptions {
    #[arg(long, env = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=24 * 60))]
    minutes: u64,
    /// Each component is killed once, and that is all: three minutes at most.
    #[arg(long)]
    smoke: bool,
    /// Repeats a schedule; a new one by default.
    #[arg(long, env = "SEED")]
    seed: Option<u64>,
    #[arg(long, env = "PEOPLE", default_value_t = 48)]
    people: usize,
    #[arg(long, env = "ROOMS", default_value_t = 6)]
    rooms: usize,
    /// Things that people do in a second, all together.
    #[arg(long, env = "RATE", default_value_t = 120.0)]
    rate: f64,
    /// How often that is to say something: so often, while everything else together comes 300 times.
    #[arg(long, env = "SAY", default_value_t = SAY)]
    say: u32,
    #[arg(long, env = "GATEWAYS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=8))]
    gateways: u16,
    #[arg(long, env = "PERSISTERS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=4))]
    persisters: u16,
    /// 1, or 3 with replication.
    #[arg(long, env = "BROKERS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=3))]
    brokers: u8,
    /// The promised times are multiplied by this, where the machine does other things as well.
    #[arg(long, env = "SLACK", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10))]
    slack: u32,
    /// Where data, logs and histories of the run go; removed first. What is left there after a run can be looked at.
    #[arg(long, env = "CHAOS_DIR", default_value = ".parley/chaos")]
    folder: PathBuf,
}

impl ChaosOptions {
    fn into_plan(self) -> chaos::Plan {
        chaos::Plan {
            folder: self.folder,
            seed: self.seed.unwrap_or_else(|| rand::random::<u32>().into()),
            length: if self.smoke { Length::Smoke } else { Length::Time(Duration::from_secs(60 * self.minutes)) },
            people: self.people,
            rooms: self.rooms,
            rate: self.rate,
            say: self.say,
            gateways: self.gateways.into(),
            persisters: self.persisters.into(),
            brokers: if self.brokers == 1 { Brokers::One } else { Brokers::Three },
            slack: self.slack,
            parley_bin: None,
        }
    }
}

/// The product's own settings.
#[derive(Debug, Args)]
struct DeploymentOptions {
    #[arg(long, env = "PARLEY_LOG_URL", hide_env_values = true)]
    log_url: String,
    #[arg(long, env = "PARLEY_BUS_URL", hide_env_values = true)]
    bus_url: String,
    #[arg(long, env = "PARLEY_STORE_URL", hide_env_values = true)]
    store_url: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Talk { url, people, messages, votes, texts } => {
            let json = std::fs::read(&people).with_context(|| people.display().to_string())?;
            let people = serde_json::from_slice(&json).with_context(|| people.display().to_string())?;
            let texts = texts::read(&texts, usize::try_from(messages).unwrap_or(usize::MAX))?;
            show(&talk::talk(&Plan { url, people, messages, votes, texts }).await?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Chaos(options) => {
            let plan = options.into_plan();
            clear(&plan.folder)?;
            let outcome = chaos::run(&plan).await?;
            print!("{outcome}");
            Ok(match outcome.verdict() {
                Verdict::Valid => ExitCode::SUCCESS,
                Verdict::Invalid => ExitCode::FAILURE,
                Verdict::Unknown => ExitCode::from(2),
            })
        }
        Command::Verify { deployment: DeploymentOptions { log_url, bus_url, store_url }, patience_s } => {
            let report = verify(&Deployment { log_url, bus_url, store_url }, Duration::from_secs(patience_s)).await?;
            print!("{report}");
            println!("\n{}", if report.holds() { "everything agrees" } else { "THERE ARE DIFFERENCES" });
            Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// Removes what an earlier run left, and nothing that is not one.
fn clear(folder: &Path) -> anyhow::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let is_a_run = folder.join("histories").is_dir() || std::fs::read_dir(folder)?.next().is_none();
    ensure!(is_a_run, "{} is no folder of an earlier run; choose another one", folder.display());
    std::fs::remove_dir_all(folder).with_context(|| folder.display().to_string())
}

fn show(summary: &Summary) {
    let Summary { acked, votes, gateways, unknown, rejected, resumed, received, median, p99, took } = summary;
    println!("{votes} votes on them acked; {} gateways served: {}", gateways.len(), Vec::from_iter(gateways.iter().map(String::as_str)).join(", "));
    println!("{acked} messages acked in {:.1} s ({:.0}/s), {received} received", took.as_secs_f64(), *acked as f64 / took.as_secs_f64());
    println!("send to ack: median {:.1} ms, p99 {:.1} ms", median.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3);
    println!("{rejected} refused with a hint, {unknown} unknown at first, {resumed} resumes");
}
