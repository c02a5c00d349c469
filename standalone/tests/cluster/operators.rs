//! Operators' commands beside a cluster that serves: what Postgres refused is had once more, and a new store is made from Kafka.

use std::process::Command;

use parley_engines::log::{
    Appended, LogWriter,
    kafka::{KafkaConfig, KafkaLog},
};
use parley_loadtest::verify::{Deployment, verify};
use parley_proto::RoomId;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::{Duration, Instant, sleep};
use uuid::Uuid;

use crate::{
    client::{Answer, PATIENCE},
    talk::Talk,
    world::{LIVE, World},
};

/// Every table that the log feeds, and accounts.
const TABLES: [&str; 11] =
    ["rooms", "members", "room_positions", "messages", "votes", "tallies", "reactions", "read_marks", "dead_letters", "partitions", "accounts"];

/// Runs `parley` with the cluster's settings; what it printed.
fn parley(world: &World, arguments: &[&str]) -> String {
    let product = world.cluster.product();
    let mut command = Command::new(&product.program);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PARLEY_")) {
        command.env_remove(name);
    }
    let settings = product.env.iter().map(|(name, value)| (name, value));
    let output = command.args(arguments).envs(settings).env("PARLEY_DATA_DIR", world.folder().join("operator")).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn rows(url: &str) -> Vec<String> {
    let mut store = PgConnection::connect(url).await.unwrap();
    let mut lines = Vec::new();
    for table in TABLES {
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("select t::text from {table} t order by 1"))).fetch_all(&mut store).await.unwrap();
        lines.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    lines
}

async fn execute(world: &World, sql: &'static str) {
    let mut store = PgConnection::connect(&world.deployment().store_url).await.unwrap();
    sqlx::query(sql).execute(&mut store).await.unwrap();
}

/// While everybody serves and is served: no process is stopped for it.
pub(crate) async fn what_postgres_refused_is_driven_once_more(world: &World) {
    let ada = world.person().await;
    let room = ada.create_room(&Uuid::new_v4().to_string()).await;
    let mut socket = ada.connect().await;
    socket.subscribe(room).await;
    execute(world, "alter table messages add constraint no_magic check (body is distinct from 'magic') not valid").await;
    for body in ["before", "magic", "after"] {
        assert!(matches!(socket.send(room, body).await, Answer::Ack { .. }));
    }
    let until = Instant::now() + LIVE;
    let listed = loop {
        let listed = parley(world, &["dead-letters", "list"]);
        if listed.contains("no_magic") {
            break listed;
        }
        assert!(Instant::now() < until, "{listed}");
        sleep(Duration::from_millis(100)).await;
    };
    let report = world.compare(PATIENCE).await;
    let names: Vec<_> = report.broken().map(|check| check.name).collect();
    assert!(names.len() == 1 && names[0].starts_with("accepted records that the database refused"), "what was accepted is missing: {report}");
    execute(world, "alter table messages drop constraint no_magic").await;
    let place = listed.lines().find(|line| line.contains("no_magic")).and_then(|line| line.split(' ').next()).unwrap();
    assert!(parley(world, &["dead-letters", "redrive", place]).contains("is stored"));
    assert_eq!(ada.everything(room).await, ["before", "after", "magic"]);
    // Shown, taken away, and shown again at its new place.
    let until = Instant::now() + PATIENCE;
    while socket.views[&room].texts() != ["before", "after", "magic"] {
        assert!(Instant::now() < until, "{:?}", socket.views[&room].texts());
        socket.settle(Duration::from_millis(100)).await;
    }
    world.assert_whole().await;
}

/// Equal to the old one in every column of every row, counters and dead letters included; and what `verify` says of it.
pub(crate) async fn a_store_that_is_rebuilt_from_kafka_is_the_same_row_for_row(world: &World) {
    let talk = Talk::start(world).await;
    let (room, owner) = (talk.room, talk.owner.clone());
    sleep(Duration::from_secs(2)).await;
    vote(world, room, &owner).await;
    owner.post(&format!("/rooms/{room}/leave"), &json!({})).await;
    owner.join(room).await;
    let log = KafkaLog::open(KafkaConfig::from_url(&world.deployment().log_url).unwrap()).await.unwrap();
    let poison = log.enqueue(room.partition(), room, bytes::Bytes::from_static(b"no record at all")).unwrap().await;
    assert!(matches!(poison, Appended::At(_)), "{poison:?}");
    log.close().await;
    talk.end(world).await;

    let Deployment { log_url, bus_url, store_url } = world.deployment();
    let into = world.cluster.postgres().create_database(&format!("rebuilt_{}", Uuid::new_v4().simple())).unwrap();
    let printed = parley(world, &["rebuild", "--into", &into]);
    println!("{printed}");
    assert_eq!(rows(&into).await, rows(&store_url).await);
    let report = verify(&Deployment { log_url, bus_url, store_url: into }, Duration::ZERO).await.unwrap();
    assert!(report.holds(), "{report}");
    // Whoever served meanwhile has noticed nothing.
    world.assert_whole().await;
}

/// Several people vote on the room's newest messages.
async fn vote(world: &World, room: RoomId, owner: &crate::client::Person) {
    let mut people = vec![owner.clone()];
    for _ in 0..2 {
        let person = world.person().await;
        person.join(room).await;
        people.push(person);
    }
    for (number, person) in people.iter().enumerate() {
        let mut socket = person.connect().await;
        let view = socket.subscribe(room).await;
        for item in view.rows.values().filter(|item| item.kind == parley_proto::item::ItemKind::Message).take(5) {
            for value in [1, -1, i64::from(number != 0)] {
                assert!(matches!(socket.vote(room, item.id, value).await, Answer::Ack { .. }));
            }
        }
    }
}
