//! The comparison itself: what was broken by hand is found, under its name.

use std::time::Duration;

use parley_loadtest::verify::Report;
use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

use crate::{talk::Talk, world::World};

/// Breaks the store, looks, and mends it.
async fn broken(world: &World, store: &mut PgConnection, breaks: &str, mends: &str) -> Report {
    let changed = sqlx::query(sqlx::AssertSqlSafe(breaks)).execute(&mut *store).await.unwrap();
    assert!(changed.rows_affected() > 0, "{breaks} changes nothing");
    let report = world.compare(Duration::ZERO).await;
    sqlx::query(sqlx::AssertSqlSafe(mends)).execute(store).await.unwrap();
    report
}

pub(crate) async fn a_difference_is_found(world: &World) {
    let talk = Talk::start(world).await;
    let room = talk.room;
    sleep(Duration::from_secs(1)).await;
    talk.end(world).await;
    let mut store = PgConnection::connect(&world.deployment().store_url).await.unwrap();
    let partition = room.partition();
    let of = format!("where room = '{room}' and seq = 3");
    for (breaks, mends, found) in [
        (format!("update messages set body = body || '!' {of}"), format!("update messages set body = left(body, -1) {of}"), "messages"),
        (
            format!("update messages set seq = null {of}"),
            format!("update messages set seq = 3 where room = '{room}' and kind = 'message' and seq is null"),
            "messages",
        ),
        (
            format!("update room_positions set last_seq = last_seq + 1 where room = '{room}'"),
            format!("update room_positions set last_seq = last_seq - 1 where room = '{room}'"),
            "room positions",
        ),
        (
            format!("insert into votes (message, user_id, position, value) select id, sender, position, 1 from messages {of}"),
            format!("delete from votes where message in (select id from messages {of})"),
            "votes",
        ),
        (
            format!("insert into tallies (message, room, position, sum, count, tally_rev) select id, room, position, 1, 1, position from messages {of}"),
            format!("delete from tallies where message in (select id from messages {of})"),
            "tallies",
        ),
        (
            format!("update partitions set duplicate = duplicate + 1, applied = applied - 1 where partition = {partition}"),
            format!("update partitions set duplicate = duplicate - 1, applied = applied + 1 where partition = {partition}"),
            "partitions",
        ),
        (
            format!("update rooms set member_count = member_count + 1 where id = '{room}'"),
            format!("update rooms set member_count = member_count - 1 where id = '{room}'"),
            "member counts",
        ),
    ] {
        let report = broken(world, &mut store, &breaks, &mends).await;
        let names: Vec<_> = report.broken().map(|check| check.name).collect();
        assert!(names.iter().any(|name| name.starts_with(found)), "{breaks}: found in {names:?}");
    }
    world.assert_whole().await;
}
