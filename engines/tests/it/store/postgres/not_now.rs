//! What Postgres says when it can't now: no connection is free, it is read-only, transactions got into each other's way. Nothing is written, the caller is told
//! to come again, and what comes again goes in once.

use std::{sync::Arc, time::Duration};

use parley_engines::store::{
    postgres::PostgresConfig,
    projection::{CommitError, Entry},
    rooms::MembershipChange,
};
use parley_proto::{LogId, UnixMillis, event::Visibility};
use rand::{SeedableRng, rngs::StdRng};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::{Engine, faults::persist, migrating};
use crate::{
    services::postgres::{PostgresServer, connect},
    store::{
        Engine as _,
        fixture::{P, append, batch, create, message, new_room, user},
        model::{self, Model},
    },
};

/// A store that is not patient, on a fresh database of the shared server; and the database's name.
async fn impatient() -> (Engine, String) {
    let url = PostgresServer::shared().await.database();
    let name = url.rsplit('/').next().unwrap().to_owned();
    let config = PostgresConfig { call_deadline: Duration::from_secs(2), batch_deadline: Duration::from_secs(2), ..migrating() };
    (Engine::on(url, config).await, name)
}

/// Changes the database for all who connect from now on, and has everybody connect anew.
async fn alter(admin: &mut PgConnection, name: &str, change: &str) {
    sqlx::raw_sql(AssertSqlSafe(format!("alter database \"{name}\" {change}"))).execute(&mut *admin).await.unwrap();
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1").bind(name).execute(&mut *admin).await.unwrap();
}

/// While the database is so changed, a question (if it is `away`), a change and a commit are told "not now", in time, and nothing is written; afterwards
/// they go in.
async fn is_told_not_now(change: &str, back: &str, away: bool) {
    let ((engine, name), mut admin) = (impatient().await, PostgresServer::shared().await.admin().await);
    let store = engine.store();
    let id = create(&store, &new_room(1, "a", Visibility::Public)).await.id;
    append(&store, [&message(id, user(1), "before")]).await;
    let before = engine.tables().await;
    alter(&mut admin, &name, change).await;
    // Connections that were cut are noticed by whoever uses them first.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let after = batch(1, vec![Entry::First(Box::new(message(id, user(1), "after")))]);
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(store.room(id).await.is_err(), away, "{change}");
        let joined = store.join(id, user(2), u64::MAX, UnixMillis(1)).await;
        assert!(joined.is_err(), "{change}: {joined:?}");
        let committed = store.commit(&after).await;
        assert!(matches!(committed, Err(CommitError::Unavailable(_))), "{change}: {committed:?}");
        println!("{change}: {committed:?} after {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(10), "{change}: everybody is told in time");
    }
    alter(&mut admin, &name, back).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(engine.tables().await, before, "{change}: nothing was written");
    assert!(matches!(store.join(id, user(2), u64::MAX, UnixMillis(1)).await, Ok(MembershipChange::Changed(_))), "{change}");
    store.commit(&after).await.unwrap();
    assert!(matches!(store.commit(&after).await, Err(CommitError::Moved { .. })), "{change}: once");
    assert_eq!(store.room(id).await.unwrap().unwrap().last_seq, 2);
}

#[tokio::test]
async fn with_no_connection_left_everybody_is_told_in_time_and_goes_on_afterwards() {
    is_told_not_now("connection limit 0", "connection limit -1", true).await;
}

/// As a host does whose disk is full, or a server that only follows another one.
#[tokio::test]
async fn a_database_that_only_reads_is_read_and_takes_no_change() {
    is_told_not_now("set default_transaction_read_only = on", "reset default_transaction_read_only", false).await;
}

/// From now on one commit in `each`, beginning with the next, is told this at its end, when all has been written. (A sequence is not rolled back.)
async fn get_in_the_way(admin: &mut PgConnection, each: u32, code: &str) {
    let trigger = format!(
        "create sequence if not exists tries; alter sequence tries restart with 1;
         create or replace function get_in_the_way() returns trigger language plpgsql as
         $$begin if nextval('tries') % {each} = 1 then raise exception 'not now' using errcode = '{code}'; end if; return null; end$$;
         drop trigger if exists get_in_the_way on partitions;
         create constraint trigger get_in_the_way after update on partitions deferrable initially deferred
         for each row when (old.next <> new.next) execute function get_in_the_way()"
    );
    sqlx::raw_sql(AssertSqlSafe(trigger)).execute(admin).await.unwrap();
}

/// Each of these may be said of any transaction at any time, and the same transaction may go in a moment later.
#[tokio::test]
async fn transactions_that_got_into_each_other_s_way_are_tried_again_and_nothing_is_doubled() {
    const PIECE: usize = 20;
    let engine = super::engine().await;
    let store = engine.store();
    store.partition(P, LogId::NIL).await.unwrap();
    let log = Arc::new(model::random_log(&mut StdRng::seed_from_u64(11), 1_000));
    // Serialization failure, deadlock, disk full, out of memory, cancelled, lock not available.
    let codes = ["40001", "40P01", "53100", "53200", "57014", "55P03"];
    let mut admin = connect(&engine.url).await;
    for (number, code) in codes.into_iter().enumerate() {
        get_in_the_way(&mut admin, 2, code).await;
        let piece = batch((number * PIECE) as u64, log[number * PIECE..(number + 1) * PIECE].to_vec());
        let before = engine.tables().await;
        let first = store.commit(&piece).await;
        assert!(matches!(first, Err(CommitError::Unavailable(_))), "{code}: {first:?}");
        assert_eq!(engine.tables().await, before, "{code}: nothing is half written");
        store.commit(&piece).await.unwrap();
    }
    get_in_the_way(&mut admin, 3, "40001").await;
    let (progress, _stored) = watch::channel(0);
    // Its first commits say that the store has moved: somebody was here before.
    let failed = timeout(Duration::from_secs(120), persist(Arc::clone(&store), Arc::clone(&log), PIECE, progress)).await.unwrap();
    println!("{failed} commits were put off");
    assert!(failed >= 10, "{failed}");
    assert_eq!(engine.tables().await, Model::of(&log).tables());
}
