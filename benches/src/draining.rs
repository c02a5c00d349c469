//! A backlog in Kafka and the database that it is drained into: by the product, and by hands that know what is to be written already.

use std::{path::PathBuf, str::FromStr, time::Duration};

use anyhow::{Context as _, ensure};
use parley_cluster::{
    Cluster,
    ports::PortLease,
    product::{Persister, Product},
};
use parley_engines::{
    log::kafka::{KafkaConfig, KafkaLog},
    store::postgres::nodelay,
};
use parley_proto::RoomId;
use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};
use tokio::time::Instant;

use crate::{bare::PARTITIONS, cpu};

/// The product writes at most so many batches at a time.
const CONNECTIONS: usize = 4;
const DRAIN_DEADLINE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(10);

/// Where the rows are and how the persister is started on them.
pub(crate) struct Place {
    product: Product,
    folder: PathBuf,
    postgres: u32,
    database: String,
    log: KafkaConfig,
}

/// What a way of writing came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    pub(crate) per_second: f64,
    /// CPU of Postgres, and of whoever feeds it.
    pub(crate) postgres_micros: f64,
    pub(crate) feeder_micros: f64,
}

impl Place {
    /// A topic and a database of their own, with every partition open and nothing in them.
    pub(crate) async fn make(cluster: &Cluster, name: &str) -> anyhow::Result<Self> {
        let database = cluster.postgres().create_database(name)?;
        let log_url = cluster.kafka().url(name);
        let mut product = cluster.product().clone();
        product.env.retain(|(name, _)| name != "PARLEY_LOG_URL" && name != "PARLEY_STORE_URL");
        product.env.extend([("PARLEY_LOG_URL".to_owned(), log_url.clone()), ("PARLEY_STORE_URL".to_owned(), database.clone())]);
        let folder = cluster.data_dir().join(name);
        product.migrate(&folder)?;
        // Statistics are of the data folder's owner: only he may write a checkpoint.
        let database = database.replace("postgres://parley@", "postgres://postgres@");
        let postgres = cluster.postgres().service().pid().context("Postgres is gone")?;
        let place = Self { product, folder, postgres, database, log: KafkaConfig::from_url(&log_url)? };
        place.persist(i64::from(PARTITIONS)).await?;
        Ok(place)
    }

    /// As the product is for its batches, without Nagle's algorithm.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgConnection> {
        let options = PgConnectOptions::from_str(&self.database)?;
        let connection = options.connect().await?;
        nodelay::set(options.get_port()).await;
        Ok(connection)
    }

    /// To fill it.
    pub(crate) async fn log(&self) -> anyhow::Result<KafkaLog> {
        Ok(KafkaLog::open(self.log.clone()).await?)
    }

    /// As `PARLEY_STORE_URL` has it.
    pub(crate) fn url(&self) -> &str {
        &self.database
    }

    fn persister(&self) -> anyhow::Result<Persister> {
        Ok(self.product.persister(&self.folder, "persister", PortLease::free()?)?)
    }

    /// Lets a persister run until so many records are stored over all partitions, and keeps what the partitions are like then: it is where
    /// [`Place::reset`] goes back to.
    pub(crate) async fn persist(&self, records: i64) -> anyhow::Result<()> {
        let persister = self.persister()?;
        persister.service.wait_ready().await?;
        let mut connection = self.connect().await?;
        let until = Instant::now() + DRAIN_DEADLINE;
        loop {
            let stored = stored(&mut connection).await?;
            if stored == records {
                break;
            }
            ensure!(stored < records && Instant::now() < until, "{stored} of {records} records are stored");
            tokio::time::sleep(LOOK).await;
        }
        drop(persister);
        for statement in ["drop table if exists opened", "create table opened as select * from partitions"] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        Ok(())
    }

    /// As it was before the backlog was drained into these tables, and nothing left to be written later.
    pub(crate) async fn reset(&self, tables: &str) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        let truncate = format!("truncate {tables}, partitions");
        for statement in [&*truncate, "insert into partitions select * from opened", "vacuum partitions", "checkpoint"] {
            sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
        }
        Ok(())
    }

    /// As it was at the last [`Place::persist`], with the rows that were there: what was drained since is taken out of this room.
    pub(crate) async fn take_back(&self, rooms: &[RoomId]) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        for room in rooms {
            sqlx::query("delete from messages where room = $1 and position >= (select next from opened where partition = $2)")
                .bind(room.0)
                .bind(i32::from(room.partition().0))
                .execute(&mut connection)
                .await?;
        }
        let restore = "update room_positions r set last_seq = m.seq, last_position = m.position, last_sent_at = m.sent_at
             from (select distinct on (room) room, seq, position, sent_at from messages order by room, position desc) m where m.room = r.room";
        for statement in [restore, "truncate partitions", "insert into partitions select * from opened"] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        self.settle().await
    }

    /// Nothing is left to be written later, or by somebody else meanwhile.
    pub(crate) async fn settle(&self) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        for statement in ["vacuum analyze messages", "vacuum room_positions", "vacuum partitions", "checkpoint"] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        Ok(())
    }

    /// The product drains so many records: from its first commit to its last.
    pub(crate) async fn drain(&self, records: u64) -> anyhow::Result<Speed> {
        let mut connection = self.connect().await?;
        let before = stored(&mut connection).await?;
        let persister = self.persister()?;
        let mut look = async || anyhow::Ok((stored(&mut connection).await? - before) as u64);
        let until = Instant::now() + DRAIN_DEADLINE;
        let mut first = 0;
        while first == 0 {
            ensure!(Instant::now() < until, "nothing is persisted");
            tokio::time::sleep(LOOK).await;
            first = look().await?;
        }
        let pid = persister.service.pid().context("the persister is gone")?;
        let (began, postgres, feeder) = (Instant::now(), cpu::of_tree(self.postgres)?, cpu::of_tree(pid)?);
        let mut last = first;
        while last < records {
            ensure!(Instant::now() < until, "{last} of {records} are persisted");
            tokio::time::sleep(LOOK).await;
            last = look().await?;
        }
        let (took, postgres, feeder) = (began.elapsed(), cpu::of_tree(self.postgres)? - postgres, cpu::of_tree(pid)? - feeder);
        ensure!(first < records / 2, "it was over before it was looked at");
        Ok(Speed::of(last - first, took, postgres, feeder))
    }

    /// So many batches with so many rows in them are written, over as many connections as the product has for so many partitions.
    pub(crate) async fn feed(
        &self,
        partitions: u16,
        batches: usize,
        rows: usize,
        write: impl AsyncFn(&mut PgConnection, usize) -> anyhow::Result<()>,
    ) -> anyhow::Result<Speed> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS.min(partitions.into()) {
            connections.push(self.connect().await?);
        }
        let (began, postgres, feeder) = (Instant::now(), cpu::of_tree(self.postgres)?, cpu::of_this()?);
        let (lanes, write) = (connections.len(), &write);
        let lanes = connections.iter_mut().enumerate().map(|(lane, connection)| async move {
            for number in (lane..batches).step_by(lanes) {
                write(connection, number).await?;
            }
            anyhow::Ok(())
        });
        futures::future::try_join_all(lanes).await?;
        Ok(Speed::of(rows as u64, began.elapsed(), cpu::of_tree(self.postgres)? - postgres, cpu::of_this()? - feeder))
    }
}

/// Records over all partitions.
async fn stored(connection: &mut PgConnection) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("select coalesce(sum(next), 0)::bigint from partitions").fetch_one(connection).await?)
}

impl Speed {
    fn of(rows: u64, took: Duration, postgres: Duration, feeder: Duration) -> Self {
        let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / rows as f64;
        Self { per_second: rows as f64 / took.as_secs_f64(), postgres_micros: micros(postgres), feeder_micros: micros(feeder) }
    }
}
