//! A short run of `loadtest chaos` on a cluster of its own: what people were told and what is left are checked against the log.

use std::path::PathBuf;

use parley_cluster::cluster::Brokers;
use parley_loadtest::{
    chaos::{Length, Plan, run},
    check::Verdict,
    people::SAY,
};

/// Test machines are small, and do other things: three times what GUARANTEES.md promises.
const SLACK: u32 = 3;

pub(crate) async fn everything_is_killed_once_while_people_use_it() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        folder: folder.path().to_owned(),
        seed: rand::random::<u32>().into(),
        length: Length::Smoke,
        people: 16,
        rooms: 4,
        rate: 60.0,
        say: SAY,
        gateways: 2,
        persisters: 2,
        brokers: Brokers::One,
        slack: SLACK,
        parley_bin: Some(PathBuf::from(env!("CARGO_BIN_EXE_parley"))),
    };
    let outcome = run(&plan).await.unwrap();
    println!("{outcome}");
    // Unknown is not invalid: on a machine that is slow enough too little may be reached.
    assert_ne!(outcome.verdict(), Verdict::Invalid, "{outcome}");
}
