//! `up`: a supervisor in the background, followed until everything serves.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write, stdout},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use parley_cluster::{
    install::{self, Need},
    kafka::jars,
    process::ProcessId,
};

use super::{Options, state::ClusterState, status};

/// Between two looks at the supervisor's log.
const LOOK: Duration = Duration::from_millis(100);

/// Everything that a whole cluster needs; installed here, in sight.
const NEEDS: &[Need] = &[Need::Setpriv, Need::Java, Need::Redis, Need::Postgres, Need::Nginx, Need::Prometheus];

/// Returns once all of it serves. If it runs already, says so, and that is all.
pub(crate) fn run(dir: &Path, options: &Options) -> anyhow::Result<()> {
    if let Ok(state) = status::running(dir) {
        println!("this cluster runs already: `{} down` stops it", program());
        print!("{}", status::table(&state));
        return Ok(());
    }
    install::ensure(NEEDS)?;
    jars::ensure()?;
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let log = dir.join("supervisor.log");
    let file = File::create(&log).with_context(|| log.display().to_string())?;
    let mut supervisor = Command::new(std::env::current_exe()?)
        // The same options: they may come from the command line.
        .args(std::env::args_os().skip(1).map(|arg| if arg == "up" { "serve".into() } else { arg }))
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    follow(dir, &log, &mut supervisor)?;
    println!("\neverything serves; logs and data are in {}", dir.display());
    println!("  web app and API   http://{}", options.web());
    println!("  what runs, live   {} watch", program());
    println!("  stop              {} down", program());
    Ok(())
}

/// As it was called.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "cluster".to_owned())
}

/// Shows the supervisor's log until everything serves; fails when it ends before.
fn follow(dir: &Path, log: &Path, supervisor: &mut Child) -> anyhow::Result<()> {
    let id = ProcessId::of(supervisor.id());
    let mut shown = 0;
    loop {
        let ended = supervisor.try_wait()?;
        let started = ClusterState::read(dir)?.is_some_and(|state| state.started && Some(state.supervisor) == id);
        shown += show_from(log, shown)?;
        if let Some(status) = ended {
            bail!("the supervisor ended ({status}); what it said is above");
        }
        if started {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}

fn show_from(log: &Path, offset: u64) -> anyhow::Result<u64> {
    let mut file = File::open(log)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut news = Vec::new();
    file.read_to_end(&mut news)?;
    stdout().write_all(&news)?;
    stdout().flush()?;
    Ok(news.len() as u64)
}
