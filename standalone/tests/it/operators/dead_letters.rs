//! What the store could not take: seen, and had once more.

use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use parley_engines::log::{Appended, LogWriter};
use parley_proto::{Body, Cid, Cursor, Kind, PartitionId, Record, RoomId, UnixMillis, UserId, codec::encode};
use serde_json::json;
use uuid::Uuid;

use super::{NO_MAGIC, append, assert_conserved, database, done, execute, log, records, run, store_in};
use crate::{
    client::Person,
    support::{Parley, command},
};

async fn say(person: &Person, room: RoomId, body: &str) -> String {
    let (status, answer) = person.post(&format!("/rooms/{room}/messages"), &json!({"cid": Uuid::new_v4(), "body": body})).await;
    assert_eq!(status, 201, "{answer}");
    answer["id"].as_str().unwrap().to_owned()
}

async fn vote(person: &Person, room: RoomId, target: &str, value: i64) {
    let (status, answer) = person.put(&format!("/rooms/{room}/messages/{target}/vote"), &json!({"cid": Uuid::new_v4(), "value": value})).await;
    assert_eq!(status, 200, "{answer}");
}

/// The places in what `dead-letters list` printed.
fn places(listed: &str) -> Vec<String> {
    listed.lines().filter_map(|line| line.split(' ').next()).filter(|word| word.contains(':')).map(str::to_owned).collect()
}

fn list(folder: &Path) -> Vec<String> {
    places(&done(folder, &["dead-letters", "list"]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_refused_is_shown_driven_once_more_and_then_read_by_everybody_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut parley = Parley::start(folder);
    let ada = Person::sign_up(&parley.url, "ada").await;
    let room = ada.create_room("general").await;
    execute(folder, NO_MAGIC).await;
    for body in ["before", "magic", "after"] {
        say(&ada, room, body).await;
    }
    parley.end();

    let listed = done(folder, &["dead-letters", "list"]);
    let listed_places = places(&listed);
    let [place] = &listed_places[..] else { panic!("{listed}") };
    assert!(listed.contains("no magic here") && listed.contains("message") && listed.contains("1 dead letters"), "{listed}");
    let shown = done(folder, &["dead-letters", "show", place]);
    assert!(shown.contains("body         \"magic\"") && shown.contains(&room.to_string()) && shown.contains("50 52 4c 59"), "{shown}");

    // Refused again, it is a dead letter of its own, and the first one has been seen to.
    let (code, _, said) = run(folder, &["dead-letters", "redrive", place]);
    assert!(code == Some(1) && said.contains("refused again") && said.lines().count() == 1, "{said}");
    let open = list(folder);
    let [again] = &open[..] else { panic!("{open:?}") };
    assert_ne!(again, place);

    execute(folder, "drop trigger no_magic").await;
    let driven = done(folder, &["dead-letters", "redrive", "--all"]);
    assert!(driven.contains(&format!("{again} is stored")), "{driven}");
    assert!(list(folder).is_empty());
    assert_eq!(places(&done(folder, &["dead-letters", "list", "--redriven"])), [place.clone(), again.clone()]);
    assert_conserved(folder, &store_in(folder)).await;

    // Once more, also as after a crash before it was noted: nothing is appended.
    let before = records(folder).await;
    assert!(done(folder, &["dead-letters", "redrive", again]).contains("driven once more already"));
    execute(folder, "update dead_letters set redriven = null").await;
    assert!(done(folder, &["dead-letters", "redrive", "--all"]).contains("needs nothing"));
    assert_eq!(records(folder).await, before);

    parley = Parley::start(folder);
    assert_eq!(ada.at(&parley.url).everything(room).await, ["before", "after", "magic"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redriving_that_died_between_log_and_store_and_is_repeated_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut parley = Parley::start(folder);
    let ada = Person::sign_up(&parley.url, "ada").await;
    let room = ada.create_room("general").await;
    execute(folder, NO_MAGIC).await;
    say(&ada, room, "magic").await;
    parley.end();
    execute(folder, "drop trigger no_magic").await;
    // What the command appends, and then it is killed: the floor is the store's `next`.
    let (bytes, next): (Vec<u8>, i64) = sqlx::query_as("select bytes, next from dead_letters join partitions using (partition)")
        .fetch_one(&mut database(&store_in(folder)).await)
        .await
        .unwrap();
    let record = parley_proto::codec::decode(&bytes).unwrap();
    append(folder, vec![(room.partition(), encode(&Record { floor: Cursor(next.cast_unsigned()), ..record }))]).await;
    done(folder, &["dead-letters", "redrive", "--all"]);
    assert!(list(folder).is_empty());
    assert_conserved(folder, &store_in(folder)).await;
    parley = Parley::start(folder);
    assert_eq!(ada.at(&parley.url).everything(room).await, ["magic"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_vote_is_not_driven_over_a_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut parley = Parley::start(folder);
    let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
    let room = ada.create_room("general").await;
    bo.join(room).await;
    let target = say(&ada, room, "vote on this").await;
    execute(folder, "create trigger no_down before insert on votes when new.value = -1 begin select raise(abort, 'no'); end").await;
    for person in [&ada, &bo] {
        vote(person, room, &target, -1).await;
    }
    parley.end();
    execute(folder, "drop trigger no_down").await;
    parley = Parley::start(folder);
    vote(&ada.at(&parley.url), room, &target, 1).await;
    parley.end();
    let driven = done(folder, &["dead-letters", "redrive", "--all"]);
    assert!(driven.contains("needs nothing") && driven.contains("is stored"), "{driven}");
    parley = Parley::start(folder);
    let (_, page) = ada.at(&parley.url).get(&format!("/rooms/{room}/messages")).await;
    let tally = &page["tallies"]["items"][0];
    assert_eq!(
        (&tally["up"], &tally["down"], &tally["mine"]),
        (&json!(1), &json!(1), &json!(1)),
        "ada's newer vote counts, and bo's was had once more: {tally}"
    );
    parley.end();
    assert_conserved(folder, &store_in(folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_reader_can_read_is_shown_and_not_driven_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut parley = Parley::start(folder);
    parley.end();
    let too_long = Record {
        body: Body::Plain("\u{1b}[31m".repeat(1_000)),
        sent_at: UnixMillis(1_700_000_000_000),
        ..Record::bare(Kind::Message, RoomId::new(PartitionId(5), [1; 16]), UserId(Uuid::from_u128(1)), Cid(Uuid::new_v4()))
    };
    append(folder, vec![(PartitionId(5), encode(&too_long)), (PartitionId(5), bytes::Bytes::from_static(b"no record at all"))]).await;
    parley = Parley::start(folder);
    parley.end();
    let listed = done(folder, &["dead-letters", "list"]);
    assert!(places(&listed) == ["5:1", "5:2"] && listed.contains("2023-11-14T22:13:20Z"), "{listed}");
    let before = records(folder).await;
    let (code, _, said) = run(folder, &["dead-letters", "redrive", "5:1"]);
    assert!(code == Some(1) && said.contains("5:1 can't be driven once more: body") && said.lines().count() == 1, "{said}");
    assert!(done(folder, &["dead-letters", "redrive", "--all"]).contains("2 can't be driven once more"));
    assert_eq!(records(folder).await, before);
    for place in ["5:1", "5:2"] {
        let shown = done(folder, &["dead-letters", "show", place]);
        assert!(!shown.contains('\u{1b}') && shown.contains("it can't be"), "{shown}");
    }
    for (wrong, code) in [("5:3", 1), ("5", 2), ("five:1", 2)] {
        assert_eq!(run(folder, &["dead-letters", "show", wrong]).0, Some(code), "{wrong}");
    }
}

/// `parley dead-letters list | head -1`, with more lines than a pipe holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_has_seen_enough_ends_the_list_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut parley = Parley::start(folder);
    parley.end();
    let log = log(folder).await;
    let poison = |number| log.enqueue(PartitionId(5), RoomId::of_partition(PartitionId(5)), format!("no record at all: {number}").into()).unwrap();
    for receipt in (0..2_000).map(poison).collect::<Vec<_>>() {
        assert!(matches!(receipt.await, Appended::At(_)));
    }
    log.close().await;
    parley = Parley::start(folder);
    parley.end();
    let all = done(folder, &["dead-letters", "list"]);
    assert!(all.contains("2000 dead letters") && all.len() > 128 * 1024, "{} bytes", all.len());
    for (arguments, beginning) in
        [(&["dead-letters", "list"][..], "id"), (&["dead-letters", "show", "5:7"], "dead letter"), (&["check-config", "--example"], "# ")]
    {
        let mut child = command(folder).args(arguments).env("PARLEY_LOG", "off").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut read = vec![0; beginning.len()];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut read).unwrap();
        drop(stdout);
        assert_eq!(read, beginning.as_bytes());
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""), "{arguments:?}");
    }
    // Nobody reads from the beginning on: what is to be done is done all the same.
    let migrated = Command::new("sh")
        .args(["-c", "\"$0\" migrate | :", env!("CARGO_BIN_EXE_parley")])
        .env("PARLEY_DATA_DIR", folder)
        .env("PARLEY_LOG", "off")
        .output()
        .unwrap();
    assert!(migrated.status.success() && migrated.stderr.is_empty(), "{migrated:?}");
}
