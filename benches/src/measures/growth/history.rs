//! Rows that are stored already: from 10 000 to a million, or to what `--history` says. How fast the product adds to them, and how long a page takes, the
//! newest and one in the middle. Both histories were written by the product, into databases of their own; after each round what it added is taken out.

use anyhow::ensure;
use parley_cluster::Cluster;
use parley_engines::store::{
    postgres::{PostgresConfig, PostgresStore},
    timeline::{RowsAt, Timeline},
};
use parley_proto::{Cursor, PartitionId, RoomId, limits};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    backlog,
    bare::PARTITIONS,
    bodies,
    draining::Place,
    measures::{Context, persist},
    report::{Aim, Measured, Rows},
    stats::quantile,
};

const FEW: usize = 10_000;

pub(in crate::measures) fn run(context: &Context) -> anyhow::Result<Measured> {
    let many = context.scale.of(context.history, 50_000);
    let (rounds, added, pages) = (context.scale.of(5, 2), context.scale.of(200_000, 20_000), context.scale.of(500, 50));
    context.runtime.block_on(async {
        let cluster = persist::cluster(context, "growth-history").await?;
        let mut small = History::write(&cluster, FEW, added).await?;
        let mut large = History::write(&cluster, many, added).await?;
        for _ in 0..rounds {
            small.round(pages).await?;
            large.round(pages).await?;
        }
        cluster.stop().await;
        let mut rows = Rows::default();
        let mut compare = |what: &str, aim, pick: fn(&History) -> &Vec<f64>| {
            let ratios = pick(&large).iter().zip(pick(&small)).map(|(large, small)| large / small);
            rows.add(format!("{what}: {many} rows ÷ {FEW} rows"), "", Some(aim), ratios);
        };
        compare("rows a second added", Aim::AtLeast(0.5, 0.5), |history| &history.speeds);
        compare("newest page, p50", Aim::AtMost(3.0, 3.0), |history| &history.newest);
        compare("a page in the middle, p50", Aim::AtMost(3.0, 3.0), |history| &history.middle);
        for history in [&small, &large] {
            let count = history.count;
            rows.add(format!("{count} rows: added"), "rows/s", None, history.speeds.iter().copied());
            rows.add(format!("{count} rows: newest page, p50"), "ms", None, history.newest.iter().copied());
            rows.add(format!("{count} rows: a page in the middle, p50"), "ms", None, history.middle.iter().copied());
        }
        Ok(rows.measured())
    })
}

/// So many rows, and a backlog of what is added in each round.
struct History {
    place: Place,
    store: PostgresStore,
    rooms: Vec<RoomId>,
    count: usize,
    added: usize,
    speeds: Vec<f64>,
    newest: Vec<f64>,
    middle: Vec<f64>,
}

impl History {
    async fn write(cluster: &Cluster, count: usize, added: usize) -> anyhow::Result<Self> {
        let place = Place::make(cluster, &format!("history-{count}")).await?;
        let rooms: Vec<_> = (0..PARTITIONS).map(|partition| RoomId::new(PartitionId(partition), *Uuid::new_v4().as_bytes())).collect();
        let bodies = bodies::read(250_000)?;
        let log = place.log().await?;
        let message = |number, room, base| backlog::message(number, room, base, &bodies[number % bodies.len()]);
        backlog::fill(&log, &rooms, count, message).await?;
        place.persist(i64::from(PARTITIONS) + count as i64).await?;
        backlog::fill(&log, &rooms, added, message).await?;
        log.close().await;
        place.settle().await?;
        let store = PostgresStore::connect(place.url(), PostgresConfig::default()).await?;
        Ok(Self { place, store, rooms, count, added, speeds: Vec::new(), newest: Vec::new(), middle: Vec::new() })
    }

    async fn round(&mut self, pages: usize) -> anyhow::Result<()> {
        self.speeds.push(self.place.drain(self.added as u64).await?.per_second);
        self.place.take_back(&self.rooms).await?;
        self.newest.push(self.pages(pages, |_| RowsAt::Newest).await?);
        let each = self.count as u64 / u64::from(PARTITIONS);
        // In the middle half of the room, never twice the same.
        self.middle.push(self.pages(pages, |number| RowsAt::Before(Cursor(each / 4 + number * 7_919 % (each / 2)))).await?);
        Ok(())
    }

    /// Milliseconds for a page, in the middle of so many. The rooms take turns.
    async fn pages(&self, count: usize, at: impl Fn(u64) -> RowsAt) -> anyhow::Result<f64> {
        let mut millis = Vec::with_capacity(count);
        for number in 0..count {
            let began = Instant::now();
            let rows = self.store.rows(self.rooms[number % self.rooms.len()], at(number as u64), limits::PAGE).await?.value;
            millis.push(began.elapsed().as_secs_f64() * 1e3);
            ensure!(rows.items.len() == limits::PAGE, "a page of {} rows", rows.items.len());
        }
        millis.sort_unstable_by(f64::total_cmp);
        // Others on the machine make some of them slow; that is not history's.
        Ok(quantile(&millis, 0.5))
    }
}
