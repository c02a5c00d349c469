//! Where a partition begins and ends, asked of its leader. A call is answered by a request that begins after it; calls that come while one is under
//! way wait for the next, all for the same one, so that there is at most one request per partition.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use parley_proto::{Cursor, PartitionId};
use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
};
use tokio::{sync::oneshot, time::Instant};

use super::context::Logging;
use crate::log::LogError;

/// [first, end) of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) first: Cursor,
    pub(super) end: Cursor,
}

impl Bounds {
    /// Whether a reader may begin there: at a record, or at the end.
    pub(super) fn check(self, asked: Cursor) -> Result<(), LogError> {
        if self.first <= asked && asked <= self.end { Ok(()) } else { Err(LogError::OutOfRange { asked, first: self.first, end: self.end }) }
    }
}

type Answer = Result<Bounds, LogError>;

pub(super) struct BoundsQueries {
    client: Arc<BaseConsumer<Logging>>,
    topic: String,
    deadline: Duration,
    queries: Vec<Arc<Mutex<Query>>>,
}

#[derive(Debug, Default)]
struct Query {
    under_way: bool,
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl BoundsQueries {
    pub(super) fn new(client: BaseConsumer<Logging>, topic: String, deadline: Duration, partitions: u16) -> Self {
        Self { client: Arc::new(client), topic, deadline, queries: (0..partitions).map(|_| Arc::default()).collect() }
    }

    /// The bounds as of a request that begins after this call.
    pub(super) async fn ask(&self, partition: PartitionId) -> Answer {
        let query = self.queries.get(usize::from(partition.0)).ok_or(LogError::NoPartition(partition))?;
        let (sender, answer) = oneshot::channel();
        let begin = {
            let mut query = query.lock().unwrap_or_else(PoisonError::into_inner);
            query.waiting.push(sender);
            !std::mem::replace(&mut query.under_way, true)
        };
        if begin {
            let (client, topic, deadline, query) = (Arc::clone(&self.client), self.topic.clone(), self.deadline, Arc::clone(query));
            tokio::task::spawn_blocking(move || serve(&client, &topic, partition, deadline, &query));
        }
        answer.await.unwrap_or_else(|_| Err(LogError::Unavailable("the log is closed".to_owned())))
    }
}

/// Asks until nobody waits any more.
fn serve(client: &BaseConsumer<Logging>, topic: &str, partition: PartitionId, deadline: Duration, query: &Mutex<Query>) {
    loop {
        let waiting = {
            let mut query = query.lock().unwrap_or_else(PoisonError::into_inner);
            if query.waiting.is_empty() {
                query.under_way = false;
                return;
            }
            std::mem::take(&mut query.waiting)
        };
        let answer = request(client, topic, partition, deadline);
        for sender in waiting {
            let _gone = sender.send(answer.clone());
        }
    }
}

fn request(client: &BaseConsumer<Logging>, topic: &str, partition: PartitionId, deadline: Duration) -> Answer {
    // Takes what the client wanted to say meanwhile out of its queue.
    while client.poll(Duration::ZERO).is_some() {}
    let until = Instant::now() + deadline;
    let ask = |time: Duration| client.fetch_watermarks(topic, partition.0.into(), time);
    let answer = ask(deadline).or_else(|error| {
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::UnknownPartition) {
            return Err(error);
        }
        // The partition had no leader when the brokers were last asked who leads it. The library takes that for permanent, until it asks again by itself.
        client.fetch_metadata(Some(topic), until.saturating_duration_since(Instant::now()))?;
        ask(until.saturating_duration_since(Instant::now()))
    });
    let (first, end) = answer.map_err(|error| LogError::Unavailable(error.to_string()))?;
    match (u64::try_from(first), u64::try_from(end)) {
        (Ok(first), Ok(end)) => Ok(Bounds { first: Cursor(first), end: Cursor(end) }),
        _ => Err(LogError::Unavailable(format!("the brokers say that partition {partition} is [{first}, {end})"))),
    }
}

impl std::fmt::Debug for BoundsQueries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundsQueries").field("topic", &self.topic).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
