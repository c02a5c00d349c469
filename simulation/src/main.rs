//! The simulation: the product's real gateways and persisters under a seeded scheduler, on engines in memory that lose, repeat, empty, roll back and stall
//! as PROTOCOL.md allows, with clients that keep to the client's rules over the real socket protocol. One process is one run of one seed: see [`reality`].
//!
//! It does not simulate Kafka, Redis or a database: what those do beyond their ports is for the tests on the real cluster.

mod bugs;
mod client;
mod dice;
mod driver;
mod engines;
mod network;
mod process;
mod reality;
mod run;
mod sabotage;
mod schedule;
mod truth;
mod verdict;
mod world;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Runs the product's own code under seeds: the same seed is the same run")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One seed, in this process.
    Run(run::RunArguments),
    /// Many seeds, each in a process of its own.
    Many(driver::ManyArguments),
    /// Every bug that is put in on purpose, until it is caught.
    Bugs(driver::BugsArguments),
    /// Finds a smaller schedule that still fails.
    Shrink(driver::ShrinkArguments),
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    match Arguments::parse().command {
        Command::Run(arguments) => run::main(&arguments),
        Command::Many(arguments) => driver::many(&arguments),
        Command::Bugs(arguments) => driver::bugs(&arguments),
        Command::Shrink(arguments) => driver::shrink(&arguments),
    }
}
