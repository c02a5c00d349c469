//! Which way Postgres takes to an answer: never through a whole table.

use parley_engines::store::timeline::RowsAt;
use parley_proto::{Cursor, MessageId, Position};
use uuid::Uuid;

use super::engine;
use crate::{
    services::postgres::connect,
    store::{
        Engine as _,
        fixture::{P, backward, forward, room, user},
    },
};

/// Half of the messages are in one room, whose people, names and topics fill the other tables. What is looked for lies at the tables' ends.
const ROWS: &str = "
    insert into messages (room, position, id, seq, rev, kind, sender, cid, base, body, sent_at, imported, edited, deleted)
    select case when n % 2 = 0 then $1::uuid else gen_random_uuid() end, n, lpad(to_hex(n), 32, '0')::uuid, n, n, 'message', $2::uuid, gen_random_uuid(), 0, 'text', n,
           false, false, false
    from generate_series(1, 60000) n;
";
const ROOMS: &str = "
    insert into rooms (id, kind, name, name_folded, topic, topic_folded, visibility, public_name, archived, version, member_count, created_at)
    select lpad(to_hex(n), 32, '0')::uuid, 'room', name, name, topic, topic, 'public', name, false, 1, n % 100, n
    from generate_series(1, 30000) n, lateral (select 'room ' || n as name, 'about ' || md5(n::text) as topic) texts;
";
const MEMBERS: &str = "
    insert into members (room, user_id, role, joined_at, version)
    select $1::uuid, lpad(to_hex(n), 32, '0')::uuid, 'member', n, 1 from generate_series(1, 30000) n
    union all
    select lpad(to_hex(n), 32, '0')::uuid, $2::uuid, 'member', n, 1 from generate_series(29900, 30000) n;
";

/// Postgres plans a statement anew for its first five times on a connection; later it may keep one plan for all.
const TIMES: u64 = 12;

#[tokio::test]
async fn no_question_reads_a_whole_table() {
    let engine = engine().await;
    let store = engine.store();
    let (big, person) = (room(1), user(0xFFFF_FFFF));
    let mut connection = connect(&engine.url).await;
    for (rows, bound) in [(ROWS, true), (ROOMS, false), (MEMBERS, true)] {
        let insert = sqlx::query(rows);
        if bound { insert.bind(big.0).bind(person.0) } else { insert }.execute(&mut connection).await.unwrap();
    }
    for table in ["analyze messages", "analyze rooms", "analyze members"] {
        sqlx::query(table).execute(&mut connection).await.unwrap();
    }
    let scans = async |connection: &mut sqlx::PgConnection| -> Vec<(String, i64)> {
        sqlx::query_as("select relname::text, seq_scan from pg_stat_user_tables where relname in ('messages', 'rooms', 'members') order by relname")
            .fetch_all(connection)
            .await
            .unwrap()
    };
    // A connection reports what it did when it ends.
    drop(connection);
    let before = scans(&mut connect(&engine.url).await).await;
    let id = |number: u64| MessageId(Uuid::from_u128(u128::from(number)));
    for time in 0..TIMES {
        let near_the_end = 59_000 + time * 10;
        for at in
            [RowsAt::Newest, RowsAt::Before(Cursor(near_the_end)), RowsAt::From(Cursor(near_the_end)), RowsAt::From(Cursor(40_000)), RowsAt::Before(Cursor(9))]
        {
            store.rows(big, at, 50).await.unwrap();
        }
        let around = store.rows(big, RowsAt::Around(id(near_the_end)), 50).await.unwrap().value;
        assert!(around.has_older && around.has_newer);
        store.changes(big, Cursor(near_the_end), 100).await.unwrap();
        let found = store.find(P, &[id(near_the_end)]).await.unwrap().value;
        assert_eq!(found, [Some(Position(near_the_end))]);
        store.members(big, &forward(Some(user(20_000)), 50)).await.unwrap();
        store.members(big, &backward(None, 50)).await.unwrap();
        assert_eq!(store.memberships(user(7)).await.unwrap().len(), 1);
        assert_eq!(store.rooms_of(person, &forward(None, 50)).await.unwrap().items.len(), 50);
        assert_eq!(store.public_rooms(None, &forward(None, 50)).await.unwrap().items.len(), 50);
        assert_eq!(store.public_rooms(Some("room"), &backward(None, 50)).await.unwrap().items.len(), 50);
        assert_eq!(store.public_rooms(Some("M 2999"), &forward(None, 50)).await.unwrap().items.len(), 11);
        assert_eq!(store.public_rooms(Some("nowhere"), &forward(None, 50)).await.unwrap().items, []);
    }
    engine.store.close().await;
    assert_eq!(scans(&mut connect(&engine.url).await).await, before);
}
