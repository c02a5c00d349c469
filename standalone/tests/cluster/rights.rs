//! Rights that end while Redis is away, and while nobody can say whether they did.

use std::time::Duration;

use parley_proto::{
    ErrorCode,
    wire::{CloseCode, ServerFrame},
};
use serde_json::json;
use tokio::time::Instant;

use crate::{
    client::{Answer, Socket},
    degradation::while_down,
    world::World,
};

/// Ended rights are never later (G10), whatever is away.
const NEVER_LATER: Duration = Duration::from_secs(30);

/// Reads until `is_so`; how long it took.
async fn until(socket: &mut Socket, began: Instant, is_so: impl Fn(&Socket) -> bool) -> Duration {
    while !is_so(socket) {
        assert!(began.elapsed() < NEVER_LATER * 3, "it never was so");
        socket.settle(Duration::from_millis(200)).await;
    }
    began.elapsed()
}

pub(crate) async fn ended_without_redis(world: &World) {
    let (ada, bo) = (world.person().await.at(&world.gateway_url(0)), world.person().await.at(&world.gateway_url(0)));
    let room = ada.create_room("rights").await;
    bo.join(room).await;
    let second = world.gateway_url(1);
    let (mut a, mut b) = (ada.at(&second).connect().await, bo.at(&second).connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    while_down(world, "redis", async || {
        let began = Instant::now();
        assert_eq!(bo.post(&format!("/rooms/{room}/leave"), &json!({})).await.0, 204);
        assert_eq!(ada.post("/auth/sign-out", &json!({})).await.0, 204);
        let is_expelled = |socket: &Socket| socket.came(|frame| matches!(frame, ServerFrame::Unsubscribed { code: Some(ErrorCode::NotFound), .. }));
        let (left, ended) = tokio::join!(until(&mut b, began, is_expelled), until(&mut a, began, |socket| socket.closed.is_some()));
        println!("without redis: left after {} ms, signed out after {} ms, at the other gateway", left.as_millis(), ended.as_millis());
        assert!(left.max(ended) <= NEVER_LATER * 3, "{left:?}, {ended:?}");
        assert_eq!(a.closed, Some(CloseCode::SessionEnded as u16));
    })
    .await;
    world.assert_whole().await;
}

pub(crate) async fn nobody_vouches(world: &World) {
    let (ada, bo) = (world.person().await.at(&world.gateway_url(0)), world.person().await.at(&world.gateway_url(1)));
    let room = ada.create_room("rights").await;
    bo.join(room).await;
    let (mut a, mut b) = (ada.connect().await, bo.connect().await);
    a.subscribe(room).await;
    b.subscribe(room).await;
    a.send(room, "before").await;
    b.until(room, 1).await;
    while_down(world, "postgres", async || {
        while_down(world, "redis", async || {
            let began = Instant::now();
            let in_doubt = |socket: &Socket| socket.came(|frame| matches!(frame, ServerFrame::Error { code: ErrorCode::AuthUnverified, .. }));
            let took = until(&mut b, began, in_doubt).await;
            println!("without redis and postgres: delivery stops after {} ms", took.as_millis());
            assert!(took <= NEVER_LATER * 3, "{took:?}");
            assert_eq!(b.send(room, "am I here?").await, Answer::Rejected { code: ErrorCode::AuthUnverified, is_final: false });
        })
        .await;
    })
    .await;
    let began = Instant::now();
    let after = loop {
        let answer = a.send(room, "after").await;
        if matches!(answer, Answer::Ack { .. }) {
            break answer;
        }
        assert!(began.elapsed() < NEVER_LATER, "{answer:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    b.until(room, 2).await;
    println!("both are back: {after:?} is shown after {} ms, without being asked for", began.elapsed().as_millis());
    world.assert_whole().await;
}
