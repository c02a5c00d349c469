//! Many people at their clients at the same time: they talk, vote, come and go as a seed says, and each writes a history. Whether what they were told is true
//! is `check`'s to say.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt};
use parley_proto::RoomId;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

use self::{
    outbox::Answer,
    person::{Person, Setting},
};
use crate::{
    client::{self, Account, ClientError, Credentials},
    history::{Event, Recorder},
};

mod act;
mod deeds;
mod habits;
mod hear;
mod outbox;
mod person;
mod spread;

pub use self::{habits::SAY, spread::Spread};

/// Sign-ups under way at the same time: hashing a password is dear on purpose.
const SIGN_UPS: usize = 4;
/// People who come into their rooms at the same time.
const JOINS: usize = 8;
/// Tries to set something up, each after a pause.
const TRIES: u32 = 60;
const TRY_PAUSE: Duration = Duration::from_millis(500);
/// Between two looks at a crowd.
const LOOK: Duration = Duration::from_millis(50);

/// How many people, where, how busy.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// Where accounts are made and rights are changed.
    pub url: String,
    /// Where sockets are opened: one is drawn each time.
    pub socket_urls: Vec<String>,
    pub people: usize,
    pub rooms: usize,
    /// Rooms that one person is in.
    pub rooms_each: usize,
    /// Wishes of all of them together in a second.
    pub rate: f64,
    /// How often a wish is to say something: see [`SAY`].
    pub say: u32,
    pub seed: u64,
}

/// What everybody is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Talking,
    /// Only what was begun is brought to its end.
    Settling,
    Over,
}

/// Live numbers of a crowd.
#[derive(Debug, Default)]
pub struct Counters {
    pub sent: AtomicU64,
    pub acked: AtomicU64,
    pub rejected: AtomicU64,
    pub unknown: AtomicU64,
    pub skipped: AtomicU64,
    pub received: AtomicU64,
    pub frames: AtomicU64,
    pub subscribed: AtomicU64,
    pub resumed: AtomicU64,
    busy: AtomicI64,
    /// From the instant at which the schedule wanted it sent to the ack.
    pub latency: Spread,
    /// How late the generator itself was.
    pub lateness: Spread,
}

impl Counters {
    fn busy(&self, busy: bool) {
        self.busy.fetch_add(if busy { 1 } else { -1 }, Ordering::Relaxed);
    }

    fn heard(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    fn received(&self, items: usize) {
        self.received.fetch_add(items as u64, Ordering::Relaxed);
    }

    fn subscribed(&self) {
        self.subscribed.fetch_add(1, Ordering::Relaxed);
    }

    fn resumed(&self) {
        self.resumed.fetch_add(1, Ordering::Relaxed);
    }

    fn skipped(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn late(&self, late: Duration) {
        self.lateness.add(late);
    }

    fn answered(&self, answer: Answer, since_due: Option<Duration>) {
        self.sent.fetch_add(1, Ordering::Relaxed);
        let counter = match answer {
            Answer::Ack => &self.acked,
            Answer::Rejected { .. } => &self.rejected,
            Answer::Unknown { .. } => &self.unknown,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(since_due) = since_due {
            self.latency.add(since_due);
        }
    }
}

/// A crowd that is talking.
#[derive(Debug)]
pub struct Talking {
    pub counters: Arc<Counters>,
    pub rooms: Vec<RoomId>,
    phase: watch::Sender<Phase>,
    people: JoinSet<anyhow::Result<()>>,
}

impl Crowd {
    /// Makes accounts and rooms and lets everybody begin. Histories go to `folder`, with times since `began`.
    pub async fn start(&self, folder: &Path, began: Instant) -> anyhow::Result<Talking> {
        ensure!(self.people > 0 && self.rooms_each <= self.rooms && self.rooms_each > 0, "people in some of the rooms");
        let counters = Arc::new(Counters::default());
        let (phase, phases) = watch::channel(Phase::Talking);
        let accounts = self.sign_up().await?;
        let mut rooms = Vec::new();
        // One person may make but few.
        for (number, (owner, _)) in (0..self.rooms).zip(accounts.iter().cycle()) {
            let name = format!("chaos {:x} {number}", self.seed);
            rooms.push(again(|| owner.create_room(&name)).await.context("a room")?);
        }
        let mut rng = StdRng::seed_from_u64(self.seed);
        let urls: Arc<[String]> = self.socket_urls.clone().into();
        let rooms_of: Vec<Vec<_>> = accounts.iter().map(|_| rooms.choose_multiple(&mut rng, self.rooms_each).copied().collect()).collect();
        let joining: Vec<_> = accounts
            .iter()
            .zip(&rooms_of)
            .map(|((account, _), own)| async move {
                for room in own {
                    again(|| account.join(*room)).await.context("to join")?;
                }
                anyhow::Ok(())
            })
            .collect();
        futures::stream::iter(joining).buffer_unordered(JOINS).try_collect::<()>().await?;
        let mut people = JoinSet::new();
        for ((account, credentials), own) in accounts.into_iter().zip(rooms_of) {
            let name = credentials.user_name.clone();
            let mut recorder = Recorder::create(folder, &name, began)?;
            recorder.note(&Event::Person { user: account.user, name: name.clone() })?;
            #[expect(clippy::cast_precision_loss, reason = "a number of people")]
            let pause = Duration::from_secs_f64(self.people as f64 / self.rate);
            let rng = StdRng::seed_from_u64(rng.random());
            let counters = Arc::clone(&counters);
            let setting = Setting { credentials, account, rooms: own, urls: Arc::clone(&urls), pause, say: self.say, rng, recorder, counters };
            people.spawn(Person::new(setting).live(phases.clone()));
        }
        Ok(Talking { counters, rooms, phase, people })
    }

    async fn sign_up(&self) -> anyhow::Result<Vec<(Account, Credentials)>> {
        let signing = (0..self.people).map(|number| async move {
            let credentials = Credentials { user_name: format!("c{:x}-{number}", self.seed), password: format!("correct horse {number}") };
            let from = address(number);
            let account = again(|| async {
                let made = Account::sign_up(client::http(Some(from))?, &self.url, &credentials, Some(from)).await;
                // Made by an attempt whose answer was lost.
                match made {
                    Err(ClientError::Refused { status: 409, .. }) => Account::sign_in_from(client::http(Some(from))?, &self.url, &credentials, from).await,
                    made => made,
                }
            });
            anyhow::Ok((account.await?, credentials))
        });
        let accounts: Vec<_> = futures::stream::iter(signing).buffered(SIGN_UPS).collect().await;
        accounts.into_iter().collect::<anyhow::Result<_>>().context("to sign up")
    }
}

impl Talking {
    /// No more wishes. True once everybody has brought to an end what was begun, and receives all rooms; false if that takes longer than `patience`.
    pub async fn settle(&self, patience: Duration) -> bool {
        self.phase.send_replace(Phase::Settling);
        let until = Instant::now() + patience;
        loop {
            sleep(LOOK).await;
            if self.counters.busy.load(Ordering::Relaxed) == 0 {
                return true;
            }
            if Instant::now() >= until {
                return false;
            }
        }
    }

    /// Ends everybody; fails if somebody could not go on.
    pub async fn end(mut self) -> anyhow::Result<()> {
        self.phase.send_replace(Phase::Over);
        while let Some(done) = self.people.join_next().await {
            done??;
        }
        Ok(())
    }
}

/// One of many on loopback, so that each looks like a machine of its own.
pub(crate) fn address(number: usize) -> IpAddr {
    let number = u16::try_from(number % 60_000).unwrap_or(0);
    let [high, low] = number.to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 1, high, low.max(1)))
}

async fn again<T, F: Future<Output = Result<T, ClientError>>>(mut attempt: impl FnMut() -> F) -> Result<T, ClientError> {
    for _ in 1..TRIES {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(_) => sleep(TRY_PAUSE).await,
        }
    }
    attempt().await
}
