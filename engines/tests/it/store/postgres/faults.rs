//! Backends that are terminated, a server that is killed, locks that are not let go.

use std::{sync::Arc, time::Duration};

use parley_cluster::{Proxy, proxy::Trouble};
use parley_engines::store::{
    postgres::PostgresConfig,
    projection::{CommitError, Entry},
    rooms::MembershipChange,
};
use parley_proto::{
    LogId, RoomId, UnixMillis,
    event::{SystemEvent, Visibility},
};
use rand::{SeedableRng, rngs::StdRng};
use sqlx::PgConnection;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{Engine, engine, migrating};
use crate::{
    services::postgres::{PostgresServer, connect},
    store::{
        Engine as _,
        fixture::{AnyStore, P, append, batch, create, edit, message, new_room, room, user, vote},
        model::{self, Model},
    },
};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(120);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Backends of this database that wait for a lock.
async fn waiting(connection: &mut PgConnection) -> Vec<i32> {
    sqlx::query_scalar("select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'").fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn a_commit_whose_backend_is_terminated_is_unknown_and_goes_in_once_afterwards() {
    let engine = engine().await;
    let store = engine.store();
    let first = message(room(1), user(1), "first");
    append(&store, [&first]).await;
    let records = [message(room(1), user(1), "second"), edit(&first, user(1), "better"), vote(&first, user(2), 1)];
    let mut entries: Vec<_> = records.map(|record| Entry::First(Box::new(record))).to_vec();
    entries.push(Entry::Dead { reason: "poison".to_owned(), bytes: vec![1].into() });
    let (batch, before) = (batch(1, entries.clone()), engine.tables().await);
    let mut admin = connect(&engine.url).await;
    for table in ["partitions", "messages", "room_positions", "tallies", "dead_letters"] {
        let mut holder = connect(&engine.url).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("begin; lock table {table} in exclusive mode"))).execute(&mut holder).await.unwrap();
        let terminate = async {
            let found = loop {
                match waiting(&mut admin).await.first() {
                    Some(pid) => break *pid,
                    None => sleep(BETWEEN_TRIES).await,
                }
            };
            sqlx::query("select pg_terminate_backend($1)").bind(found).execute(&mut admin).await.unwrap();
        };
        let (committed, ()) = timeout(PATIENCE, async { tokio::join!(store.commit(&batch), terminate) }).await.unwrap();
        assert!(matches!(committed, Err(CommitError::Unavailable(_))), "{table}: {committed:?}");
        drop(holder);
        assert_eq!(engine.tables().await, before, "{table}");
    }
    store.commit(&batch).await.unwrap();
    let log: Vec<_> = std::iter::once(Entry::First(Box::new(first))).chain(entries).collect();
    assert_eq!(engine.tables().await, Model::of(&log).tables());
}

#[tokio::test]
async fn connections_that_were_cut_during_a_pause_are_not_noticed() {
    let engine = engine().await;
    let store = engine.store();
    let id = create(&store, &new_room(1, "a", Visibility::Public)).await.id;
    futures::future::join_all((2..12).map(|number| store.join(id, user(number), u64::MAX, UnixMillis(1)))).await;
    append(&store, [&message(id, user(1), "before")]).await;
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        .execute(&mut connect(&engine.url).await)
        .await
        .unwrap();
    sleep(Duration::from_millis(1_200)).await;
    for joined in futures::future::join_all((12..22).map(|number| store.join(id, user(number), u64::MAX, UnixMillis(1)))).await {
        assert!(matches!(joined, Ok(MembershipChange::Changed(_))), "{joined:?}");
    }
    append(&store, [&message(id, user(1), "after")]).await;
}

#[tokio::test]
async fn a_call_that_waits_too_long_is_given_up_here_and_on_the_server() {
    let url = PostgresServer::shared().await.database();
    let engine = Engine::on(url, PostgresConfig { call_deadline: Duration::from_millis(500), ..migrating() }).await;
    let store = engine.store();
    let id = create(&store, &new_room(1, "a", Visibility::Public)).await.id;
    let (mut holder, mut admin) = (connect(&engine.url).await, connect(&engine.url).await);
    sqlx::raw_sql("begin; select from rooms for update").execute(&mut holder).await.unwrap();
    for joined in futures::future::join_all((2..5).map(|number| store.join(id, user(number), u64::MAX, UnixMillis(1)))).await {
        assert!(joined.is_err(), "{joined:?}");
    }
    let all_given_up = async {
        while !waiting(&mut admin).await.is_empty() {
            sleep(BETWEEN_TRIES).await;
        }
    };
    timeout(PATIENCE, all_given_up).await.expect("nobody waits on the server for what nobody here waits for");
    sqlx::raw_sql("rollback").execute(&mut holder).await.unwrap();
    assert_eq!(store.room(id).await.unwrap().unwrap().members, 1);
    assert!(matches!(store.join(id, user(2), u64::MAX, UnixMillis(1)).await, Ok(MembershipChange::Changed(_))));
}

#[tokio::test]
async fn the_locks_of_a_persister_that_is_cut_off_are_gone_after_moments() {
    let engine = engine().await;
    append(&engine.store(), [&message(room(1), user(1), "first")]).await;
    let (server, rest) = engine.url.split_once('@').unwrap().1.split_once('/').unwrap();
    let wire = Proxy::start("persister~postgres", server.parse().unwrap()).await.unwrap();
    let cut_off =
        Engine::on(format!("postgres://parley@{}/{rest}", wire.addr()), PostgresConfig { batch_deadline: Duration::from_secs(1), ..migrating() }).await.store();
    // In the middle of its COPY: the server's word that the rows may come does not reach it any more.
    let mut holder = connect(&engine.url).await;
    sqlx::raw_sql("begin; lock table tallies, messages in exclusive mode").execute(&mut holder).await.unwrap();
    let entries = || vec![Entry::First(Box::new(message(room(1), user(1), "second")))];
    let (batch, mut admin) = (batch(1, entries()), connect(&engine.url).await);
    let cut = async {
        while waiting(&mut admin).await.is_empty() {
            sleep(BETWEEN_TRIES).await;
        }
        wire.set(Trouble::Cut);
        drop(holder);
    };
    let (given_up, ()) = timeout(PATIENCE, async { tokio::join!(cut_off.commit(&batch), cut) }).await.unwrap();
    assert!(matches!(given_up, Err(CommitError::Unavailable(_))), "{given_up:?}");
    let began = Instant::now();
    let store = engine.store();
    let committed = async {
        while let Err(error) = store.commit(&batch).await {
            assert!(matches!(error, CommitError::Unavailable(_)), "{error:?}");
            sleep(BETWEEN_TRIES).await;
        }
    };
    timeout(PATIENCE, committed).await.unwrap();
    println!("another commits {} ms after it was given up", began.elapsed().as_millis());
    assert!(began.elapsed() < Duration::from_secs(15), "who waits for five seconds ends it; three times that");
}

/// Two kills, each while a persister commits and people join.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_mid_traffic_comes_back_and_nothing_is_doubled_or_half_written() {
    const PIECE: usize = 20;
    let server = PostgresServer::start().await;
    let engine = Engine::on(server.database(), migrating()).await;
    let store = engine.store();
    store.partition(P, LogId::NIL).await.unwrap();
    let id = create(&store, &new_room(9, "a", Visibility::Public)).await.id;
    let log = Arc::new(model::random_log(&mut StdRng::seed_from_u64(7), 6_000));
    let (progress, mut stored) = watch::channel(0);
    let persister = tokio::spawn(persist(Arc::clone(&store), Arc::clone(&log), PIECE, progress));
    let people = tokio::spawn(join_until(Arc::clone(&store), id, stored.clone(), log.len()));
    for share in [3, 2] {
        timeout(PATIENCE, stored.wait_for(|done| *done > log.len() / share)).await.unwrap().unwrap();
        server.kill();
        server.wait_ready().await;
    }
    let failed_commits = timeout(PATIENCE, persister).await.unwrap().unwrap();
    let (joined, failed_joins) = timeout(PATIENCE, people).await.unwrap().unwrap();
    println!("{failed_commits} commits and {failed_joins} joins were unknown; {joined} people joined");
    assert!(failed_commits > 0);
    assert_eq!(engine.tables().await, Model::of(&log).tables());
    let room = store.room(id).await.unwrap().unwrap();
    assert_eq!((room.members, room.version), (joined + 1, i64::try_from(joined).unwrap() + 1));
    let outbox = store.outbox(P, usize::MAX).await.unwrap().value;
    let versions: Vec<_> = outbox.iter().map(|row| serde_json::from_str::<SystemEvent>(&row.body).unwrap().version).collect();
    assert_eq!(versions, (1..=room.version).collect::<Vec<_>>(), "one event for each");
}

/// Commits the log as a persister does. Returns how many commits were answered by "unknown".
pub(super) async fn persist(store: AnyStore, log: Arc<Vec<Entry>>, piece: usize, progress: watch::Sender<usize>) -> usize {
    let (mut done, mut failed) = (0, 0);
    while done < log.len() {
        let end = (done + piece).min(log.len());
        match store.commit(&batch(done as u64, log[done..end].to_vec())).await {
            Ok(_) => done = end,
            // The commit whose answer was lost went in.
            Err(CommitError::Moved { next }) => done = usize::try_from(next.0).unwrap(),
            Err(CommitError::Unavailable(_)) => {
                failed += 1;
                sleep(BETWEEN_TRIES).await;
            }
            Err(refused @ CommitError::Refused(_)) => panic!("{refused}"),
        }
        progress.send_replace(done);
    }
    failed
}

/// One person after the other joins, each as often as it takes, until the log is stored. Returns how many have joined, and how many tries failed.
async fn join_until(store: AnyStore, id: RoomId, stored: watch::Receiver<usize>, end: usize) -> (u64, usize) {
    let (mut joined, mut failed) = (0, 0);
    while *stored.borrow() < end {
        match store.join(id, user(u128::from(joined) + 2), u64::MAX, UnixMillis(1)).await {
            // Unchanged: the answer of an earlier try was lost.
            Ok(MembershipChange::Changed(_) | MembershipChange::Unchanged) => joined += 1,
            Ok(gone @ (MembershipChange::NoRoom | MembershipChange::Full)) => panic!("{gone:?}"),
            Err(_) => {
                failed += 1;
                sleep(BETWEEN_TRIES).await;
            }
        }
    }
    (joined, failed)
}
