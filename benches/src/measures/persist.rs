//! Rows a second while a backlog is drained from Kafka into Postgres, beside the same rows going into the same table with the same indexes in batches of
//! the same size by COPY, by UNNEST with ON CONFLICT, and by one INSERT a row. Nothing is folded, checked or counted there.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use parley_cluster::{
    Cluster, ClusterConfig,
    ports::PortLease,
    product::{Persister, Product},
};
use parley_engines::log::kafka::{KafkaConfig, KafkaLog};
use parley_proto::PartitionId;
use sqlx::{Connection, PgConnection, Row as _};
use tokio::time::Instant;

use super::Context;
use crate::{
    backlog, bodies, child, cpu,
    report::{Aim, Measured, Rows as Report},
    rows::{Field, Rows},
};

/// The product's own default, and so everybody's.
const BATCH: usize = 2_000;
/// Rows that are inserted one by one: at a commit each, more would take minutes.
const SINGLE_ROWS: usize = 1_000;
/// The product writes at most so many batches at a time.
const CONNECTIONS: usize = 4;
const DRAIN_DEADLINE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(10);

/// Where the rows are and how the persister is started on them.
struct Place {
    product: Product,
    folder: PathBuf,
    postgres: u32,
    database: String,
    connections: usize,
    rows: u64,
}

/// How batches are written that the product has nothing to do with.
#[derive(Clone, Copy)]
enum Way<'a> {
    Copy(&'a [Vec<u8>]),
    Unnest(&'a [&'a [Vec<Field>]]),
}

impl Way<'_> {
    fn batches(self) -> usize {
        match self {
            Self::Copy(batches) => batches.len(),
            Self::Unnest(batches) => batches.len(),
        }
    }

    async fn write(self, rows: &Rows, number: usize, connection: &mut PgConnection) -> anyhow::Result<()> {
        match self {
            Self::Copy(batches) => rows.copy(connection, &batches[number]).await,
            Self::Unnest(batches) => rows.unnest(connection, batches[number]).await,
        }
    }
}

/// What a way of writing came to.
#[derive(Clone, Copy)]
struct Speed {
    rows_per_second: f64,
    /// CPU of Postgres, and of whoever feeds it.
    postgres_micros: f64,
    feeder_micros: f64,
}

pub(super) fn run(context: &Context) -> anyhow::Result<Measured> {
    context.runtime.block_on(async {
        let mut report = Report::default();
        let mut config = ClusterConfig::new(context.folder.join("persist"));
        config.parley_bin = child::parley()?;
        (config.gateways, config.persisters, config.nginx) = (0, 0, false);
        let cluster = Cluster::start(config).await?;
        for partitions in [1, 16] {
            let place = Place::make(&cluster, partitions, context.scale.of(1_000_000, 20_000)).await?;
            place.measure(partitions, context.scale.of(5, 1), &mut report).await?;
        }
        cluster.stop().await;
        Ok(report.measured())
    })
}

impl Place {
    /// A topic and a database of their own, and a backlog in them.
    async fn make(cluster: &Cluster, partitions: u16, rows: u64) -> anyhow::Result<Self> {
        let name = format!("persist-{partitions}");
        let database = cluster.postgres().create_database(&name)?;
        let log_url = cluster.kafka().url(&name);
        let mut product = cluster.product().clone();
        product.env.retain(|(name, _)| name != "PARLEY_LOG_URL" && name != "PARLEY_STORE_URL");
        product.env.extend([("PARLEY_LOG_URL".to_owned(), log_url.clone()), ("PARLEY_STORE_URL".to_owned(), database.clone())]);
        let folder = cluster.data_dir().join(&name);
        product.migrate(&folder)?;
        // Statistics are of the data folder's owner: only he may write a checkpoint.
        let database = database.replace("postgres://parley@", "postgres://postgres@");
        let postgres = cluster.postgres().service().pid().context("Postgres is gone")?;
        let connections = CONNECTIONS.min(partitions.into());
        let place = Self { product, folder, postgres, database, connections, rows };
        place.open().await?;
        let log = KafkaLog::open(KafkaConfig::from_url(&log_url)?).await?;
        let partitions: Vec<_> = (0..partitions).map(PartitionId).collect();
        backlog::fill(&log, &partitions, &bodies::read(250_000)?, usize::try_from(rows)?).await?;
        log.close().await;
        Ok(place)
    }

    async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.database).await?)
    }

    fn persister(&self) -> anyhow::Result<Persister> {
        Ok(self.product.persister(&self.folder, "persister", PortLease::free()?)?)
    }

    /// Lets a persister open the partitions, and keeps what they are like before the backlog.
    async fn open(&self) -> anyhow::Result<()> {
        let persister = self.persister()?;
        persister.service.wait_ready().await?;
        let mut connection = self.connect().await?;
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let open: i64 = sqlx::query_scalar("select count(*) from partitions where phase = 'open' and next = 1").fetch_one(&mut connection).await?;
            if open == 16 {
                break;
            }
            ensure!(Instant::now() < until, "{open} partitions are open");
            tokio::time::sleep(LOOK).await;
        }
        drop(persister);
        sqlx::query("create table opened as select * from partitions").execute(&mut connection).await?;
        Ok(())
    }

    /// As it was before the backlog was drained, and nothing left to be written later.
    async fn reset(&self) -> anyhow::Result<()> {
        let mut connection = self.connect().await?;
        for statement in ["truncate messages, room_positions, partitions", "insert into partitions select * from opened", "vacuum partitions", "checkpoint"] {
            sqlx::query(statement).execute(&mut connection).await?;
        }
        Ok(())
    }

    async fn measure(&self, partitions: u16, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
        let (mut ours, mut copies, mut unnests, mut singles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        self.reset().await?;
        ours.push(self.drain().await?);
        let rows = Rows::read(&mut self.connect().await?, "messages").await?;
        ensure!(rows.rows.len() as u64 == self.rows, "{} rows are stored instead of {}", rows.rows.len(), self.rows);
        let batches = rows.copy_batches(BATCH);
        for round in 0..rounds {
            if round > 0 {
                self.reset().await?;
                ours.push(self.drain().await?);
            }
            self.reset().await?;
            copies.push(self.feed(&rows, Way::Copy(&batches)).await?);
            self.reset().await?;
            let chunks: Vec<_> = rows.rows.chunks(BATCH).collect();
            unnests.push(self.feed(&rows, Way::Unnest(&chunks)).await?);
            self.reset().await?;
            singles.push(self.single(&rows).await?);
        }
        let name = if partitions == 1 { "one partition".to_owned() } else { format!("{partitions} partitions") };
        let ratio = |others: &[Speed]| ours.iter().zip(others).map(|(ours, other)| ours.rows_per_second / other.rows_per_second).collect::<Vec<_>>();
        report.add(format!("{name}: ours ÷ COPY"), "", Some(Aim::AtLeast(0.70, 0.90)), ratio(&copies));
        report.add(format!("{name}: ours ÷ UNNEST with ON CONFLICT"), "", Some(Aim::AtLeast(1.2, 1.45)), ratio(&unnests));
        report.add(format!("{name}: ours ÷ one INSERT a row"), "", Some(Aim::AtLeast(20.0, 50.0)), ratio(&singles));
        for (way, speeds) in [("ours", &ours), ("COPY", &copies), ("UNNEST", &unnests)] {
            report.add(format!("{name}: {way}"), "rows/s", None, speeds.iter().map(|speed| speed.rows_per_second));
            report.add(format!("{name}: {way}, CPU of Postgres a row"), "µs", None, speeds.iter().map(|speed| speed.postgres_micros));
            report.add(format!("{name}: {way}, CPU of the feeder a row"), "µs", None, speeds.iter().map(|speed| speed.feeder_micros));
        }
        Ok(())
    }

    /// The product drains the backlog: from its first commit to its last.
    async fn drain(&self) -> anyhow::Result<Speed> {
        let mut connection = self.connect().await?;
        let persister = self.persister()?;
        let stored = |row: sqlx::postgres::PgRow| row.try_get::<i64, _>(0).unwrap_or_default() as u64;
        let mut look =
            async || Ok::<_, anyhow::Error>(stored(sqlx::query("select (sum(next) - 16)::bigint from partitions").fetch_one(&mut connection).await?));
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
        while last < self.rows {
            ensure!(Instant::now() < until, "{last} of {} are persisted", self.rows);
            tokio::time::sleep(LOOK).await;
            last = look().await?;
        }
        let (took, postgres, feeder) = (began.elapsed(), cpu::of_tree(self.postgres)? - postgres, cpu::of_tree(pid)? - feeder);
        ensure!(first < self.rows / 2, "it was over before it was looked at");
        Ok(Speed::of(last - first, took, postgres, feeder))
    }

    /// All batches, as many at a time as the product writes.
    async fn feed(&self, rows: &Rows, way: Way<'_>) -> anyhow::Result<Speed> {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(self.connect().await?);
        }
        let (began, postgres, feeder) = (Instant::now(), cpu::of_tree(self.postgres)?, cpu::of_this()?);
        let count = connections.len();
        let lanes = connections.iter_mut().enumerate().map(|(lane, connection)| async move {
            for number in (lane..way.batches()).step_by(count) {
                way.write(rows, number, connection).await?;
            }
            anyhow::Ok(())
        });
        futures::future::try_join_all(lanes).await?;
        Ok(Speed::of(self.rows, began.elapsed(), cpu::of_tree(self.postgres)? - postgres, cpu::of_this()? - feeder))
    }

    async fn single(&self, rows: &Rows) -> anyhow::Result<Speed> {
        let mut connection = self.connect().await?;
        let (began, postgres, feeder) = (Instant::now(), cpu::of_tree(self.postgres)?, cpu::of_this()?);
        let some = &rows.rows[..SINGLE_ROWS.min(rows.rows.len())];
        rows.one_by_one(&mut connection, some).await?;
        Ok(Speed::of(some.len() as u64, began.elapsed(), cpu::of_tree(self.postgres)? - postgres, cpu::of_this()? - feeder))
    }
}

impl Speed {
    fn of(rows: u64, took: Duration, postgres: Duration, feeder: Duration) -> Self {
        let micros = |cpu: Duration| cpu.as_secs_f64() * 1e6 / rows as f64;
        Self { rows_per_second: rows as f64 / took.as_secs_f64(), postgres_micros: micros(postgres), feeder_micros: micros(feeder) }
    }
}
