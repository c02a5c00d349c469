//! What only SQLite promises.

use std::{path::PathBuf, sync::Arc};

use parley_engines::store::{
    projection::{CommitError, Projection},
    sqlite::{OpenError, SqliteStore},
};
use parley_proto::Cursor;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

use super::{
    Engine as _,
    fixture::{AnyStore, P, append, batch, message, room, user},
    model,
};

pub(super) struct Engine {
    _folder: TempDir,
    path: PathBuf,
    store: Arc<SqliteStore>,
}

impl super::Engine for Engine {
    fn store(&self) -> AnyStore {
        Arc::clone(&self.store) as AnyStore
    }

    async fn tables(&self) -> Vec<String> {
        model::tables_of_sqlite(&mut self.connection().await).await
    }
}

impl Engine {
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
