//! What gateways share over Redis: limits that are one wherever one connects, and presence that outlives no gateway.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::world::World;

/// A killed gateway's lease is 3 s (ARCHITECTURE.md) and its presence is told each 3 s; times three.
const NO_GHOST: Duration = Duration::from_secs(18);

/// Twenty rooms a day, whichever gateway is asked.
pub(crate) async fn a_limit_is_one_over_both_gateways(world: &World) {
    world.whole().await;
    let person = world.person().await;
    let gateways = [0, 1].map(|number| person.at(&world.gateway_url(number)));
    for number in 0..20 {
        gateways[number % 2].create_room("room").await;
    }
    for gateway in &gateways {
        let (status, problem) = gateway.post("/rooms", &json!({"name": "one more", "visibility": "private"})).await;
        assert_eq!((status, &problem["code"]), (429, &json!("rate_limited")), "{problem}");
    }
}

/// Everybody at a gateway that is killed is offline once its lease is over, though nobody said goodbye.
pub(crate) async fn a_killed_gateway_leaves_no_ghosts(world: &World) {
    world.whole().await;
    let (ada, bo) = (world.person().await, world.person().await);
    let room = ada.create_room("haunted").await;
    bo.join(room).await;
    let (ada, bo) = (ada.at(&world.gateway_url(0)), bo.at(&world.gateway_url(1)));
    let (_here, mut there) = (ada.connect().await, bo.connect().await);
    let online = async |wanted: u64, patience: Duration| {
        let begun = Instant::now();
        loop {
            let (status, said) = ada.get(&format!("/rooms/{room}/presence")).await;
            assert_eq!(status, 200, "{said}");
            if said["online"] == wanted {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < patience, "{said} after {patience:?}");
            sleep(Duration::from_millis(100)).await;
        }
    };
    online(2, NO_GHOST).await;
    world.cluster.kill9("gateway-2").unwrap();
    let took = online(1, NO_GHOST).await;
    println!("no ghost {} ms after the kill; the gateway is started again under its name meanwhile", took.as_millis());
    assert_eq!(there.until_closed().await, 1006);
    world.whole().await;
    sleep(Duration::from_secs(2)).await;
    online(1, Duration::from_secs(1)).await;
    world.assert_whole().await;
}
