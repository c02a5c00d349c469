//! What only Postgres promises: several processes on one database, and a server that other hands stop.

mod faults;
mod plans;
mod schema;

use std::{sync::Arc, time::Duration};

use parley_engines::store::{
    postgres::{PostgresConfig, PostgresStore, Schema},
    projection::{CommitError, Entry},
};
use parley_proto::{
    Body, Cursor, Kind, LogId, Record, UnixMillis,
    codec::encode,
    event::{EventName, RoomRow, SystemEvent, Visibility},
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    Engine as _,
    fixture::{AnyStore, P, about, append, batch, edit, message, record, room, user},
    model::{self, Model},
};
use crate::services::postgres::{PostgresServer, connect};

pub(super) struct Engine {
    url: String,
    store: Arc<PostgresStore>,
}

impl super::Engine for Engine {
    fn store(&self) -> AnyStore {
        Arc::clone(&self.store) as AnyStore
    }

    async fn tables(&self) -> Vec<String> {
        model::tables_of_postgres(&mut connect(&self.url).await).await
    }
}

impl Engine {
    async fn on(url: String, config: PostgresConfig) -> Self {
        let store = Arc::new(PostgresStore::connect(&url, config).await.unwrap());
        Self { url, store }
    }
}

fn migrating() -> PostgresConfig {
    PostgresConfig { schema: Schema::Migrate, ..PostgresConfig::default() }
}

/// A store on a fresh database of the shared server, with patience: rules are about what happens, not about how fast.
pub(super) async fn engine() -> Engine {
    let config = PostgresConfig { call_deadline: Duration::from_secs(60), batch_deadline: Duration::from_secs(60), ..migrating() };
    Engine::on(PostgresServer::shared().await.database(), config).await
}

#[tokio::test]
async fn of_two_persisters_that_commit_one_range_at_once_exactly_one_does() {
    let engine = engine().await;
    let (one, other) = (engine.store(), Engine::on(engine.url.clone(), PostgresConfig::default()).await.store());
    one.partition(P, LogId::NIL).await.unwrap();
    let mut random = StdRng::seed_from_u64(1);
    let log = model::random_log(&mut random, 1_000);
    let mut done = 0;
    while done < log.len() {
        let mut piece = || {
            let end = (done + random.random_range(1..60)).min(log.len());
            batch(done as u64, log[done..end].to_vec())
        };
        let (of_one, of_other) = (piece(), piece());
        let stored = match tokio::join!(one.commit(&of_one), other.commit(&of_other)) {
            (Ok(_), Err(CommitError::Moved { next })) if next == of_one.to => next,
            (Err(CommitError::Moved { next }), Ok(_)) if next == of_other.to => next,
            both => panic!("at {done}: {both:?}"),
        };
        done = usize::try_from(stored.0).unwrap();
    }
    assert_eq!(engine.tables().await, Model::of(&log).tables());
}

#[tokio::test]
async fn a_persister_of_an_older_epoch_writes_nothing() {
    const EPOCH_1: u64 = 1 << 40;
    let engine = engine().await;
    let store = engine.store();
    append(&store, [&message(room(1), user(1), "before")]).await;
    sqlx::query("update partitions set epoch = 1, next = $1").bind(EPOCH_1.cast_signed()).execute(&mut connect(&engine.url).await).await.unwrap();
    let before = engine.tables().await;
    let entry = || vec![Entry::First(Box::new(message(room(1), user(1), "after")))];
    assert_eq!(store.commit(&batch(1, entry())).await, Err(CommitError::Moved { next: Cursor(EPOCH_1) }));
    assert_eq!(engine.tables().await, before);
    store.commit(&batch(EPOCH_1, entry())).await.unwrap();
}

/// Postgres has no NUL in texts. What the check before the append lets through must not stop the partition.
#[tokio::test]
async fn a_record_that_postgres_cannot_hold_is_refused_alone_and_kept_as_a_dead_letter() {
    let engine = engine().await;
    let store = engine.store();
    let first = message(room(1), user(1), "first");
    append(&store, [&first]).await;
    let reaction = Record { value: 1, body: Body::Plain("\0".to_owned()), ..about(Kind::Reaction, &first, user(2)) };
    for poison in [message(room(1), user(1), "a\0b"), edit(&first, user(1), "a\0b"), reaction, named("a\0b")] {
        let (next, before) = (store.partitions().await.unwrap()[0].next.0, engine.tables().await);
        let neighbour = Entry::First(Box::new(message(room(1), user(1), "neighbour")));
        let refused = store.commit(&batch(next, vec![neighbour.clone(), Entry::First(Box::new(poison.clone()))])).await;
        let Err(CommitError::Refused(reason)) = refused else { panic!("{:?}: {refused:?}", poison.kind) };
        assert_eq!(engine.tables().await, before, "{:?}", poison.kind);
        store.commit(&batch(next, vec![neighbour, Entry::Dead { reason, bytes: encode(&poison) }])).await.unwrap();
    }
    let outcomes = store.partitions().await.unwrap()[0].outcomes;
    assert_eq!((outcomes.applied, outcomes.dead_letter), (5, 4));
}

/// The event of a room with this name: as JSON its NUL is harmless, as a column it is not.
fn named(name: &str) -> Record {
    let row = RoomRow {
        id: room(1),
        kind: "room".to_owned(),
        name: name.to_owned(),
        topic: String::new(),
        visibility: Visibility::Public,
        archived: false,
        created_at: UnixMillis(1),
    };
    let event = SystemEvent { event: EventName::Created, version: 1, room: row, member: None };
    Record { body: Body::Plain(serde_json::to_string(&event).unwrap()), ..record(Kind::System, room(1), user(1)) }
}
