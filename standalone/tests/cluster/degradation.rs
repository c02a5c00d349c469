//! What goes on while a part is down, row by row as GUARANTEES.md says (G13), and how the rest is refused.

use std::time::Duration;

use parley_cluster::{Cluster, ClusterError};
use parley_proto::{
    Cid, Cursor, ErrorCode, RoomId,
    wire::{ClientFrame, ServerFrame},
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    client::{Answer, Person, Socket},
    world::{LIVE, World},
};

/// Every send is answered within 2 s (G2), times three.
const ANSWERED: Duration = Duration::from_secs(6);

/// A gateway looks at everybody's rights within 10 s, and what it knows of memberships since is due to be asked for anew 15 s after that.
const ASKED_ANEW: Duration = Duration::from_secs(26);

/// Two people in a room, one at each gateway, who have talked.
struct Scene {
    room: RoomId,
    ada: Person,
    bo: Person,
    a: Socket,
    b: Socket,
    said: Vec<String>,
}

impl Scene {
    async fn new(world: &World) -> Self {
        let (ada, bo) = (world.person().await.at(&world.gateway_url(0)), world.person().await.at(&world.gateway_url(1)));
        let room = ada.create_room(&Uuid::new_v4().to_string()).await;
        bo.join(room).await;
        let (mut a, mut b) = (ada.connect().await, bo.connect().await);
        a.subscribe(room).await;
        b.subscribe(room).await;
        let mut scene = Self { room, ada, bo, a, b, said: Vec::new() };
        scene.say(10).await;
        scene
    }

    /// Ada says so many more things, each of which is acked and shown to both.
    async fn say(&mut self, count: usize) {
        for _ in 0..count {
            let text = self.said.len().to_string();
            let answer = self.a.send(self.room, &text).await;
            assert!(matches!(answer, Answer::Ack { .. }), "{answer:?}");
            self.said.push(text);
        }
        assert_eq!(self.a.until(self.room, self.said.len()).await, self.said);
        assert_eq!(self.b.until(self.room, self.said.len()).await, self.said);
    }

    /// A new socket of Bo's shows everything.
    async fn assert_subscribe(&self) {
        assert_eq!(self.bo.connect().await.subscribe(self.room).await.texts(), self.said);
    }

    async fn assert_history(&self) {
        let began = Instant::now();
        let page = loop {
            let (status, page) = self.ada.get(&format!("/rooms/{}/messages?limit=100", self.room)).await;
            if status == 200 {
                break page;
            }
            // What has just come back may still be connecting.
            assert!(status == 503 && page["retry_after_ms"].is_u64() && began.elapsed() < LIVE, "{page}");
            sleep(Duration::from_millis(100)).await;
        };
        let texts: Vec<_> = page["items"].as_array().unwrap().iter().filter(|item| item["kind"] == "message").map(|item| item["body"].clone()).collect();
        assert_eq!(texts, self.said);
    }

    /// Comes back with what it knew, as after a lost connection.
    async fn resume(&mut self) {
        let before = std::mem::replace(&mut self.b, self.bo.connect().await);
        self.b = self.bo.resume(before).await;
    }

    /// The same, at that gateway.
    async fn resume_at(&mut self, url: &str) {
        self.bo = self.bo.at(url);
        self.resume().await;
    }
}

/// A trial that fails leaves the others a whole cluster.
struct Mend<'a> {
    world: &'a World,
    name: &'a str,
    mend: fn(&Cluster, &str) -> Result<(), ClusterError>,
}

impl Drop for Mend<'_> {
    fn drop(&mut self) {
        (self.mend)(&self.world.cluster, self.name).unwrap();
    }
}

impl Mend<'_> {
    async fn after(self, during: impl AsyncFnOnce()) {
        let (world, name) = (self.world, self.name);
        during().await;
        drop(self);
        world.cluster.wait_ready(name).await.unwrap();
    }
}

/// Runs `during` while the part is down.
pub(crate) async fn while_down(world: &World, name: &str, during: impl AsyncFnOnce()) {
    world.cluster.down(name).await.unwrap();
    Mend { world, name, mend: Cluster::up }.after(during).await;
}

/// Runs `during` while the part takes every question and answers none.
async fn while_held(world: &World, name: &str, during: impl AsyncFnOnce()) {
    world.cluster.pause(name).unwrap();
    Mend { world, name, mend: Cluster::resume }.after(during).await;
}

pub(crate) async fn without_postgres(world: &World) {
    let mut scene = Scene::new(world).await;
    while_down(world, "postgres", async || {
        scene.say(20).await;
        scene.assert_subscribe().await;
        scene.resume().await;
        scene.say(5).await;
        // New sign-ins and changes of rooms are refused with a hint.
        let sign_in = serde_json::json!({"user_name": "person-0", "password": "correct horse battery", "session": "token"});
        for (path, body) in [("/auth/sign-in", sign_in), ("/rooms", serde_json::json!({"name": "another", "visibility": "public"}))] {
            let (status, problem) = scene.ada.post(path, &body).await;
            assert_eq!((status, problem["code"].as_str()), (503, Some("unavailable")), "{path}: {problem}");
            assert!(problem["retry_after_ms"].is_u64(), "{path}: {problem}");
        }
        // A send without a base can't be judged without the store.
        let (cid, room) = (Cid(Uuid::new_v4()), scene.room);
        if scene.a.base(room).0 > parley_proto::WINDOW / 2 {
            let answer = scene.a.send_as(room, cid, Cursor::ZERO, "no base", false).await;
            assert_eq!(answer, Answer::Rejected { code: ErrorCode::Unavailable, is_final: false });
        }
    })
    .await;
    scene.say(5).await;
    scene.assert_history().await;
    world.assert_whole().await;
}

pub(crate) async fn while_postgres_hangs(world: &World) {
    let mut scene = Scene::new(world).await;
    sleep(ASKED_ANEW).await;
    while_held(world, "postgres", async || {
        let mut sent = Vec::new();
        for number in 0..12 {
            let (reference, body) = (scene.a.reference(), format!("while it hangs {number}"));
            let frame =
                ClientFrame::Send { reference, room: scene.room, cid: Cid(Uuid::new_v4()), base: scene.a.base(scene.room), body: body.clone(), retry: false };
            scene.a.write(&frame).await;
            scene.said.push(body);
            sent.push(reference);
        }
        for reference in sent {
            let answer = scene.a.answer(reference).await;
            assert!(matches!(answer, Answer::Ack { .. }), "{answer:?}");
        }
        scene.say(5).await;
        // The other gateway knows nothing of Bo's memberships: his token stands in for the store.
        scene.resume_at(&world.gateway_url(0)).await;
        scene.say(5).await;
    })
    .await;
    scene.say(5).await;
    scene.assert_history().await;
    world.assert_whole().await;
}

pub(crate) async fn without_redis(world: &World) {
    let mut scene = Scene::new(world).await;
    while_down(world, "redis", async || {
        let began = Instant::now();
        scene.say(10).await;
        println!("without redis: 10 messages sent and shown in {} ms", began.elapsed().as_millis());
        scene.assert_subscribe().await;
        scene.assert_history().await;
        scene.resume().await;
        scene.say(5).await;
    })
    .await;
    scene.say(5).await;
    world.assert_whole().await;
}

pub(crate) async fn without_kafka(world: &World) {
    let mut scene = Scene::new(world).await;
    let mut open = None;
    while_down(world, "kafka-1", async || {
        scene.assert_history().await;
        let began = Instant::now();
        let (cid, base, room) = (Cid(Uuid::new_v4()), scene.a.base(scene.room), scene.room);
        let answer = scene.a.send_as(room, cid, base, &scene.said.len().to_string(), false).await;
        let took = began.elapsed();
        println!("without kafka: a send is answered {answer:?} after {} ms", took.as_millis());
        assert!(took <= ANSWERED && !matches!(answer, Answer::Ack { .. }), "{answer:?} after {took:?}");
        open = matches!(answer, Answer::Unknown).then_some((cid, base));
        // Subscribing works, and says that more may come.
        let mut late = scene.bo.connect().await;
        let reference = late.reference();
        late.write(&ClientFrame::Subscribe { reference, room, limit: None }).await;
        let answer = late.wait_for(|frame| matches!(frame, ServerFrame::Subscribed { .. } | ServerFrame::Error { .. })).await;
        assert!(matches!(&answer, Some(ServerFrame::Subscribed { catching_up: true, .. })), "{answer:?}");
        assert_eq!(late.views[&room].texts(), scene.said);
    })
    .await;
    // An unknown outcome is asked for until it is known; what was refused is said anew.
    let retry = open.is_some();
    let (cid, base) = open.unwrap_or_else(|| (Cid(Uuid::new_v4()), scene.a.base(scene.room)));
    let began = Instant::now();
    loop {
        match scene.a.send_as(scene.room, cid, base, &scene.said.len().to_string(), retry).await {
            Answer::Ack { .. } => break,
            answer => assert!(began.elapsed() < LIVE && (retry || answer != Answer::Unknown), "{answer:?}"),
        }
        sleep(Duration::from_millis(100)).await;
    }
    println!("kafka is back: a send is acked after {} ms", began.elapsed().as_millis());
    scene.said.push(scene.said.len().to_string());
    scene.say(5).await;
    scene.assert_history().await;
    world.assert_whole().await;
}

pub(crate) async fn without_a_persister(world: &World) {
    let mut scene = Scene::new(world).await;
    while_down(world, "persister-1", async || {
        scene.say(40).await;
        scene.assert_subscribe().await;
        scene.assert_history().await;
        // The tails are lost as well: now the messages are in the log alone.
        world.cluster.redis().flush_all().await.unwrap();
        scene.assert_subscribe().await;
        scene.resume().await;
        scene.say(5).await;
    })
    .await;
    scene.say(5).await;
    world.assert_whole().await;
}

pub(crate) async fn without_nginx(world: &World) {
    let mut scene = Scene::new(world).await;
    while_down(world, "nginx", async || {
        scene.say(20).await;
        scene.assert_subscribe().await;
        scene.assert_history().await;
    })
    .await;
    let (status, _) = scene.ada.at(&world.url()).get("/me").await;
    assert_eq!(status, 200, "outside is back");
}
