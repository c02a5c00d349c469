//! `kill -9` of each part while people talk: live delivery is back in time, nothing acked is lost or doubled, all see one order, nobody has to do anything.
//! The times are what GUARANTEES.md promises (G14) times three, since test machines are small; what was measured is printed.

use std::time::Duration;

use parley_cluster::{process::ProcessId, product::Persister};
use tokio::time::{Instant, sleep};

use crate::{
    talk::Talk,
    world::{LIVE, World},
};

/// People talk for this long before and after.
const A_WHILE: Duration = Duration::from_millis(1_500);

/// Live delivery after one gateway was killed, counted from the kill: 2 s, times three.
const GATEWAY_LIVE: Duration = Duration::from_secs(6);

/// Kills it in mid-traffic; supervision brings it back. The fault has ended when the replacement is ready.
async fn kill(world: &World, name: &str) {
    let talk = Talk::start(world).await;
    sleep(A_WHILE).await;
    let killed = Instant::now();
    world.cluster.kill9(name).unwrap();
    world.cluster.wait_ready(name).await.unwrap();
    let ended = Instant::now();
    sleep(A_WHILE).await;
    let told = talk.end(world).await;
    let (from_kill, from_end) = (told.live_again(killed), told.live_again(ended));
    println!(
        "{name}: ready {} ms after kill -9; live {} ms after the kill, {} ms after the end of the fault; {} acked, {} resumes",
        ended.duration_since(killed).as_millis(),
        from_kill.as_millis(),
        from_end.as_millis(),
        told.acked,
        told.resumes
    );
    assert!(from_end <= LIVE, "live delivery took {from_end:?}");
}

pub(crate) async fn a_gateway(world: &World) {
    for name in ["gateway-1", "gateway-2"] {
        let talk = Talk::start(world).await;
        sleep(A_WHILE).await;
        let killed = Instant::now();
        world.cluster.kill9(name).unwrap();
        sleep(2 * A_WHILE).await;
        let told = talk.end(world).await;
        let live = told.live_again(killed);
        println!("{name}: live for everybody {} ms after kill -9; {} acked, {} sockets resumed elsewhere", live.as_millis(), told.acked, told.resumes);
        assert!(live <= GATEWAY_LIVE, "live delivery took {live:?}");
        assert!(told.resumes > 0, "the gateway that was killed served somebody");
        world.cluster.wait_ready(name).await.unwrap();
    }
}

pub(crate) async fn the_persister(world: &World) {
    kill(world, "persister-1").await;
}

pub(crate) async fn redis(world: &World) {
    kill(world, "redis").await;
}

pub(crate) async fn postgres(world: &World) {
    kill(world, "postgres").await;
}

pub(crate) async fn kafka(world: &World) {
    kill(world, "kafka-1").await;
}

pub(crate) async fn nginx_with_its_workers(world: &World) {
    let workers = parley_cluster::process::tree(world.cluster.service("nginx").unwrap().pid().unwrap());
    assert!(workers.len() > 1, "there are workers");
    let workers: Vec<_> = workers.into_iter().filter_map(ProcessId::of).collect();
    kill(world, "nginx").await;
    assert!(workers.iter().all(|worker| !worker.is_alive()));
}

/// Everything in Redis is lost while people talk, several times over.
pub(crate) async fn redis_is_emptied(world: &World) {
    let talk = Talk::start(world).await;
    let mut emptied = Instant::now();
    for _ in 0..4 {
        sleep(A_WHILE).await;
        world.cluster.redis().flush_all().await.unwrap();
        emptied = Instant::now();
    }
    sleep(2 * A_WHILE).await;
    let told = talk.end(world).await;
    println!("redis emptied 4 times: live {} ms after the last; {} acked", told.live_again(emptied).as_millis(), told.acked);
    assert!(told.live_again(emptied) <= LIVE);
}

/// Two persisters share the partitions. One is held still in mid-work until the other has them all, and let go: what it had in hand is not written.
pub(crate) async fn two_persisters_at_once_are_harmless(world: &World) {
    let second: Persister = {
        let port = parley_cluster::ports::PortLease::take(None).unwrap();
        world.cluster.product().persister(&world.folder().join("zombie"), "zombie", port).unwrap()
    };
    second.service.wait_ready().await.unwrap();
    until_share(&second, |share| share > 0.0 && share < PARTITIONS).await;
    let talk = Talk::start(world).await;
    sleep(A_WHILE).await;
    world.cluster.pause("persister-1").unwrap();
    let paused = Instant::now();
    until_share(&second, |share| share == PARTITIONS).await;
    println!("persister-1 held still: the other has its partitions after {} ms", paused.elapsed().as_millis());
    sleep(A_WHILE).await;
    world.cluster.resume("persister-1").unwrap();
    sleep(A_WHILE).await;
    second.service.kill9().unwrap();
    let told = talk.end(world).await;
    println!("two persisters, one held still, the other killed: {} acked", told.acked);
    second.service.down().await.unwrap();
    until_share(&world.cluster.persisters()[0], |share| share == PARTITIONS).await;
}

const PARTITIONS: f64 = 16.0;

/// Waits until so many partitions are the persister's.
async fn until_share(persister: &Persister, is_such: impl Fn(f64) -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = reqwest::get(format!("http://{}/metrics", persister.admin)).await.unwrap().text().await.unwrap();
        let share = metrics.lines().find_map(|line| line.strip_prefix("parley_persister_share_partitions "));
        if share.is_some_and(|share| is_such(share.parse().unwrap())) {
            return;
        }
        assert!(Instant::now() < until, "its share is {share:?}");
        sleep(Duration::from_millis(50)).await;
    }
}
