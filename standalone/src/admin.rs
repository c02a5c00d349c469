//! `parley admin`: who is an administrator. The first one can be made by nobody else than whoever operates the server.

use anyhow::{bail, ensure};
use clap::Subcommand;
use parley_engines::store::Store;
use parley_gateway::accounts::names;

use crate::{config::Config, engines::Engines};

/// What `parley admin` can be told.
#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Make somebody with an account an administrator.
    Grant { user_name: String },
    /// Somebody is no administrator any more.
    Revoke { user_name: String },
    /// Name all administrators.
    List,
}

/// Does it, and says what is so now. An embedded store has one process: the server has to be stopped for it, and says so.
pub(crate) async fn admin(config: &Config, command: AdminCommand) -> anyhow::Result<()> {
    let engines = Engines::open(config).await?;
    let done = run(&*engines.store, command).await;
    engines.close().await;
    done
}

async fn run(store: &dyn Store, command: AdminCommand) -> anyhow::Result<()> {
    match command {
        AdminCommand::Grant { user_name } => set(store, &user_name, true).await,
        AdminCommand::Revoke { user_name } => set(store, &user_name, false).await,
        AdminCommand::List => {
            for account in store.admins().await? {
                println!("{}", account.user_name);
            }
            Ok(())
        }
    }
}

async fn set(store: &dyn Store, typed: &str, is_admin: bool) -> anyhow::Result<()> {
    let Ok(user_name) = names::user_name(typed) else { bail!("{typed:?} can't be a user name") };
    ensure!(store.set_admin(&user_name, is_admin).await?, "nobody is called {user_name}: sign up first");
    println!("{user_name} is {}", if is_admin { "an administrator" } else { "no administrator" });
    Ok(())
}
