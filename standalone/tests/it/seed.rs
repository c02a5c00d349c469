//! Importing real messages: all of them, once, also after a kill.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use flate2::read::GzDecoder;
use parley_engines::{
    log::{
        LogReader,
        embedded::{EmbeddedLog, EmbeddedLogConfig},
    },
    store::{
        Direction, PageRequest,
        accounts::Accounts,
        rooms::{Members, Room, Rooms},
        sqlite::SqliteStore,
        timeline::{RowsAt, Timeline},
    },
};
use parley_proto::{Cursor, PartitionId, RoomId, item::Item};
use tokio::time::Instant;

use crate::support;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/ubuntu-irc.jsonl.gz");

const PARTITIONS: u16 = 16;

/// Every partition begins with one record that says which log this is; the room with one that says who made it.
const RECORDS_BESIDE_MESSAGES: u64 = 16 + 1;

fn seeding(folder: &Path, messages: usize) -> Command {
    let mut command = support::command(folder);
    command.args(["seed-demo", "--file", DATA, "--messages", &messages.to_string()]);
    command
}

/// What it printed.
fn seed(folder: &Path, messages: usize) -> String {
    let output = seeding(folder, messages).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `sign in as` and `password` of what was printed.
fn sign_in_of(printed: &str) -> (String, String) {
    let value = |name: &str| printed.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    (value("sign in as"), value("password"))
}

/// Bodies and nicks of the file's first messages.
fn file_messages(count: usize) -> Vec<(String, String)> {
    let lines = BufReader::new(GzDecoder::new(std::fs::File::open(DATA).unwrap())).lines();
    let objects = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let text = |object: &serde_json::Value, name: &str| object[name].as_str().unwrap_or_default().to_owned();
    objects
        .filter(|object| object["kind"] == "message" && !text(object, "body").trim().is_empty())
        .take(count)
        .map(|object| (text(&object, "body"), text(&object, "nick")))
        .collect()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// An access token.
async fn sign_in(url: &str, user_name: &str, password: &str) -> Option<String> {
    let body = serde_json::json!({"user_name": user_name, "password": password, "session": "token"});
    let answer = http().post(format!("{url}/api/v1/auth/sign-in")).json(&body).send().await.unwrap();
    answer.json::<serde_json::Value>().await.unwrap()["access_token"].as_str().map(str::to_owned)
}

async fn store(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder.join("store.db")).await.unwrap()
}

async fn rooms(store: &SqliteStore) -> Vec<Room> {
    store.public_rooms(None, &PageRequest { start: None, direction: Direction::Forward, limit: 100 }).await.unwrap().items
}

async fn timeline(store: &SqliteStore, room: RoomId) -> Vec<Item> {
    let (mut items, mut from) = (Vec::new(), Cursor::ZERO);
    loop {
        let rows = store.rows(room, RowsAt::From(from), 1_000).await.unwrap().value;
        let Some(last) = rows.items.last() else { return items };
        from = last.position.next();
        items.extend(rows.items);
    }
}

/// How many records the log has.
async fn records(folder: &Path) -> u64 {
    let log = EmbeddedLog::open(EmbeddedLogConfig::new(folder, PARTITIONS)).await.unwrap();
    let mut records = 0;
    for partition in (0..PARTITIONS).map(PartitionId) {
        records += log.end(partition).await.unwrap().0;
    }
    log.close().await;
    records
}

#[tokio::test]
async fn every_message_of_the_file_is_in_the_store_once_and_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let printed = seed(folder.path(), 500);
    assert!(printed.contains("500 messages added"), "{printed}");
    let store = store(folder.path()).await;
    let rooms = rooms(&store).await;
    assert_eq!(rooms.iter().map(|room| room.name.as_str()).collect::<Vec<_>>(), ["ubuntu"]);
    let items = timeline(&store, rooms[0].id).await;
    let expected = file_messages(500);
    assert_eq!(items[0].body["event"], "created");
    let bodies: Vec<_> = items[1..].iter().map(|item| item.body.as_str().unwrap()).collect();
    assert_eq!(bodies, expected.iter().map(|(body, _)| body.as_str()).collect::<Vec<_>>());
    assert!(items[1..].iter().all(|item| item.imported));
    assert_eq!(items[1].sent_at.0, 1_100_521_080_000, "2004-11-15, as in the file");
    let authors = store.accounts(&[items[1].sender]).await.unwrap();
    assert_eq!((&authors[0].display_name, &authors[0].password_hash), (&expected[0].1, &None));
    assert!(authors[0].user_name.starts_with("irc-") && authors[0].user_name.len() == 16);
    assert!(store.membership(rooms[0].id, items[1].sender).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeding_again_adds_nothing_but_a_password_and_the_demo_person_reads_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (_, first_password) = sign_in_of(&seed(folder.path(), 300));
    let before = records(folder.path()).await;
    let printed = seed(folder.path(), 300);
    assert!(printed.contains("0 messages added") && printed.contains("300 were there already"), "{printed}");
    assert_eq!(records(folder.path()).await, before, "not even in the log");

    let (user_name, password) = sign_in_of(&printed);
    assert_ne!(password, first_password);
    let parley = support::Parley::start(folder.path());
    assert_eq!(sign_in(&parley.url, &user_name, &first_password).await, None);
    let token = sign_in(&parley.url, &user_name, &password).await.unwrap();
    let mine = http().get(format!("{}/api/v1/rooms", parley.url)).bearer_auth(token).send().await.unwrap();
    let mine: serde_json::Value = mine.json().await.unwrap();
    assert_eq!((&mine["items"][0]["name"], &mine["items"][0]["last_seq"]), (&"ubuntu".into(), &300.into()));
}

#[tokio::test]
async fn a_seeding_that_is_killed_half_way_and_repeated_adds_up() {
    const MESSAGES: usize = 12_000;
    let folder = tempfile::tempdir().unwrap();
    // Each kill comes when some more is committed.
    for enough in [1_000, 4_000] {
        let mut seeding = seeding(folder.path(), MESSAGES).stdout(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while support::count(&folder.path().join("log.db"), "select count(*) from records").await < enough {
            assert!(seeding.try_wait().unwrap().is_none() && Instant::now() < deadline, "it ended before that much was committed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        seeding.kill().unwrap();
        seeding.wait().unwrap();
        let messages = records(folder.path()).await.saturating_sub(RECORDS_BESIDE_MESSAGES);
        assert!(0 < messages && messages < MESSAGES as u64, "{messages} messages are not half way");
    }
    seed(folder.path(), MESSAGES);
    let store = store(folder.path()).await;
    let items = timeline(&store, rooms(&store).await[0].id).await;
    let bodies: Vec<_> = items[1..].iter().map(|item| item.body.as_str().unwrap()).collect();
    let expected = file_messages(MESSAGES);
    assert!(bodies.iter().copied().eq(expected.iter().map(|(body, _)| body.as_str())), "{} of {MESSAGES} messages", bodies.len());
    assert_eq!(records(folder.path()).await, MESSAGES as u64 + RECORDS_BESIDE_MESSAGES, "not even the log has one twice");
}
