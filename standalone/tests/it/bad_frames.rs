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

/// A gibibyte announced gets less than this (BAD-INPUTS.md). Of 120 sockets, since the process' memory moves by more than that all the time.
#[tokio::test]
async fn what_is_announced_is_not_allocated() {
    const PEOPLE: u64 = 12;
    const SOCKETS_EACH: u64 = 10;
    const KIB_EACH: u64 = 64;
    let folder = tempfile::tempdir().unwrap();
    let parley = Parley::start(folder.path());
    let mut bystander = Bystander::watch(&Person::sign_up(&parley.url, "bo").await).await;
    // What any socket costs is not what is asked.
    let mut sockets = Vec::new();
    for number in 0..PEOPLE {
        let person = Person::sign_up(&parley.url, &format!("ada{number}")).await;
        for _ in 0..SOCKETS_EACH {
            sockets.push(Raw::open(&person).await);
        }
    }
    bystander.goes_on().await;
    let before = parley.resident_kib();
    for raw in &mut sockets {
        raw.write(&announced(FIN, 1 << 30)).await;
    }
    for raw in &mut sockets {
        assert_eq!(raw.close_code().await, 1009);
    }
    bystander.goes_on().await;
    let each = parley.resident_kib().saturating_sub(before) / (PEOPLE * SOCKETS_EACH);
    println!("1 GiB announced cost {each} KiB");
    assert!(each < KIB_EACH, "{each} KiB");
}

#[tokio::test]
async fn what_is_half_there_is_bounded() {
    const SOCKETS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let parley = Parley::start(folder.path());
    let (ada, bo) = (Person::sign_up(&parley.url, "ada").await, Person::sign_up(&parley.url, "bo").await);
    let mut bystander = Bystander::watch(&bo).await;
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
    println!("{SOCKETS} halves of 60 KiB grew the process by {halves} KiB");
    // A message, its buffer, as much again for what grows by doubling; and what the process needs for anything else that it does meanwhile.
    let bound = SOCKETS as u64 * 3 * 64 + 8 * 1_024;
    assert!(halves < bound, "{halves} KiB, of {bound}");
}
