//! `cluster`: the real services and the product's processes on this machine, in the background, until `cluster down`.
//!
//! `up` starts a supervisor (this program again, as `serve`) that holds the [`parley_cluster::Cluster`], writes what runs where into `state.json` in the
//! data folder, and takes faults over `control.sock` beside it.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::cli::{Options, control::Fault};

mod cli;

#[derive(Debug, Parser)]
#[command(name = "cluster", version, about = "Parley on real Kafka, Redis, Postgres and NGINX, on this machine")]
struct Cli {
    /// Data, logs and state of this cluster.
    #[arg(long, global = true, env = "CLUSTER_DIR", default_value = ".parley/cluster")]
    dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything, wait until it serves, say where. It goes on in the background.
    Up {
        #[command(flatten)]
        options: Options,
        /// Stay here, show what happens, stop everything at Ctrl-C.
        #[arg(long)]
        foreground: bool,
    },
    /// What `up` runs in the background.
    #[command(hide = true)]
    Serve {
        #[command(flatten)]
        options: Options,
    },
    /// What runs where.
    Status,
    /// The same, live, until Ctrl-C.
    Watch,
    /// Break something on purpose.
    Fault {
        fault: Fault,
        /// As `status` shows it: gateway-1, kafka-1, redis, …
        name: String,
    },
    /// The product's settings for this cluster, for a shell: `eval "$(cluster env)"`.
    Env,
    /// Stop this cluster, and nothing else. The data stays.
    Down,
}

fn main() -> ExitCode {
    let Cli { dir, command } = Cli::parse();
    let done = match command {
        Command::Up { options, foreground: true } | Command::Serve { options } => cli::serve::run(&dir, options),
        Command::Up { options, foreground: false } => cli::up::run(&dir, &options),
        Command::Status => cli::status::show(&dir),
        Command::Watch => cli::status::watch(&dir),
        Command::Fault { fault, name } => cli::control::send(&dir, fault, &name),
        Command::Env => cli::status::env(&dir),
        Command::Down => cli::down::run(&dir),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}
