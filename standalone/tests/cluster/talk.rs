//! People who talk all the time, and what was answered to them and shown to them, with times.

use std::{collections::HashMap, time::Duration};

use parley_proto::{Cid, RoomId};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    client::{Answer, PATIENCE, Person, Socket},
    world::World,
};

/// How many talk at once.
const TALKERS: usize = 6;
/// Between two messages of one of them.
const PAUSE: Duration = Duration::from_millis(30);

/// A conversation that goes on until it is ended.
pub(crate) struct Talk {
    pub(crate) room: RoomId,
    pub(crate) owner: Person,
    stop: CancellationToken,
    talkers: Vec<JoinHandle<Talker>>,
}

/// What one of them did and saw.
struct Talker {
    name: String,
    person: Person,
    /// `None` while it comes back.
    socket: Option<Socket>,
    room: RoomId,
    /// When each message was first sent.
    sent: HashMap<String, Instant>,
    acked: Vec<String>,
    /// When each message was first shown.
    seen: HashMap<String, Instant>,
    resumes: u32,
    refused: u32,
}

/// What came of it.
pub(crate) struct Told {
    pub(crate) acked: usize,
    pub(crate) resumes: u32,
    /// Answers that said `rejected`; each send was tried again until it was acked.
    pub(crate) refused: u32,
    /// The longest time in which somebody's screen showed nothing new.
    pub(crate) longest_pause: Duration,
    sent: HashMap<String, Instant>,
    seen: Vec<HashMap<String, Instant>>,
}

impl Talk {
    /// Everybody through NGINX, which spreads them over the gateways.
    pub(crate) async fn start(world: &World) -> Self {
        let owner = world.person().await;
        let room = owner.create_room(&Uuid::new_v4().to_string()).await;
        let stop = CancellationToken::new();
        let mut talkers = Vec::new();
        for number in 0..TALKERS {
            let person = world.person().await;
            person.join(room).await;
            let mut socket = person.connect().await;
            socket.subscribe(room).await;
            let name = format!("t{number}");
            let socket = Some(socket);
            let talker = Talker { name, person, socket, room, sent: HashMap::new(), acked: Vec::new(), seen: HashMap::new(), resumes: 0, refused: 0 };
            talkers.push(tokio::spawn(talker.run(stop.clone())));
        }
        Self { room, owner, stop, talkers }
    }

    /// Lets everybody say what they have begun, and checks: what was acked is there once, and all saw one order.
    pub(crate) async fn end(self, world: &World) -> Told {
        self.stop.cancel();
        let mut talkers = Vec::new();
        for talker in self.talkers {
            talkers.push(talker.await.unwrap());
        }
        let stored = self.owner.everything(self.room).await;
        let mut sorted = stored.clone();
        sorted.sort_unstable();
        let mut acked: Vec<_> = talkers.iter().flat_map(|talker| talker.acked.iter().cloned()).collect();
        acked.sort_unstable();
        assert!(!acked.is_empty(), "nobody said anything");
        assert_eq!(sorted, acked, "every acked message is there once, and nothing else");
        let mut told = Told { acked: acked.len(), resumes: 0, refused: 0, longest_pause: Duration::ZERO, sent: HashMap::new(), seen: Vec::new() };
        for mut talker in talkers {
            talker.see_all(&stored).await;
            told.resumes += talker.resumes;
            told.refused += talker.refused;
            told.longest_pause = told.longest_pause.max(longest_pause(&talker.seen));
            told.sent.extend(talker.sent);
            told.seen.push(talker.seen);
        }
        world.assert_whole().await;
        told
    }
}

fn longest_pause(seen: &HashMap<String, Instant>) -> Duration {
    let mut times: Vec<_> = seen.values().collect();
    times.sort_unstable();
    times.windows(2).map(|pair| pair[1].duration_since(*pair[0])).max().unwrap_or_default()
}

impl Told {
    /// How long after `from` the last of the listeners was shown a message that was first sent after it: from then on delivery is live for all.
    pub(crate) fn live_again(&self, from: Instant) -> Duration {
        let shown =
            |seen: &HashMap<String, Instant>| seen.iter().filter(|(text, _)| self.sent.get(*text).is_some_and(|sent| *sent > from)).map(|(_, at)| *at).min();
        let times = self.seen.iter().map(|seen| shown(seen).expect("something was sent and shown after the fault"));
        times.max().unwrap().duration_since(from)
    }
}

impl Talker {
    fn socket(&mut self) -> &mut Socket {
        self.socket.as_mut().expect("it is only away while it comes back")
    }

    async fn run(mut self, stop: CancellationToken) -> Self {
        let mut number = 0;
        while !stop.is_cancelled() {
            let text = format!("{}-{number}", self.name);
            self.say(text).await;
            number += 1;
            self.socket().settle(PAUSE).await;
            self.come_back().await;
            self.note();
        }
        self
    }

    /// Sends until it is acked, as a client does: an unknown outcome is retried with the same cid, after a resume if need be.
    async fn say(&mut self, text: String) {
        let room = self.room;
        let (cid, base) = (Cid(Uuid::new_v4()), self.socket().base(room));
        let mut retry = false;
        let patience = Instant::now() + 8 * PATIENCE;
        loop {
            assert!(Instant::now() < patience, "{text} was not taken in time");
            self.sent.entry(text.clone()).or_insert_with(Instant::now);
            match self.socket().send_as(room, cid, base, &text, retry).await {
                Answer::Ack { .. } => break,
                Answer::Rejected { code, .. } => {
                    self.refused += 1;
                    assert!(matches!(code.status(), 429 | 503) || code == parley_proto::ErrorCode::OrderHold, "{code:?}");
                    self.socket().settle(PAUSE).await;
                }
                Answer::Unknown => retry = true,
            }
            self.come_back().await;
            self.note();
        }
        self.acked.push(text);
    }

    async fn come_back(&mut self) {
        let now = Instant::now();
        if let Some(lost) = self.socket.take_if(|socket| socket.closed.is_some() || socket.leave_at.is_some_and(|at| at <= now)) {
            self.socket = Some(self.person.resume(lost).await);
            self.resumes += 1;
        }
    }

    /// Which messages are new on the screen.
    fn note(&mut self) {
        let now = Instant::now();
        let view = &self.socket.as_ref().expect("it is only away while it comes back").views[&self.room];
        for item in view.rows.values().rev() {
            let Some(text) = item.body.as_str() else { continue };
            if self.seen.contains_key(text) {
                break;
            }
            self.seen.insert(text.to_owned(), now);
        }
    }

    /// Reads on until the last message is there; then everything on the screen is as it is stored.
    async fn see_all(&mut self, stored: &[String]) {
        let deadline = Instant::now() + PATIENCE;
        let room = self.room;
        while self.socket().views[&room].texts().last() != stored.last() && Instant::now() < deadline {
            self.come_back().await;
            self.socket().settle(Duration::from_millis(50)).await;
            self.note();
        }
        let view = self.socket().views[&room].texts();
        assert_eq!(view, stored[stored.len() - view.len()..], "{} sees the same order", self.name);
    }
}
