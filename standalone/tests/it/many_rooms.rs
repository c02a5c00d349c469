//! Somebody who is everywhere: joining is slowed down, and what ten thousand memberships cost is theirs, not the others'.

use std::time::Duration;

use parley_engines::bus::rate::Rate;
use parley_gateway::limits::LimitsConfig;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};

use crate::{
    client::{Answer, Person},
    node::Node,
    support::Parley,
};

/// What ten sockets of somebody in 10 000 rooms may cost the process, which knows for each socket in which rooms something may happen.
const KIB_MAX: u64 = 64 * 1024;

#[tokio::test]
async fn whoever_joins_too_many_rooms_is_told_when_to_go_on_and_leaving_costs_nothing() {
    let joins = Rate::new(1, Duration::from_secs(600), 3);
    let mut node = Node::with_limits(LimitsConfig { joins, ..LimitsConfig::default() }).await;
    let second = node.add_gateway("gateway-2").await;
    let (ada, bo) = (Person::sign_up(&node.url, "ada").await, Person::sign_up(&node.url, "bo").await);
    let mut rooms = Vec::new();
    for _ in 0..4 {
        rooms.push(ada.create_room("room").await);
    }
    let mut watcher = ada.connect().await;
    watcher.subscribe(rooms[0]).await;
    bo.join(rooms[0]).await;
    bo.join(rooms[0]).await;
    bo.at(&second).join(rooms[1]).await;
    assert_eq!(bo.post(&format!("/rooms/{}/leave", rooms[0]), &json!({})).await.0, 204);
    bo.join(rooms[0]).await;
    for (room, at) in [(rooms[2], bo.clone()), (rooms[3], bo.at(&second))] {
        let (status, problem) = at.post(&format!("/rooms/{room}/join"), &json!({})).await;
        assert_eq!((status, &problem["code"]), (429, &json!("rate_limited")), "{problem}");
        assert!(problem["retry_after_ms"].as_u64().unwrap() > 500_000, "{problem}");
        assert_eq!(bo.get(&format!("/rooms/{room}")).await.1["member"], false);
    }
    assert_eq!(bo.post(&format!("/rooms/{}/leave", rooms[0]), &json!({})).await.0, 204, "one can always go");
    let cy = Person::sign_up(&node.url, "cy").await;
    cy.join(rooms[2]).await;
    assert!(matches!(watcher.send(rooms[0], "nobody else notices").await, Answer::Ack { .. }));
    assert_eq!(watcher.until(rooms[0], 1).await, ["nobody else notices"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_memberships_cost_a_bounded_piece_of_memory_and_nobody_else_notices() {
    let folder = tempfile::tempdir().unwrap();
    let mut parley = Parley::start(folder.path());
    let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
    let room = bo.create_room("general").await;
    parley.end();
    // At one a second it would take three hours.
    let mut store = SqliteConnection::connect(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
    let rooms = "with recursive numbers (n) as (select 0 union all select n + 1 from numbers where n < 9999)
         insert into rooms (id, kind, name, name_folded, topic, topic_folded, visibility, public_name, archived, version, member_count, created_at)
         select cast(unhex(printf('%04x', n % 16)) || randomblob(14) as blob), 'room', 'many ' || n, 'many ' || n, '', '', 'private', null, 0, 1, 1, 1000
         from numbers";
    sqlx::query(rooms).execute(&mut store).await.unwrap();
    let members = "insert into members (room, user, role, joined_at, version)
         select rooms.id, accounts.id, 'member', 1000, 1 from rooms, accounts where rooms.name like 'many %' and accounts.user_name = ?";
    sqlx::query(members).bind(&ada.user_name).execute(&mut store).await.unwrap();
    store.close().await.unwrap();

    parley.start_again();
    let (ada, bo) = (ada.at(&parley.url), bo.at(&parley.url));
    let mut bystander = bo.connect().await;
    bystander.subscribe(room).await;
    assert!(matches!(bystander.send(room, "before").await, Answer::Ack { .. }));
    let before = parley.resident_kib();
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(ada.connect().await);
    }
    let (status, page) = ada.get("/rooms?limit=100").await;
    assert_eq!((status, page["items"].as_array().unwrap().len()), (200, 100));
    assert!(page["next"].is_string());
    assert_eq!(ada.get("/rooms/directory").await.0, 200);
    let grown = parley.resident_kib().saturating_sub(before);
    println!("ten sockets in 10 000 rooms cost {grown} KiB");
    assert!(grown < KIB_MAX, "{grown} KiB");
    for number in 0..20 {
        assert!(matches!(bystander.send(room, &number.to_string()).await, Answer::Ack { .. }));
    }
    assert_eq!(bystander.until(room, 21).await.len(), 21);
    assert!(bystander.closed.is_none() && sockets.iter().all(|socket| socket.closed.is_none()));
}
