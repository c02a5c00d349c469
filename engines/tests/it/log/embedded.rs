//! The embedded log: the contract, and what its file, its queue and its folder promise.

use std::{ops::Deref, path::Path, time::Duration};

use bytes::Bytes;
use parley_engines::{
    folder_lock::FolderLockError,
    log::{
        Appended, EnqueueError, Log, LogError, LogReader, LogWriter, ReadMax, Receipt,
        embedded::{EmbeddedLog, EmbeddedLogConfig, EmbeddedLogError},
    },
};
use parley_proto::{Cursor, PartitionId, Position, RoomId};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::time::timeout;

use super::contract::log_contract;

const P0: PartitionId = PartitionId(0);

struct Opened {
    log: EmbeddedLog,
    _folder: TempDir,
}

impl Deref for Opened {
    type Target = dyn Log;
    fn deref(&self) -> &Self::Target {
        &self.log
    }
}

async fn open_contract() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    Opened { log: open(folder.path(), 2).await, _folder: folder }
}

log_contract!(open_contract);

/// The same where nothing is kept in memory.
mod from_the_file {
    use super::{log_contract, open_from_the_file};

    log_contract!(open_from_the_file);
}

async fn open_from_the_file() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    Opened { log: open_keeping(folder.path(), 2, 0).await, _folder: folder }
}

async fn open_keeping(folder: &Path, partitions: u16, recent_bytes_max: usize) -> EmbeddedLog {
    EmbeddedLog::open(EmbeddedLogConfig { recent_bytes_max, ..EmbeddedLogConfig::new(folder, partitions) }).await.unwrap()
}

async fn open(folder: &Path, partitions: u16) -> EmbeddedLog {
    EmbeddedLog::open(EmbeddedLogConfig::new(folder, partitions)).await.unwrap()
}

fn enqueue(log: &EmbeddedLog, partition: PartitionId, text: &str) -> Result<Receipt, EnqueueError> {
    log.enqueue(partition, RoomId::of_partition(partition), Bytes::copy_from_slice(text.as_bytes()))
}

async fn texts(log: &EmbeddedLog, partition: PartitionId) -> Vec<String> {
    let records = log.read(partition, Cursor::ZERO, ReadMax::default()).await.unwrap();
    records.iter().map(|record| String::from_utf8(record.bytes.to_vec()).unwrap()).collect()
}

/// Somebody else who has the file's write lock, so that commits fail after a while.
async fn hold_write_lock(folder: &Path) -> SqliteConnection {
    let mut other = SqliteConnectOptions::new().filename(folder.join("log.db")).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    other
}

#[tokio::test]
async fn a_log_that_is_opened_again_has_its_records_and_goes_on_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 3).await;
    let id = log.id();
    for (partition, text) in [(0, "a"), (2, "x"), (0, "b")] {
        enqueue(&log, PartitionId(partition), text).unwrap().await;
    }
    log.close().await;

    let log = open(folder.path(), 3).await;
    assert_eq!(log.id(), id);
    assert_eq!((log.end(P0).await, log.end(PartitionId(1)).await, log.end(PartitionId(2)).await), (Ok(Cursor(2)), Ok(Cursor(0)), Ok(Cursor(1))));
    assert_eq!(enqueue(&log, P0, "c").unwrap().await, Appended::At(Position(2)));
    assert_eq!(texts(&log, P0).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn closing_writes_what_is_queued_and_accepts_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 1).await;
    let receipts: Vec<_> = (0..500).map(|n| enqueue(&log, P0, &n.to_string()).unwrap()).collect();
    log.close().await;
    for (n, receipt) in (0..).zip(receipts) {
        assert_eq!(receipt.await, Appended::At(Position(n)));
    }
    assert_eq!(enqueue(&log, P0, "late").unwrap_err(), EnqueueError::Closed);
    assert!(matches!(log.read(P0, Cursor::ZERO, ReadMax::default()).await, Err(LogError::Unavailable(_))));
    assert!(matches!(log.follow(P0, Cursor(500)).next(ReadMax::default()).await, Err(LogError::Unavailable(_))));
    assert_eq!(texts(&open(folder.path(), 1).await, P0).await.len(), 500);
}

#[tokio::test]
async fn a_folder_that_is_in_use_is_refused_and_free_again_after_closing() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 1).await;
    let refused = EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 1)).await.unwrap_err();
    assert!(matches!(refused, EmbeddedLogError::Locked(FolderLockError::InUse { .. })), "{refused}");
    assert!(refused.to_string().contains("in use by process"), "{refused}");
    log.close().await;
    open(folder.path(), 1).await;
}

#[tokio::test]
async fn partitions_can_be_added_but_not_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 2).await;
    enqueue(&log, PartitionId(1), "a").unwrap().await;
    log.close().await;

    let log = open(folder.path(), 5).await;
    assert_eq!(log.partitions(), 5);
    assert_eq!(enqueue(&log, PartitionId(4), "b").unwrap().await, Appended::At(Position(0)));
    assert_eq!(texts(&log, PartitionId(1)).await, ["a"]);
    log.close().await;

    let refused = EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 4)).await.unwrap_err();
    assert!(matches!(refused, EmbeddedLogError::FewerPartitions { stored: 5, asked: 4 }), "{refused}");
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 1).await.close().await;
    let mut file = SqliteConnectOptions::new().filename(folder.path().join("log.db")).connect().await.unwrap();
    sqlx::query("PRAGMA user_version = 9").execute(&mut file).await.unwrap();
    file.close().await.unwrap();
    let refused = EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 1)).await.unwrap_err();
    assert!(matches!(refused, EmbeddedLogError::Newer(9)), "{refused}");
}

#[tokio::test]
async fn a_queue_that_is_full_or_stuck_refuses_and_nothing_was_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let config = EmbeddedLogConfig { queue_bytes_max: 10, queue_age_max: Duration::from_millis(200), ..EmbeddedLogConfig::new(folder.path(), 1) };
    let log = EmbeddedLog::open(config).await.unwrap();
    let other = hold_write_lock(folder.path()).await;
    let stuck = enqueue(&log, P0, "aaaa").unwrap();
    let behind = enqueue(&log, P0, "bbbb").unwrap();
    assert_eq!(enqueue(&log, P0, "cccc").unwrap_err(), EnqueueError::QueueFull);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(enqueue(&log, P0, "d").unwrap_err(), EnqueueError::QueueFull);
    other.close().await.unwrap();
    assert_eq!((stuck.await, behind.await), (Appended::At(Position(0)), Appended::At(Position(1))));
    assert_eq!(texts(&log, P0).await, ["aaaa", "bbbb"]);
}

#[tokio::test]
async fn a_commit_that_failed_is_unknown_and_the_log_goes_on_with_dense_positions() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 2).await;
    assert_eq!(enqueue(&log, P0, "a").unwrap().await, Appended::At(Position(0)));
    let other = hold_write_lock(folder.path()).await;
    let failed = enqueue(&log, P0, "failed").unwrap();
    assert_eq!(timeout(Duration::from_secs(20), failed).await.expect("an answer comes"), Appended::Unknown);
    other.close().await.unwrap();

    let mut follower = log.follow(P0, Cursor(1));
    assert_eq!(enqueue(&log, P0, "b").unwrap().await, Appended::At(Position(1)));
    assert_eq!(follower.next(ReadMax::default()).await.unwrap()[0].position, Position(1));
    assert_eq!(texts(&log, P0).await, ["a", "b"]);
}

#[tokio::test]
async fn a_record_that_got_into_the_file_although_the_answer_was_lost_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 1).await;
    assert_eq!(enqueue(&log, P0, "a").unwrap().await, Appended::At(Position(0)));
    // As if a commit had succeeded without this process hearing of it.
    let mut other = SqliteConnectOptions::new().filename(folder.path().join("log.db")).connect().await.unwrap();
    sqlx::query("INSERT INTO records (key, bytes) VALUES (1, CAST('lost' AS BLOB))").execute(&mut other).await.unwrap();
    assert_eq!(enqueue(&log, P0, "b").unwrap().await, Appended::Unknown, "its position was taken");

    let records = timeout(Duration::from_secs(20), log.follow(P0, Cursor(1)).next(ReadMax::default())).await.expect("followers are woken").unwrap();
    assert_eq!(&records[0].bytes[..], b"lost");
    assert_eq!(enqueue(&log, P0, "c").unwrap().await, Appended::At(Position(2)));
    assert_eq!(texts(&log, P0).await, ["a", "lost", "c"]);
}

#[tokio::test]
async fn records_below_the_first_one_are_out_of_range_instead_of_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_keeping(folder.path(), 2, 0).await;
    for partition in [0, 0, 0, 1] {
        enqueue(&log, PartitionId(partition), "a").unwrap().await;
    }
    let mut other = SqliteConnectOptions::new().filename(folder.path().join("log.db")).connect().await.unwrap();
    sqlx::query("DELETE FROM records WHERE key < 2").execute(&mut other).await.unwrap();
    let told = log.read(P0, Cursor(1), ReadMax::default()).await;
    assert_eq!(told, Err(LogError::OutOfRange { asked: Cursor(1), first: Cursor(2), end: Cursor(3) }));
}

#[tokio::test]
async fn what_was_just_committed_is_read_from_memory_and_what_came_before_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let log = open_keeping(folder.path(), 1, 1_000).await;
    for number in 0..100 {
        enqueue(&log, P0, &number.to_string()).unwrap().await;
    }
    let from = async |first| log.read(P0, Cursor(first), ReadMax::default()).await.unwrap().iter().map(|record| record.position.0).collect::<Vec<_>>();
    assert_eq!(from(0).await, Vec::from_iter(0..100));
    let mut other = SqliteConnectOptions::new().filename(folder.path().join("log.db")).connect().await.unwrap();
    sqlx::query("DELETE FROM records WHERE key >= 95").execute(&mut other).await.unwrap();
    assert_eq!(from(0).await, Vec::from_iter(0..95));
    assert_eq!(from(95).await, Vec::from_iter(95..100));
}

#[tokio::test]
async fn a_log_that_is_dropped_frees_its_folder_once_its_queue_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path(), 1).await;
    let receipt = enqueue(&log, P0, "a").unwrap();
    drop(log);
    assert_eq!(receipt.await, Appended::At(Position(0)));
    let reopened = async {
        loop {
            match EmbeddedLog::open(EmbeddedLogConfig::new(folder.path(), 1)).await {
                Ok(log) => return log,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    assert_eq!(texts(&timeout(Duration::from_secs(10), reopened).await.expect("the folder becomes free"), P0).await, ["a"]);
}
