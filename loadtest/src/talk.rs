//! People who talk over sockets: each says something every now and then, and votes on what others said, until the wanted numbers are acked.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, ensure};
use futures::{StreamExt, stream::FuturesUnordered};
use indicatif::{ProgressBar, ProgressStyle};
use parley_proto::{Cid, MessageId, RoomId, wire::VoteValue};
use rand::Rng;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::client::{self, Account, Answer, ClientError, Connection, Credentials, Memory, Outgoing, OutgoingVote};
use crate::people;

/// Rooms that one person is in while talking.
const ROOMS_EACH: usize = 3;
/// Between two messages of one person, on average: below what one person may send.
const PAUSE: Duration = Duration::from_millis(150);
/// Tries to sign in or come back, each after a pause.
const TRIES: u32 = 60;
const TRY_PAUSE: Duration = Duration::from_millis(500);
/// Sign-ins under way at the same time: hashing a password is dear on purpose.
const SIGN_INS: usize = 4;

/// What is to be said, by whom, where.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where people connect.
    pub url: String,
    pub people: Vec<Credentials>,
    /// Until so many are acked, all together.
    pub messages: u64,
    /// And so many votes.
    pub votes: u64,
    /// What is said, in this order; over and over, if it is less than what is to be said.
    pub texts: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    pub acked: u64,
    pub votes: u64,
    /// The gateways that served, by name.
    pub gateways: BTreeSet<String>,
    /// Answers that did not say whether the message is there; each was asked for again.
    pub unknown: u64,
    pub rejected: u64,
    pub resumed: u64,
    pub received: u64,
    /// From the first attempt to the ack.
    pub median: Duration,
    pub p99: Duration,
    pub took: Duration,
}

#[derive(Debug, Default)]
struct Counters {
    begun: AtomicU64,
    acked: AtomicU64,
    votes_begun: AtomicU64,
    votes: AtomicU64,
    unknown: AtomicU64,
    rejected: AtomicU64,
    resumed: AtomicU64,
    received: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
    gateways: Mutex<BTreeSet<String>>,
}

/// Lets everybody talk at the same time; shows how far it is.
pub async fn talk(plan: &Plan) -> anyhow::Result<Summary> {
    ensure!(!plan.people.is_empty() && !plan.texts.is_empty(), "nobody is there to talk, or nothing to say");
    let accounts = sign_in(plan).await?;
    let counters = Counters::default();
    let bar = ProgressBar::new(plan.messages).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} acked, {per_sec}, {msg}")?);
    let began = Instant::now();
    let everybody = async {
        let mut talking: FuturesUnordered<_> = accounts.iter().map(|account| talk_alone(account, plan, &counters)).collect();
        while let Some(done) = talking.next().await {
            done?;
        }
        anyhow::Ok(())
    };
    let showing = async {
        loop {
            sleep(Duration::from_millis(200)).await;
            bar.set_position(counters.acked.load(Ordering::Relaxed));
            let (votes, received) = (counters.votes.load(Ordering::Relaxed), counters.received.load(Ordering::Relaxed));
            bar.set_message(format!("{votes}/{} votes, {received} received", plan.votes));
        }
    };
    tokio::select! {
        done = everybody => done?,
        () = showing => {}
    }
    bar.finish_and_clear();
    let mut latencies = counters.latencies.into_inner();
    latencies.sort_unstable();
    let at = |part: usize| latencies.get(latencies.len() * part / 100).copied().unwrap_or_default();
    Ok(Summary {
        acked: counters.acked.into_inner(),
        votes: counters.votes.into_inner(),
        gateways: counters.gateways.into_inner(),
        unknown: counters.unknown.into_inner(),
        rejected: counters.rejected.into_inner(),
        resumed: counters.resumed.into_inner(),
        received: counters.received.into_inner(),
        median: at(50),
        p99: at(99),
        took: began.elapsed(),
    })
}

async fn sign_in(plan: &Plan) -> anyhow::Result<Vec<Account>> {
    let http = client::http(None)?;
    let bar = ProgressBar::new(plan.people.len() as u64).with_style(ProgressStyle::with_template("{bar:40} {pos}/{len} signed in")?);
    let signing = plan.people.iter().zip(0..).map(|(person, number)| {
        let (http, bar) = (http.clone(), bar.clone());
        async move {
            let account =
                again(|| Account::sign_in_from(http.clone(), &plan.url, person, people::address(number))).await.with_context(|| person.user_name.clone());
            bar.inc(1);
            account
        }
    });
    let accounts: Vec<_> = futures::stream::iter(signing).buffered(SIGN_INS).collect().await;
    bar.finish_and_clear();
    accounts.into_iter().collect()
}

/// Tries until it is done, or what is said is no.
async fn again<T>(mut attempt: impl AsyncFnMut() -> Result<T, ClientError>) -> Result<T, ClientError> {
    for _ in 1..TRIES {
        match attempt().await {
            Err(ClientError::Refused { status: 429 | 503, .. } | ClientError::Http(_)) => sleep(TRY_PAUSE).await,
            done => return done,
        }
    }
    attempt().await
}

async fn talk_alone(account: &Account, plan: &Plan, counters: &Counters) -> anyhow::Result<()> {
    let mut rooms = again(|| account.rooms()).await?;
    rooms.truncate(ROOMS_EACH);
    ensure!(!rooms.is_empty(), "somebody is in no room");
    let mut connection = come_back(account, Memory::default(), counters).await?;
    for room in &rooms {
        connection.subscribe(*room).await?;
    }
    let (mut received, mut says, mut votes) = (0, true, true);
    while says || votes {
        let room = rooms[rand::rng().random_range(0..rooms.len())];
        if says {
            let number = counters.begun.fetch_add(1, Ordering::Relaxed);
            says = number < plan.messages;
            if says {
                connection = say(account, connection, room, &plan.texts[number as usize % plan.texts.len()], counters).await?;
            }
        }
        // As long as there is something to say, votes are spread over it.
        let share = plan.votes as f64 / plan.messages.max(1) as f64;
        if votes
            && (!says || rand::rng().random_bool(share.min(1.0)))
            && let Some(target) = somebodys(&connection.memory, room)
        {
            votes = counters.votes_begun.fetch_add(1, Ordering::Relaxed) < plan.votes;
            if votes {
                connection = vote(account, connection, room, target, counters).await?;
            }
        } else if counters.votes_begun.load(Ordering::Relaxed) >= plan.votes {
            votes = false;
        }
        let pause = PAUSE.mul_f64(rand::rng().random_range(0.5..1.5));
        if connection.listen(pause).await.is_err() {
            connection = resume(account, connection, counters).await?;
        }
        counters.received.fetch_add(connection.memory.received - received, Ordering::Relaxed);
        received = connection.memory.received;
    }
    Ok(())
}

/// One of the newest messages of the room, if any came yet.
fn somebodys(memory: &Memory, room: RoomId) -> Option<MessageId> {
    let seen = memory.seen.get(&room).filter(|seen| !seen.is_empty())?;
    seen.get(rand::rng().random_range(0..seen.len())).copied()
}

/// Says one thing, and returns when it is acked.
async fn say(account: &Account, connection: Connection, room: RoomId, text: &str, counters: &Counters) -> anyhow::Result<Connection> {
    let message = Outgoing { room, cid: Cid(Uuid::new_v4()), base: connection.base(room), body: text.to_owned() };
    let began = Instant::now();
    let connection = until_acked(account, connection, counters, async |connection, retry| connection.send(&message, retry).await).await?;
    counters.acked.fetch_add(1, Ordering::Relaxed);
    counters.latencies.lock().await.push(began.elapsed());
    Ok(connection)
}

/// Votes up, down, or takes back what was never there, and returns when it is acked.
async fn vote(account: &Account, connection: Connection, room: RoomId, target: MessageId, counters: &Counters) -> anyhow::Result<Connection> {
    let value = [VoteValue::UP, VoteValue::UP, VoteValue::UP, VoteValue::DOWN, VoteValue::NONE][rand::rng().random_range(0..5)];
    let vote = OutgoingVote { room, cid: Cid(Uuid::new_v4()), base: connection.base(room), target, value };
    let connection = until_acked(account, connection, counters, async |connection, retry| connection.vote(&vote, retry).await).await?;
    counters.votes.fetch_add(1, Ordering::Relaxed);
    Ok(connection)
}

/// Tries the same thing until it is in the log.
async fn until_acked(
    account: &Account,
    mut connection: Connection,
    counters: &Counters,
    attempt: impl AsyncFn(&mut Connection, bool) -> Result<Answer, ClientError>,
) -> anyhow::Result<Connection> {
    let mut retry = false;
    loop {
        match attempt(&mut connection, retry).await {
            Ok(Answer::Acked) => return Ok(connection),
            Ok(Answer::Unknown { retry_after }) => {
                counters.unknown.fetch_add(1, Ordering::Relaxed);
                retry = true;
                sleep(retry_after).await;
            }
            Ok(Answer::Rejected { code, retry_after }) => {
                counters.rejected.fetch_add(1, Ordering::Relaxed);
                ensure!(matches!(code.status(), 429 | 503), "it was refused: {code:?}");
                sleep(retry_after).await;
            }
            Err(error @ (ClientError::Hole { .. } | ClientError::Frame(_))) => return Err(error.into()),
            Err(_) => {
                retry = true;
                connection = resume(account, connection, counters).await?;
            }
        }
    }
}

async fn resume(account: &Account, lost: Connection, counters: &Counters) -> anyhow::Result<Connection> {
    counters.resumed.fetch_add(1, Ordering::Relaxed);
    come_back(account, lost.memory, counters).await
}

async fn come_back(account: &Account, mut memory: Memory, counters: &Counters) -> anyhow::Result<Connection> {
    let mut tries = 1;
    loop {
        match Connection::open(account, memory).await {
            Ok(connection) => {
                counters.gateways.lock().await.insert(connection.memory.gateway.clone());
                return Ok(connection);
            }
            Err((_, error)) if tries == TRIES => return Err(error.into()),
            Err((kept, _)) => memory = kept,
        }
        tries += 1;
        sleep(TRY_PAUSE).await;
    }
}
