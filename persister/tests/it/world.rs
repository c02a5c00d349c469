//! A log, a bus and a store in a folder, and what tests do with them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use parley_engines::{
    bus::{BusChannels, BusConnection, BusEvent, Channel, embedded::EmbeddedBus},
    log::{
        Appended, LogReader, LogRecord, LogWriter, ReadMax,
        embedded::{EmbeddedLog, EmbeddedLogConfig},
    },
    store::{
        projection::{PartitionState, Partitions},
        sqlite::SqliteStore,
        timeline::{Rows, RowsAt, Timeline},
    },
};
use parley_persister::{Config, Persister, Stopped};
use parley_proto::{Body, Cid, Cursor, Kind, PartitionId, Position, Record, RoomId, UnixMillis, UserId, codec::encode, notice::Notice};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) const P: PartitionId = PartitionId(1);
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    _folder: TempDir,
    pub(crate) store_path: PathBuf,
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) bus: EmbeddedBus,
    pub(crate) store: Arc<SqliteStore>,
}

pub(crate) struct Running {
    pub(crate) persister: Persister,
    shutdown: CancellationToken,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.persister.finished()).await.expect("it ends");
    }

    /// Waits until the partition has stopped, and says why.
    pub(crate) async fn stopped(&self) -> Stopped {
        let status = self.persister.status();
        eventually("the partition stops", async || status.stopped().into_iter().find(|(partition, _)| *partition == P).map(|(_, reason)| reason)).await
    }
}

pub(crate) async fn log_in(folder: &std::path::Path) -> Arc<EmbeddedLog> {
    Arc::new(EmbeddedLog::open(EmbeddedLogConfig::new(folder, 2)).await.unwrap())
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = log_in(&folder.path().join("log")).await;
        let store_path = folder.path().join("store.db");
        let store = Arc::new(SqliteStore::open(&store_path).await.unwrap());
        Self { _folder: folder, store_path, log, bus: EmbeddedBus::new(), store }
    }

    pub(crate) fn start(&self) -> Running {
        self.start_with(Config::default())
    }

    pub(crate) fn start_with(&self, config: Config) -> Running {
        let shutdown = CancellationToken::new();
        let persister = Persister::start(Arc::clone(&self.log) as _, Arc::new(self.bus.clone()), Arc::clone(&self.store) as _, config, shutdown.clone());
        Running { persister, shutdown }
    }

    pub(crate) async fn append(&self, record: &Record) -> Position {
        self.append_bytes(encode(record)).await
    }

    pub(crate) async fn append_bytes(&self, bytes: Bytes) -> Position {
        match self.log.enqueue(P, RoomId::of_partition(P), bytes).unwrap().await {
            Appended::At(position) => position,
            other => panic!("{other:?}"),
        }
    }

    /// Appends them all, and waits for the last.
    pub(crate) async fn append_all<'a>(&self, records: impl IntoIterator<Item = &'a Record>) {
        let receipts: Vec<_> = records.into_iter().map(|record| self.log.enqueue(P, record.room, encode(record)).unwrap()).collect();
        for receipt in receipts {
            assert!(matches!(receipt.await, Appended::At(_)));
        }
    }

    pub(crate) async fn state(&self) -> Option<PartitionState> {
        self.store.partitions().await.unwrap().into_iter().find(|state| state.partition == P)
    }

    pub(crate) async fn next(&self) -> Cursor {
        self.state().await.map_or(Cursor::ZERO, |state| state.next)
    }

    /// Waits until everything in the log is stored, holding conservation at every look.
    pub(crate) async fn caught_up(&self) -> PartitionState {
        eventually("everything is stored", async || {
            let state = self.state().await?;
            assert_eq!(state.outcomes.consumed(), state.next.0, "conservation");
            let end = self.log.end(P).await.unwrap();
            (state.next == end && end > Cursor::ZERO).then_some(state)
        })
        .await
    }

    pub(crate) async fn rows(&self, room: RoomId) -> Rows {
        self.store.rows(room, RowsAt::From(Cursor::ZERO), 1_000_000).await.unwrap().value
    }

    pub(crate) async fn bodies(&self, room: RoomId) -> Vec<String> {
        self.rows(room).await.items.iter().filter_map(|item| item.body.as_str().map(str::to_owned)).collect()
    }

    pub(crate) async fn log_records(&self) -> Vec<LogRecord> {
        let end = self.log.end(P).await.unwrap();
        let mut records: Vec<LogRecord> = Vec::new();
        while (records.len() as u64) < end.0 {
            records.extend(self.log.read(P, Cursor(records.len() as u64), ReadMax::default()).await.unwrap());
        }
        records
    }

    /// A database connection of somebody else.
    pub(crate) async fn database(&self) -> SqliteConnection {
        SqliteConnection::connect(&format!("sqlite:{}", self.store_path.display())).await.unwrap()
    }

    /// Listens to the partition's notices.
    pub(crate) async fn notices(&self) -> Notices {
        let (connection, events) = self.bus.connect(10_000).await.unwrap();
        connection.subscribe(&[Channel::Notices(P)]).await.unwrap();
        Notices { _connection: connection, events }
    }
}

pub(crate) struct Notices {
    _connection: Box<dyn BusConnection>,
    events: mpsc::Receiver<BusEvent>,
}

impl Notices {
    pub(crate) async fn next(&mut self) -> Notice {
        match timeout(PATIENCE, self.events.recv()).await.expect("a notice").expect("the bus is there") {
            BusEvent::Payload { payload, .. } => serde_json::from_slice(&payload).unwrap(),
            other => panic!("{other:?}"),
        }
    }
}

/// Asks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let asked = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

pub(crate) fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

pub(crate) fn room(number: u8) -> RoomId {
    RoomId::new(P, [number; 16])
}

pub(crate) fn message(room: RoomId, body: &str) -> Record {
    Record { body: Body::Plain(body.to_owned()), sent_at: UnixMillis(1_700_000_000_000), ..Record::bare(Kind::Message, room, user(1), Cid(Uuid::new_v4())) }
}
