//! What stops a start, and how a process ends.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, path::Path, process::Output};

use parley_cluster::Postgres;
use parley_engines::{
    log::{
        LogReader,
        embedded::{EmbeddedLog, EmbeddedLogConfig},
    },
    store::{projection::Partitions, sqlite::SqliteStore},
};

use sqlx::{Connection, PgConnection, SqliteConnection};

use crate::{
    client::Person,
    support::{Parley, command},
};

/// Starts with these settings what is expected not to start.
fn refused(folder: &Path, settings: &[(&str, &str)]) -> (Option<i32>, String) {
    refused_command(folder, &["serve"], settings)
}

fn refused_command(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } =
        command(folder).args(arguments).envs(settings.iter().copied()).env("PARLEY_LOG", "off").stderr(std::process::Stdio::piped()).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn mistakes_in_the_settings_are_named_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("PARLEY_LISTEN", "somewhere"),
        ("PARLEY_LOG_URL", "nats://broker/topic"),
        ("PARLEY_STORE_URL", "mysql://hunter2@host"),
        ("PARLEY_TOKEN_KEY", "hunter2"),
        ("PARLEY_DRAIN_DEADLINE", "soon"),
        ("PARLEY_LISTENN", "127.0.0.1:0"),
    ];
    let (code, said) = refused(folder.path(), &settings);
    assert_eq!(code, Some(2), "{said}");
    assert_eq!(said.lines().count(), 1 + settings.len(), "{said}");
    assert!(settings.iter().all(|(name, _)| said.lines().any(|line| line.trim().starts_with(&format!("{name} ")))), "{said}");
    assert!(said.contains("did you mean PARLEY_LISTEN?") && !said.contains("hunter2"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was touched");
}

#[test]
fn check_config_tells_right_from_wrong_and_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(command(folder.path()).arg("check-config").status().unwrap().success());
    assert_eq!(command(folder.path()).arg("check-config").env("PARLEY_NO_SUCH_THING", "1").status().unwrap().code(), Some(2));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_second_process_on_the_same_folder_is_refused_and_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let parley = Parley::start(folder.path());
    for arguments in [&["serve"][..], &["seed-demo", "--messages", "1", "--file", DATA]] {
        let Output { status, stderr, .. } =
            command(folder.path()).args(arguments).env("PARLEY_LOG", "off").stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.lines().count() == 1 && said.contains("in use by process"), "{said}");
    }
    assert_eq!(parley.admin("/livez").map(|(status, _)| status), Some(200));
}

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/ubuntu-irc.jsonl.gz");

#[test]
fn a_port_that_is_taken_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for setting in ["PARLEY_LISTEN", "PARLEY_ADMIN_LISTEN"] {
        let (code, said) = refused(folder.path(), &[(setting, &address)]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.lines().count() == 1 && said.contains(setting) && said.contains(&address), "{said}");
    }
}

/// A later binary has been here.
const LATER: &str = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', true, '', 0)";

#[tokio::test]
async fn a_newer_schema_and_taken_ports_are_named_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    SqliteStore::open(&store).await.unwrap().close().await;
    sqlx::query(LATER).execute(&mut SqliteConnection::connect(&format!("sqlite:{}", store.display())).await.unwrap()).await.unwrap();
    let (taken, also_taken) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = [taken.local_addr().unwrap().to_string(), also_taken.local_addr().unwrap().to_string()];
    let (code, said) = refused(folder.path(), &[("PARLEY_LISTEN", &addresses[0]), ("PARLEY_ADMIN_LISTEN", &addresses[1])]);
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<_> = said.lines().skip(1).collect();
    assert!(said.starts_with("parley: 3 things are in the way:") && lines.len() == 3, "{said}");
    assert!(lines[0].contains("store.db") && lines[0].contains("version 9999") && lines[0].contains("start the newer binary"), "{said}");
    assert!(lines[1].contains("PARLEY_ADMIN_LISTEN") && lines[2].contains("PARLEY_LISTEN"), "{said}");
    // Nothing was held back: the older binary's folder is free again.
    let (code, _) = refused(folder.path(), &[]);
    assert_eq!(code, Some(1));
    // Neither does any command read or migrate it.
    for arguments in [&["migrate"][..], &["dead-letters", "list"], &["seed-demo", "--messages", "1", "--file", DATA]] {
        let (code, said) = refused_command(folder.path(), arguments, &[]);
        assert!(code == Some(1) && said.lines().count() == 1 && said.contains("version 9999"), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_an_older_schema_asks_for_migrate_and_a_newer_one_for_the_newer_binary() {
    let folder = tempfile::tempdir().unwrap();
    let server = Postgres::start(&folder.path().join("postgres"), None).await.unwrap();
    let url = server.create_database("schemas").unwrap();
    let data = folder.path().join("data");
    let settings = [("PARLEY_STORE_URL", url.as_str())];
    let (code, said) = refused(&data, &settings);
    assert!(code == Some(1) && said.lines().count() == 1 && said.contains("PARLEY_STORE_URL") && said.contains("run `parley migrate` first"), "{said}");
    for _ in 0..2 {
        let migrated = command(&data).arg("migrate").envs(settings).output().unwrap();
        assert!(migrated.status.success() && String::from_utf8_lossy(&migrated.stdout).contains("the store's schema has version"), "{migrated:?}");
    }
    let parley = Parley::start_with(&data, &settings);
    assert_eq!(parley.admin("/readyz").map(|(status, _)| status), Some(200));
    drop(parley);
    sqlx::query(LATER).execute(&mut PgConnection::connect(&url).await.unwrap()).await.unwrap();
    for arguments in [&["serve"][..], &["migrate"], &["dead-letters", "list"]] {
        let (code, said) = refused_command(&data, arguments, &settings);
        assert!(code == Some(1) && said.lines().count() == 1 && said.contains("start the newer binary"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_gateway_beside_others_needs_the_key_that_they_share_and_says_so_with_what_else_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        [("PARLEY_LOG_URL", "kafka://127.0.0.1:1/t"), ("PARLEY_BUS_URL", "redis://127.0.0.1:1"), ("PARLEY_STORE_URL", "postgres://parley@127.0.0.1:1/parley")];
    let (code, said) = refused_command(folder.path(), &["gateway"], &settings);
    assert_eq!(code, Some(1), "{said}");
    for name in ["PARLEY_TOKEN_KEY", "PARLEY_LOG_URL", "PARLEY_STORE_URL"] {
        assert!(said.lines().any(|line| line.trim().starts_with(name)), "{name} is not named: {said}");
    }
}

#[test]
fn what_lies_in_the_folder_is_its_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("made");
    let _parley = Parley::start(&folder);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("token.key")), 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_drains_the_store_has_what_the_log_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start(folder.path());
    let ada = Person::sign_up(&parley.url, "ada").await;
    let room = ada.create_room("general").await;
    for number in 0..15 {
        let cid = uuid::Uuid::new_v4();
        let (status, answer) = ada.post(&format!("/rooms/{room}/messages"), &serde_json::json!({"cid": cid, "body": number.to_string()})).await;
        assert_eq!(status, 201, "{answer}");
    }
    assert!(tokio::task::block_in_place(|| parley.terminate()).success());
    let log = EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 16)).await.unwrap();
    let store = SqliteStore::open(folder.path().join("store.db")).await.unwrap();
    let states = store.partitions().await.unwrap();
    assert_eq!(states.len(), 16);
    for state in &states {
        assert_eq!(state.next, log.end(state.partition).await.unwrap());
    }
    assert_eq!(states.iter().map(|state| state.outcomes.applied).sum::<u64>(), 16, "fifteen messages and the room's beginning");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_can_begin_the_drain_a_page_in_a_browser_can_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start(folder.path());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let drain = format!("{}/drain", parley.admin_url);
    assert_eq!(http.post(&drain).header("origin", &parley.url).send().await.unwrap().status(), 403);
    assert_eq!(parley.admin("/readyz").map(|(status, _)| status), Some(200));
    assert_eq!(http.post(&drain).send().await.unwrap().status(), 202);
    let status = tokio::task::block_in_place(|| parley.ended());
    assert!(status.success());
}
