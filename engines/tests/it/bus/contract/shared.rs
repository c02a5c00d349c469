//! What gateways share on a bus beside frames: that they live, how much anybody may do, who is online, whose rights have changed.

use std::time::Duration;

use parley_engines::bus::{
    Bus, Online, PRESENCE_EXACT,
    limits::Bucket,
    rate::{Rate, Taken},
};
use parley_proto::{PartitionId, RoomId, UserId};
use uuid::Uuid;

pub(crate) async fn a_gateway_lives_as_long_as_it_renews(bus: &dyn Bus) {
    let (one, two) = (format!("a-{}", Uuid::new_v4()), format!("b-{}", Uuid::new_v4()));
    let ours = |all: Vec<String>| all.into_iter().filter(|name| *name == one || *name == two).collect::<Vec<_>>();
    let renew = async |name: &str, millis| ours(bus.renew_gateway(name, Duration::from_millis(millis)).await.unwrap());
    assert_eq!(renew(&two, 60_000).await, std::slice::from_ref(&two));
    assert_eq!(renew(&one, 500).await, [one.clone(), two.clone()], "sorted");
    assert_eq!(renew(&two, 60_000).await, [one.clone(), two.clone()]);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(renew(&two, 60_000).await, std::slice::from_ref(&two));
    assert_eq!(renew(&one, 60_000).await, [one.clone(), two.clone()]);
}

pub(crate) async fn a_gateway_that_says_goodbye_is_gone_at_once(bus: &dyn Bus) {
    let (one, two) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    bus.renew_gateway(&one, Duration::from_secs(60)).await.unwrap();
    assert!(bus.renew_gateway(&two, Duration::from_secs(60)).await.unwrap().contains(&one));
    bus.remove_gateway(&one).await.unwrap();
    bus.remove_gateway("never there").await.unwrap();
    assert!(!bus.renew_gateway(&two, Duration::from_secs(60)).await.unwrap().contains(&one));
}

/// A bucket that this test has to itself.
fn bucket() -> Bucket {
    Bucket::new("test", rand::random::<u64>())
}

pub(crate) async fn a_bucket_gives_its_burst_and_says_when_more_is_there(bus: &dyn Bus) {
    let (bucket, rate) = (bucket(), Rate::new(1, Duration::from_secs(60), 3));
    for _ in 0..3 {
        assert_eq!(bus.take(&bucket, rate, 1).await, Ok(Taken::Yes));
    }
    let Ok(Taken::Wait(wait)) = bus.take(&bucket, rate, 1).await else { panic!("a fourth was given") };
    assert!(wait > Duration::from_secs(50) && wait <= Duration::from_secs(60), "{wait:?}");
    assert_eq!(bus.take(&self::bucket(), rate, 3).await, Ok(Taken::Yes), "another's is full");
    let (bucket, rate) = (self::bucket(), Rate::new(1, Duration::from_millis(100), 1));
    assert_eq!(bus.take(&bucket, rate, 1).await, Ok(Taken::Yes));
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(bus.take(&bucket, rate, 1).await, Ok(Taken::Yes), "it comes back");
}

pub(crate) async fn a_bucket_is_one_whoever_takes_from_it(bus: &dyn Bus) {
    let (bucket, rate) = (bucket(), Rate::new(1, Duration::from_secs(600), 20));
    let taken = futures::future::join_all((0..50).map(|_| bus.take(&bucket, rate, 1))).await;
    assert_eq!(taken.into_iter().filter(|taken| *taken == Ok(Taken::Yes)).count(), 20);
}

pub(crate) async fn what_was_given_away_already_is_owed(bus: &dyn Bus) {
    let (bucket, rate) = (bucket(), Rate::new(1, Duration::from_secs(60), 2));
    let until_full = bus.charge(&bucket, rate, 5).await.unwrap();
    assert!(until_full > Duration::from_secs(290) && until_full <= Duration::from_secs(300), "{until_full:?}");
    let Ok(Taken::Wait(wait)) = bus.take(&bucket, rate, 1).await else { panic!("it owes") };
    assert!(wait > Duration::from_secs(230) && wait <= Duration::from_secs(240), "{wait:?}");
}

pub(crate) async fn places_are_counted_over_all_holders_and_given_back(bus: &dyn Bus) {
    let (bucket, [one, two]) = (bucket(), [1, 2].map(|n| format!("holder-{n}-{}", rand::random::<u64>())));
    for holder in [&one, &two] {
        bus.renew_holder(holder, Duration::from_secs(60)).await.unwrap();
    }
    assert_eq!(bus.hold(&bucket, &one, 2, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &two, 1, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &two, 2, 3).await, Ok(false));
    assert_eq!(bus.hold(&bucket, &one, 2, 1).await, Ok(true), "what is there stays, also when less is allowed now");
    assert_eq!(bus.hold(&bucket, &one, 1, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &two, 2, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &one, 0, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &two, 3, 3).await, Ok(true));
}

pub(crate) async fn what_a_dead_holder_held_counts_no_more(bus: &dyn Bus) {
    let (bucket, [dead, alive]) = (bucket(), ["dead", "alive"].map(|name| format!("{name}-{}", rand::random::<u64>())));
    bus.renew_holder(&dead, Duration::from_millis(200)).await.unwrap();
    bus.renew_holder(&alive, Duration::from_secs(60)).await.unwrap();
    assert_eq!(bus.hold(&bucket, &dead, 3, 3).await, Ok(true));
    assert_eq!(bus.hold(&bucket, &alive, 1, 3).await, Ok(false));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(bus.hold(&bucket, &alive, 3, 3).await, Ok(true));
}

pub(crate) async fn a_holder_is_told_whether_it_was_known(bus: &dyn Bus) {
    let holder = format!("holder-{}", rand::random::<u64>());
    assert_eq!(bus.renew_holder(&holder, Duration::from_millis(100)).await, Ok(false));
    assert_eq!(bus.renew_holder(&holder, Duration::from_millis(100)).await, Ok(true));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bus.renew_holder(&holder, Duration::from_millis(100)).await, Ok(false));
}

/// A room and two holders that live, all this test's own.
async fn presence_stage(bus: &dyn Bus, ttl: Duration) -> (RoomId, [String; 2]) {
    let holders = [1, 2].map(|n| format!("holder-{n}-{}", rand::random::<u64>()));
    bus.renew_holder(&holders[0], ttl).await.unwrap();
    bus.renew_holder(&holders[1], Duration::from_secs(60)).await.unwrap();
    (RoomId::new(PartitionId(0), rand::random()), holders)
}

fn people(count: u128) -> Vec<UserId> {
    (1..=count).map(|n| UserId(Uuid::from_u128(n))).collect()
}

pub(crate) async fn somebody_at_two_gateways_is_online_once_and_until_both_say_goodbye(bus: &dyn Bus) {
    let (room, [one, two]) = presence_stage(bus, Duration::from_secs(60)).await;
    let people = people(3);
    assert_eq!(bus.online(room, 10).await, Ok(Online::default()));
    bus.appear(room, &one, &people[..2], &[]).await.unwrap();
    bus.appear(room, &two, &people[1..], &[]).await.unwrap();
    assert_eq!(bus.online(room, 10).await, Ok(Online { count: 3, users: people.clone() }));
    bus.appear(room, &one, &[], &people[..2]).await.unwrap();
    assert_eq!(bus.online(room, 10).await, Ok(Online { count: 2, users: people[1..].to_vec() }));
    bus.appear(room, &two, &people[..1], &people[1..]).await.unwrap();
    assert_eq!(bus.online(room, 10).await, Ok(Online { count: 1, users: people[..1].to_vec() }));
    assert_eq!(bus.online(RoomId::new(PartitionId(0), rand::random()), 10).await, Ok(Online::default()), "another room");
}

pub(crate) async fn a_dead_gateway_leaves_no_ghosts(bus: &dyn Bus) {
    let (room, [dies, lives]) = presence_stage(bus, Duration::from_millis(300)).await;
    bus.appear(room, &dies, &people(2), &[]).await.unwrap();
    bus.appear(room, &lives, &people(1), &[]).await.unwrap();
    assert_eq!(bus.online(room, 10).await.unwrap().count, 2);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(bus.online(room, 10).await, Ok(Online { count: 1, users: people(1) }));
}

pub(crate) async fn many_people_are_counted_and_not_named(bus: &dyn Bus) {
    let (room, [one, _]) = presence_stage(bus, Duration::from_secs(60)).await;
    bus.appear(room, &one, &people(200), &[]).await.unwrap();
    assert_eq!(bus.online(room, 200).await.unwrap().users.len(), 200);
    assert_eq!(bus.online(room, 199).await, Ok(Online { count: 200, users: vec![] }));
    bus.appear(room, &one, &people(PRESENCE_EXACT as u128 + 1), &[]).await.unwrap();
    assert_eq!(bus.online(room, usize::MAX).await, Ok(Online { count: PRESENCE_EXACT as u64 + 1, users: vec![] }));
}

pub(crate) async fn a_version_of_rights_never_goes_back(bus: &dyn Bus) {
    let people: Vec<_> = (0..3).map(|_| UserId(Uuid::new_v4())).collect();
    assert_eq!(bus.rights(&people).await.unwrap(), [None, None, None]);
    bus.raise_rights(&[(people[0], 0), (people[1], (1 << 53) - 1)]).await.unwrap();
    assert_eq!(bus.rights(&people).await.unwrap(), [Some(0), Some((1 << 53) - 1), None]);
    bus.raise_rights(&[(people[0], 7), (people[1], 3)]).await.unwrap();
    bus.raise_rights(&[(people[0], 6)]).await.unwrap();
    assert_eq!(bus.rights(&people).await.unwrap(), [Some(7), Some((1 << 53) - 1), None]);
    bus.raise_rights(&[]).await.unwrap();
    assert_eq!(bus.rights(&[]).await.unwrap(), []);
}
