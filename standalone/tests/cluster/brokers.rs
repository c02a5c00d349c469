//! Three brokers: each record is on two of them before it is acked, so one may go for good.

use std::time::Duration;

use parley_cluster::cluster::Brokers;
use tokio::time::{Instant, sleep};

use crate::{
    talk::Talk,
    world::{LIVE, World},
};

pub(crate) async fn one_of_three_is_lost() {
    let world = World::with_brokers(Brokers::Three).await;
    let talk = Talk::start(&world).await;
    sleep(Duration::from_secs(1)).await;
    // Each partition is on all three: the loss of one is then the only fault.
    world.cluster.kafka().wait_complete().await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let lost = Instant::now();
    world.cluster.unsupervise("kafka-2").unwrap();
    world.cluster.kill9("kafka-2").unwrap();
    sleep(Duration::from_secs(20)).await;
    let told = talk.end(&world).await;
    println!("one broker of three lost: live for everybody {} ms after the kill; {} acked", told.live_again(lost).as_millis(), told.acked);
    assert!(told.live_again(lost) <= LIVE, "{:?}", told.live_again(lost));
    world.cluster.up("kafka-2").unwrap();
    world.cluster.wait_ready("kafka-2").await.unwrap();
    world.stop().await;
}
