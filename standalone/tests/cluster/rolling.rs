//! Every gateway and every persister is replaced, one after the other, while people talk: a deployment of a new version.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{talk::Talk, world::World};

/// Each is ready for so long before the next one goes.
const A_WHILE: Duration = Duration::from_secs(1);

/// Live delivery, as after one gateway was killed: 2 s (G14), times three.
const LIVE: Duration = Duration::from_secs(6);

/// Nobody has to do anything: sockets move in their slots, no send is refused, and nobody waits long for what others say.
pub(crate) async fn every_process_is_replaced_while_people_talk(world: &World) {
    let talk = Talk::start(world).await;
    sleep(A_WHILE).await;
    for name in ["gateway-1", "gateway-2", "persister-1"] {
        let began = Instant::now();
        world.cluster.terminate(name).await.unwrap();
        world.cluster.wait_ready(name).await.unwrap();
        println!("{name}: replaced after {} ms", began.elapsed().as_millis());
        sleep(A_WHILE).await;
    }
    let told = talk.end(world).await;
    println!("{} acked, {} refused, {} sockets moved, longest pause of a screen {} ms", told.acked, told.refused, told.resumes, told.longest_pause.as_millis());
    assert!(told.longest_pause <= LIVE, "somebody saw nothing new for {:?}", told.longest_pause);
    assert_eq!(told.refused, 0, "sends that were refused");
    assert!(told.resumes >= 6, "everybody's gateway was replaced: {} moved", told.resumes);
}
