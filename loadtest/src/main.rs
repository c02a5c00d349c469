//! `loadtest`: see `loadtest --help`.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use parley_loadtest::{
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
    /// Compare log, store and bus of a deployment, record by record and row by row. Exits with 1 where anything differs.
    Verify {
        #[command(flatten)]
        deployment: DeploymentOptions,
        /// Seconds to wait until the store has what the log has.
        #[arg(long, default_value_t = 60)]
        patience_s: u64,
    },
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
        Command::Verify { deployment: DeploymentOptions { log_url, bus_url, store_url }, patience_s } => {
            let report = verify(&Deployment { log_url, bus_url, store_url }, Duration::from_secs(patience_s)).await?;
            print!("{report}");
            println!("\n{}", if report.holds() { "everything agrees" } else { "THERE ARE DIFFERENCES" });
            Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn show(summary: &Summary) {
    let Summary { acked, votes, gateways, unknown, rejected, resumed, received, median, p99, took } = summary;
    println!("{votes} votes on them acked; {} gateways served: {}", gateways.len(), Vec::from_iter(gateways.iter().map(String::as_str)).join(", "));
    println!("{acked} messages acked in {:.1} s ({:.0}/s), {received} received", took.as_secs_f64(), *acked as f64 / took.as_secs_f64());
    println!("send to ack: median {:.1} ms, p99 {:.1} ms", median.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3);
    println!("{rejected} refused with a hint, {unknown} unknown at first, {resumed} resumes");
}
