//! Operators' commands, each run as the binary that operators run, on folders that people have talked in.

mod dead_letters;
mod rebuild;

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use parley_engines::{
    log::{
        Appended, LogReader, LogWriter, ReadMax,
        embedded::{EmbeddedLog, EmbeddedLogConfig},
    },
    store::projection::REFUSED,
};
use parley_loadtest::verify::expected::Expected;
use parley_proto::{Cursor, PartitionId, Position, RoomId};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

use crate::{client::PATIENCE, support};

const PARTITIONS: u16 = 16;

/// Runs `parley` on the folder: its exit code, what it printed, what it complained about.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        support::command(folder).args(arguments).env("PARLEY_LOG", "off").stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// What is printed by a command that does what it is told.
fn done(folder: &Path, arguments: &[&str]) -> String {
    let (code, printed, said) = run(folder, arguments);
    assert_eq!(code, Some(0), "{printed}{said}");
    printed
}

async fn database(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.unwrap()
}

async fn execute(folder: &Path, sql: &str) {
    sqlx::query(AssertSqlSafe(sql)).execute(&mut database(&folder.join("store.db")).await).await.unwrap();
}

/// From now on the database refuses messages that say "magic".
const NO_MAGIC: &str = "create trigger no_magic before insert on messages when new.body = 'magic' begin select raise(abort, 'no magic here'); end";

async fn log(folder: &Path) -> EmbeddedLog {
    EmbeddedLog::open(EmbeddedLogConfig::new(folder, PARTITIONS)).await.unwrap()
}

/// Puts records into the log of a folder that nobody serves.
async fn append(folder: &Path, records: Vec<(PartitionId, bytes::Bytes)>) -> Vec<Position> {
    let log = log(folder).await;
    let mut positions = Vec::new();
    for (partition, bytes) in records {
        match log.enqueue(partition, RoomId::of_partition(partition), bytes).unwrap().await {
            Appended::At(position) => positions.push(position),
            other => panic!("{other:?}"),
        }
    }
    log.close().await;
    positions
}

async fn records(folder: &Path) -> u64 {
    let log = log(folder).await;
    let mut records = 0;
    for partition in (0..PARTITIONS).map(PartitionId) {
        records += log.end(partition).await.unwrap().0;
    }
    log.close().await;
    records
}

/// Every row of the tables that the log feeds, as text; of all columns.
async fn tables(store: &Path, names: &[&str]) -> Vec<String> {
    let mut connection = database(store).await;
    let mut lines = Vec::new();
    for name in names {
        let columns: Vec<String> =
            sqlx::query_scalar("select name from pragma_table_info(?) order by name").bind(*name).fetch_all(&mut connection).await.unwrap();
        assert!(!columns.is_empty(), "there is no table {name}");
        let shown: Vec<_> = columns.iter().map(|column| format!("'{column}=' || quote({column})")).collect();
        let select = format!("select {} as row from {name} order by 1", shown.join(" || ' ' || "));
        let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(&mut connection).await.unwrap();
        lines.extend(rows.iter().map(|row| format!("{name}: {}", row.get::<String, _>("row"))));
    }
    lines
}

/// What the log alone says of the counters, and the store's dead letters: they have to be what the store counted.
async fn assert_conserved(folder: &Path, store: &Path) {
    let mut connection = database(store).await;
    let log = log(folder).await;
    for partition in (0..PARTITIONS).map(PartitionId) {
        let refused: Vec<i64> = sqlx::query_scalar("select position from dead_letters where partition = ? and reason like ? || '%'")
            .bind(i64::from(partition.0))
            .bind(REFUSED)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let mut expected = Expected::new(partition, refused.iter().map(|position| Position(position.cast_unsigned())).collect());
        let end = log.end(partition).await.unwrap();
        while expected.next < end {
            for record in log.read(partition, expected.next, ReadMax::default()).await.unwrap() {
                expected.record(record.position, &record.bytes).unwrap();
            }
        }
        let row = sqlx::query("select * from partitions where partition = ?").bind(i64::from(partition.0)).fetch_one(&mut connection).await.unwrap();
        let count = |name: &str| row.get::<i64, _>(name).cast_unsigned();
        let wanted = expected.outcomes;
        let there = ["applied", "superseded", "duplicate", "expired", "dead_letter", "control"].map(count);
        assert_eq!(there, [wanted.applied, wanted.superseded, wanted.duplicate, wanted.expired, wanted.dead_letter, wanted.control], "partition {partition}");
        assert_eq!((Cursor(count("next")), wanted.sum()), (end, end.0), "partition {partition}: everything is consumed and counted");
        let letters: Vec<(i64, Vec<u8>)> = sqlx::query_as("select position, bytes from dead_letters where partition = ? order by position")
            .bind(i64::from(partition.0))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let letters: Vec<_> = letters.into_iter().map(|(position, bytes)| (Position(position.cast_unsigned()), bytes)).collect();
        assert_eq!(letters, expected.dead_letters.into_iter().collect::<Vec<_>>(), "partition {partition}");
    }
    log.close().await;
}

/// Returns once every change of rooms and members has come back from the log.
async fn outbox_empty(folder: &Path) {
    let mut connection = database(&store_in(folder)).await;
    let until = tokio::time::Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>("select count(*) from outbox").fetch_one(&mut connection).await.unwrap() > 0 {
        assert!(tokio::time::Instant::now() < until, "the outbox is not empty in time");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

fn store_in(folder: &Path) -> PathBuf {
    folder.join("store.db")
}
