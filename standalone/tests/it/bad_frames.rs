//! Broken frames straight at the real binary, whose memory is looked at while it is attacked.

use std::time::Duration;

use crate::{
    client::Person,
    frames::{self, Bystander, broken_frames},
    raw::{FIN, Raw, TEXT, announced, frame},
    support::Parley,
};

macro_rules! on_the_binary {
    ($($name:ident,)*) => {
        $(#[tokio::test]
        async fn $name() {
            let folder = tempfile::tempdir().unwrap();
            let parley = Parley::start(folder.path());
            frames::$name(&parley.url).await;
        })*
    };
}

broken_frames!(on_the_binary);

#[tokio::test]
async fn what_is_announced_is_not_allocated_and_what_is_half_there_is_bounded() {
    const SOCKETS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let parley = Parley::start(folder.path());
    let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
    let mut bystander = Bystander::watch(&bo).await;
    // What any socket costs is not what is asked.
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        sockets.push(Raw::open(&ada).await);
    }
    bystander.goes_on().await;
    let before = parley.resident_kib();
    for raw in &mut sockets {
        raw.write(&frame(TEXT, &[b' '; 60 * 1_024])).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    bystander.goes_on().await;
    let halves = parley.resident_kib().saturating_sub(before);
    for raw in &mut sockets {
        raw.write(&announced(FIN, 1 << 30)).await;
        assert_eq!(raw.close_code().await, 1009);
    }
    bystander.goes_on().await;
    let after = parley.resident_kib().saturating_sub(before);
    println!("{SOCKETS} halves of 60 KiB grew the process by {halves} KiB; 1 GiB announced on each, by {after} KiB in all");
    // A message, its buffer, as much again for what grows by doubling; and what the process needs for anything else that it does meanwhile.
    let bound = SOCKETS as u64 * 3 * 64 + 8 * 1_024;
    assert!(halves < bound && after < bound, "{halves} and {after} KiB, of {bound}");
}
