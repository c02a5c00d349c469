//! A new store from the log: equal to the old one, row for row.

use std::path::{Path, PathBuf};

use parley_engines::store::{
    rooms::{Members, Rooms},
    sqlite::SqliteStore,
};
use parley_proto::{
    Body, Cid, Cursor, Kind, MessageId, Record, RoomId, UnixMillis, UserId,
    codec::encode,
    event::{EventName, RoomRow, SystemEvent},
};
use serde_json::json;
use uuid::Uuid;

use super::{NO_MAGIC, append, assert_conserved, database, done, execute, outbox_empty, records, run, store_in, tables};
use crate::{
    client::{Answer, Person},
    support::{self, Parley},
};

/// Everything that the log feeds.
const FED: [&str; 9] = ["rooms", "members", "room_positions", "messages", "votes", "tallies", "reactions", "read_marks", "partitions"];

/// How many records a store has.
const STORED: &str = "select coalesce(sum(next), 0) from partitions";

/// A folder in which everything has happened that can, and nobody is left.
struct LivedIn {
    folder: tempfile::TempDir,
    ada: Person,
    room: RoomId,
}

impl LivedIn {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut parley = Parley::start(folder.path());
        let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
        let room = ada.create_room("general").await;
        bo.join(room).await;
        bo.post(&format!("/rooms/{room}/leave"), &json!({})).await;
        bo.join(room).await;
        let (_, private) = bo.post("/rooms", &json!({"name": "backstage", "topic": "hush", "visibility": "private"})).await;
        bo.post(&format!("/rooms/{}/leave", private["id"].as_str().unwrap()), &json!({})).await;
        let mut socket = ada.connect().await;
        socket.subscribe(room).await;
        let mut said = Vec::new();
        for body in ["one", "two", "three", "four"] {
            let Answer::Ack { id, .. } = socket.send(room, body).await else { panic!("{body} is not acked") };
            said.push(id);
        }
        for (target, value) in [(said[0], 1), (said[0], -1), (said[1], 1), (said[1], 0), (said[2], 1)] {
            assert!(matches!(socket.vote(room, target, value).await, Answer::Ack { .. }));
        }
        let (ada_id, bo_id) = (id(&ada).await, id(&bo).await);
        drop(socket);
        execute(folder.path(), NO_MAGIC).await;
        outbox_empty(folder.path()).await;
        parley.end();
        happen(folder.path(), room, &said, ada_id, bo_id).await;
        parley = Parley::start(folder.path());
        parley.end();
        Self { folder, ada, room }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn store(&self) -> PathBuf {
        store_in(self.path())
    }
}

async fn id(person: &Person) -> UserId {
    let (_, me) = person.get("/me").await;
    me["user"]["id"].as_str().unwrap().parse().unwrap()
}

/// The same person with a new session.
async fn sign_in(person: &Person, user_name: &str) -> Person {
    let (status, session) = person.post("/auth/sign-in", &json!({"user_name": user_name, "password": "correct horse battery", "session": "token"})).await;
    assert_eq!(status, 200, "{session}");
    let mut signed_in = person.clone();
    session["access_token"].as_str().unwrap().clone_into(&mut signed_in.access_token);
    signed_in
}

/// What no request makes yet, and what only faults make.
async fn happen(folder: &Path, room: RoomId, said: &[MessageId], ada: UserId, bo: UserId) {
    let (version, row) = renamed(folder, room).await;
    let event = SystemEvent { event: EventName::Renamed, version, room: row, member: None };
    let any = |kind, sender| Record { sent_at: UnixMillis(1_700_000_000_000), ..Record::bare(kind, room, sender, Cid(Uuid::new_v4())) };
    let twice = Record { body: Body::Plain("twice".to_owned()), ..any(Kind::Message, bo) };
    let records = [
        Record { target: Some(said[0]), body: Body::Plain("one, I mean".to_owned()), ..any(Kind::Edit, ada) },
        Record { target: Some(said[3]), ..any(Kind::Delete, ada) },
        Record { target: Some(said[1]), value: 1, body: Body::Plain("👍".to_owned()), ..any(Kind::Reaction, bo) },
        Record { value: 3, ..any(Kind::Read, bo) },
        Record { body: Body::Plain(serde_json::to_string(&event).unwrap()), ..any(Kind::System, ada) },
        Record { body: Body::Plain("magic".to_owned()), ..any(Kind::Message, ada) },
        twice.clone(),
        twice,
        Record { floor: Cursor(1_000_000), ..any(Kind::Cancel, ada) },
        any(Kind::Cancel, ada),
    ];
    let partition = room.partition();
    let mut records: Vec<_> = records.iter().map(|record| (partition, encode(record))).collect();
    records.push((partition, bytes::Bytes::from_static(b"no record at all")));
    append(folder, records).await;
}

/// The room's row and version as after a change of its name. Somebody else is made a member without an event, as an import does.
async fn renamed(folder: &Path, room: RoomId) -> (i64, RoomRow) {
    let store = SqliteStore::open(store_in(folder)).await.unwrap();
    store.import_members(room, &[UserId(Uuid::from_u128(77))], UnixMillis(5)).await.unwrap();
    let there = store.room(room).await.unwrap().unwrap();
    store.close().await;
    let row = RoomRow {
        id: room,
        kind: there.kind,
        name: format!("{}, renamed", there.name),
        topic: "changed".to_owned(),
        visibility: there.visibility,
        archived: false,
        created_at: there.created_at,
    };
    (there.version + 1, row)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_the_old_store_the_new_one_is_equal_row_for_row_and_everybody_goes_on() {
    let lived = LivedIn::new().await;
    let new = lived.path().join("new").join("store.db");
    let printed = done(lived.path(), &["rebuild", "--into", &format!("sqlite:{}", new.display())]);
    assert!(printed.contains("records repeated") && printed.contains("2 accounts taken over"), "{printed}");
    let all = [&FED[..], &["dead_letters", "outbox"]].concat();
    let old = tables(&lived.store(), &all).await;
    assert!(old.iter().any(|row| row.contains("no magic here")), "the old store has a refused record: {old:#?}");
    assert_eq!(tables(&new, &all).await, old);
    assert_conserved(lived.path(), &new).await;
    let accounts = tables(&new, &["accounts"]).await;
    assert!(tables(&lived.store(), &["accounts"]).await.iter().all(|account| accounts.contains(account)), "with their passwords");

    // It is the store from now on.
    let mut parley = Parley::start_with(lived.path(), &[("PARLEY_STORE_URL", &format!("sqlite:{}", new.display()))]);
    let (status, _) = lived.ada.at(&parley.url).get("/me").await;
    assert_eq!(status, 401, "sessions are not taken over");
    let user_name: String =
        sqlx::query_scalar("select user_name from accounts where user_name like 'ada-%'").fetch_one(&mut database(&new).await).await.unwrap();
    let ada = sign_in(&lived.ada.at(&parley.url), &user_name).await;
    let (_, page) = ada.get(&format!("/rooms/{}/messages", lived.room)).await;
    let said: Vec<_> = page["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "message").map(|item| item["body"].as_str()).collect();
    assert_eq!(said, [Some("one, I mean"), Some("two"), Some("three"), None, Some("twice")], "edited, deleted, once");
    let (status, _) = ada.post(&format!("/rooms/{}/messages", lived.room), &json!({"cid": Uuid::new_v4(), "body": "and on"})).await;
    assert_eq!(status, 201);
    parley.end();
    assert_conserved(lived.path(), &new).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_the_log_alone_everything_is_there_but_what_it_does_not_have() {
    let lived = LivedIn::new().await;
    let fed = [&FED[..], &["dead_letters"]].concat();
    // Without an old store nobody knows of an imported member, nor of what a database refused: it is asked again.
    execute(lived.path(), "delete from members where joined_at = 5").await;
    execute(lived.path(), "update rooms set member_count = member_count - 1 where name like '%renamed'").await;
    let old = tables(&lived.store(), &fed).await;
    let new = lived.path().join("new").join("store.db");
    let into = format!("sqlite:{}", new.display());
    assert_eq!(run(&lived.path().join("elsewhere"), &["rebuild"]).0, Some(1), "an empty log is nothing to rebuild from");
    std::fs::create_dir_all(new.parent().unwrap()).unwrap();
    SqliteStore::open(&new).await.unwrap().close().await;
    sqlx::query(NO_MAGIC).execute(&mut database(&new).await).await.unwrap();
    let printed = done(lived.path(), &["rebuild", "--log-alone", "--into", &into]);
    assert!(printed.contains("0 accounts taken over") && printed.contains("2 more are named"), "{printed}");
    assert_eq!(tables(&new, &fed).await, old);
    let accounts = tables(&new, &["accounts"]).await;
    assert!(accounts.len() == 2 && accounts.iter().all(|row| row.contains("password_hash=NULL") && row.contains("user_name='lost-")), "{accounts:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_makes_a_new_store_or_none() {
    let lived = LivedIn::new().await;
    let before = tables(&lived.store(), &FED).await;
    let same = format!("sqlite:{}", lived.store().display());
    for (arguments, said) in [
        (&["rebuild"][..], "has accounts"),
        (&["rebuild", "--into", &same], "names the store that PARLEY_STORE_URL names"),
        (&["rebuild", "--into", "mysql://host/db"], "neither sqlite:PATH nor postgres"),
    ] {
        let (code, _, complaint) = run(lived.path(), arguments);
        assert!(code != Some(0) && complaint.contains(said), "{arguments:?}: {complaint}");
    }
    assert_eq!(tables(&lived.store(), &FED).await, before);
    // While somebody serves, the folder is theirs.
    let _parley = Parley::start(lived.path());
    let (code, _, complaint) = run(lived.path(), &["rebuild", "--into", "sqlite:elsewhere.db"]);
    assert!(code == Some(1) && complaint.contains("in use by process") && complaint.lines().count() == 1, "{complaint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_killed_half_way_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/ubuntu-irc.jsonl.gz");
    done(folder.path(), &["seed-demo", "--file", data, "--messages", "12000"]);
    let new = folder.path().join("new").join("store.db");
    let into = format!("sqlite:{}", new.display());
    let mut command = support::command(folder.path());
    let mut rebuild = command.args(["rebuild", "--into", &into]).env("PARLEY_LOG", "off").spawn().unwrap();
    while support::count(&new, STORED).await < 2_000 {
        assert!(rebuild.try_wait().unwrap().is_none(), "it ended before it was half way");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    rebuild.kill().unwrap();
    rebuild.wait().unwrap();
    let there = support::count(&new, STORED).await;
    let printed = done(folder.path(), &["rebuild", "--into", &into]);
    let repeated: u64 = printed.split(' ').next().unwrap().parse().unwrap();
    assert_eq!(repeated + there, records(folder.path()).await, "{printed}");
    assert_eq!(tables(&new, &FED).await, tables(&store_in(folder.path()), &FED).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_snapshot_of_the_store_catches_up() {
    let lived = LivedIn::new().await;
    let snapshot = lived.path().join("snapshot.db");
    std::fs::copy(lived.store(), &snapshot).unwrap();
    let mut parley = Parley::start(lived.path());
    let ada = lived.ada.at(&parley.url);
    ada.post(&format!("/rooms/{}/leave", lived.room), &json!({})).await;
    ada.join(lived.room).await;
    for number in 0..5 {
        let (status, said) = ada.post(&format!("/rooms/{}/messages", lived.room), &json!({"cid": Uuid::new_v4(), "body": number.to_string()})).await;
        assert_eq!(status, 201, "{said}");
        let vote = json!({"cid": Uuid::new_v4(), "value": 1});
        assert_eq!(ada.put(&format!("/rooms/{}/messages/{}/vote", lived.room, said["id"].as_str().unwrap()), &vote).await.0, 200);
    }
    outbox_empty(lived.path()).await;
    parley.end();
    let fed = [&FED[..], &["dead_letters", "outbox"]].concat();
    let newest = tables(&lived.store(), &fed).await;
    for suffix in ["", "-wal", "-shm"] {
        let _there_or_not = std::fs::remove_file(lived.path().join(format!("store.db{suffix}")));
    }
    std::fs::rename(snapshot, lived.store()).unwrap();
    assert_ne!(tables(&lived.store(), &fed).await, newest);
    parley = Parley::start(lived.path());
    parley.end();
    assert_eq!(tables(&lived.store(), &fed).await, newest);
    assert_conserved(lived.path(), &lived.store()).await;
}
