//! What only SQLite promises, and the property that ties the projection to a naive fold.

use std::{path::PathBuf, sync::Arc};

use parley_engines::store::{
    Store,
    projection::{CommitError, Projection},
    sqlite::{OpenError, SqliteStore},
    timeline::RowsAt,
};
use parley_proto::Cursor;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::{
    fixture::{AnyStore, P, append, batch, message, room, user},
    model::{self, Model},
};

pub(super) struct Engine {
    _folder: TempDir,
    path: PathBuf,
    store: Arc<SqliteStore>,
}

impl Engine {
    pub(super) fn store(&self) -> AnyStore {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    async fn connection(&self) -> SqliteConnection {
        SqliteConnection::connect(&format!("sqlite:{}", self.path.display())).await.unwrap()
    }
}

/// A fresh store with the partition's row.
pub(super) async fn engine() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    Engine { _folder: folder, path, store }
}

#[tokio::test]
async fn what_was_committed_is_there_after_the_file_is_opened_again() {
    let engine = engine().await;
    append(&engine.store(), [&message(room(1), user(1), "kept")]).await;
    engine.store.close().await;
    let again: AnyStore = Arc::new(SqliteStore::open(&engine.path).await.unwrap());
    assert_eq!(super::fixture::all_rows(&again, room(1)).await.items[0].body, "kept");
}

#[tokio::test]
async fn a_schema_newer_than_the_binary_does_not_open() {
    let engine = engine().await;
    engine.store.close().await;
    let mut connection = engine.connection().await;
    sqlx::query("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', 1, x'00', 0)")
        .execute(&mut connection)
        .await
        .unwrap();
    let error = SqliteStore::open(&engine.path).await.unwrap_err();
    assert!(matches!(error, OpenError::SchemaNewer { found: 9999, .. }), "{error}");
}

#[tokio::test]
async fn a_database_that_is_locked_by_another_is_unavailable_and_then_recovers() {
    let engine = engine().await;
    append(&engine.store(), [&message(room(1), user(1), "before")]).await;
    let mut connection = engine.connection().await;
    sqlx::query("begin immediate").execute(&mut connection).await.unwrap();
    let entry = parley_engines::store::projection::Entry::First(Box::new(message(room(1), user(1), "after")));
    let refused = engine.store.commit(&batch(1, vec![entry.clone()])).await;
    assert!(matches!(refused, Err(CommitError::Unavailable(_))), "{refused:?}");
    sqlx::query("rollback").execute(&mut connection).await.unwrap();
    engine.store.commit(&batch(1, vec![entry])).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_half_done() {
    let engine = engine().await;
    let store = engine.store();
    append(&store, [&message(room(1), user(1), "before")]).await;
    for round in 0..50 {
        let next = store.partitions().await.unwrap()[0].next;
        let entries = (0..300).map(|_| parley_engines::store::projection::Entry::First(Box::new(message(room(1), user(1), "x")))).collect();
        let given_up = tokio::time::timeout(std::time::Duration::from_micros(round * 200), store.commit(&batch(next.0, entries))).await;
        drop(given_up);
    }
    // One snapshot: a commit that was given up may still arrive between two.
    let snapshot = store.rows(room(1), RowsAt::Newest, 1).await.unwrap();
    assert_eq!(snapshot.next, Cursor(snapshot.value.last_seq));
    let state = store.partitions().await.unwrap().remove(0);
    assert_eq!(state.next, Cursor(state.outcomes.applied));
}

/// A random log, committed in random pieces with zombies in between, is what a naive fold of it says.
#[tokio::test]
async fn any_log_in_any_pieces_gives_the_tables_that_a_naive_fold_gives() {
    for seed in 0..12 {
        let mut random = StdRng::seed_from_u64(seed);
        let log = model::random_log(&mut random, 600);
        let mut model = Model::default();
        log.iter().zip(0..).for_each(|(entry, position)| model.apply(position, entry));
        for _ in 0..2 {
            let engine = engine().await;
            let store = engine.store();
            store.partition(P, parley_proto::LogId::NIL).await.unwrap();
            let mut done = 0;
            while done < log.len() {
                let end = (done + random.random_range(1..120)).min(log.len());
                if done > 0 && random.random_bool(0.5) {
                    let stale = random.random_range(0..done);
                    let zombie = store.commit(&batch(stale as u64, log[stale..end].to_vec())).await;
                    assert!(matches!(zombie, Err(CommitError::Moved { .. })), "seed {seed}: {zombie:?}");
                }
                store.commit(&batch(done as u64, log[done..end].to_vec())).await.unwrap();
                done = end;
                let state = &store.partitions().await.unwrap()[0];
                assert_eq!(state.outcomes.consumed(), done as u64, "seed {seed}: conservation at every commit");
            }
            assert_eq!(model::tables(&mut engine.connection().await).await, model.tables(), "seed {seed}");
        }
    }
}

/// Not a test of speed: it prints what was measured. A base near the log's end, as clients send it, keeps the index of ids local; base 0 scatters it.
#[tokio::test]
async fn commit_speed_is_printed() {
    const TOTAL: u64 = 40_000;
    const PIECE: u64 = 2_000;
    for (what, base) in [("base near the end", 1), ("base 0", 0)] {
        let engine = engine().await;
        let store = engine.store();
        store.partition(P, parley_proto::LogId::NIL).await.unwrap();
        let entry = |position: u64| {
            let room = room(u8::try_from(position % 16).unwrap());
            let message = message(room, user(u128::from(position % 500)), "a message of an ordinary length, say, sixty characters");
            parley_engines::store::projection::Entry::First(Box::new(parley_proto::Record { base: Cursor(position * base), ..message }))
        };
        let batches: Vec<_> = (0..TOTAL / PIECE).map(|number| batch(number * PIECE, (number * PIECE..(number + 1) * PIECE).map(entry).collect())).collect();
        let start = tokio::time::Instant::now();
        for batch in &batches {
            store.commit(batch).await.unwrap();
        }
        println!("{what}: {TOTAL} messages in {:?}: {:.0} rows/s", start.elapsed(), TOTAL as f64 / start.elapsed().as_secs_f64());
    }
}
