//! What is wrong with a wire is felt by both ends, is counted, and is over when it is over.

use std::time::Duration;

use parley_cluster::{
    Proxy,
    proxy::{Counted, Trouble},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(10);
/// Nothing comes within it.
const A_WHILE: Duration = Duration::from_millis(200);

/// Says back what it hears.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.into_split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    Proxy::start("one~other", addr).await.unwrap()
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

async fn hear(stream: &mut TcpStream, text: &str) {
    let mut heard = vec![0; text.len()];
    timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, text.as_bytes());
}

async fn felt(proxy: &Proxy, fits: impl Fn(Counted) -> bool) {
    let until = Instant::now() + PATIENCE;
    while !fits(proxy.counted()) {
        assert!(Instant::now() < until, "{:?}", proxy.counted());
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_cut_wire_carries_nothing_and_loses_nothing() {
    let proxy = echo().await;
    let mut before = TcpStream::connect(proxy.addr()).await.unwrap();
    say(&mut before, "one").await;
    hear(&mut before, "one").await;
    proxy.set(Trouble::Cut);
    say(&mut before, "two").await;
    let mut meanwhile = TcpStream::connect(proxy.addr()).await.unwrap();
    say(&mut meanwhile, "three").await;
    let mut byte = [0];
    assert!(timeout(A_WHILE, before.read(&mut byte)).await.is_err(), "nothing comes, and nobody is told");
    assert!(timeout(A_WHILE, meanwhile.read(&mut byte)).await.is_err());
    assert!(proxy.counted().held >= 2, "{:?}", proxy.counted());
    proxy.set(Trouble::None);
    hear(&mut before, "two").await;
    hear(&mut meanwhile, "three").await;
}

#[tokio::test]
async fn a_reset_ends_what_is_open_and_what_comes() {
    let proxy = echo().await;
    let mut before = TcpStream::connect(proxy.addr()).await.unwrap();
    say(&mut before, "one").await;
    hear(&mut before, "one").await;
    proxy.set(Trouble::Reset);
    assert!(timeout(PATIENCE, before.read_u8()).await.unwrap().is_err());
    let mut meanwhile = TcpStream::connect(proxy.addr()).await.unwrap();
    assert!(timeout(PATIENCE, meanwhile.read_u8()).await.unwrap().is_err());
    felt(&proxy, |counted| counted.resets == 2).await;
    proxy.set(Trouble::None);
    let mut after = TcpStream::connect(proxy.addr()).await.unwrap();
    say(&mut after, "two").await;
    hear(&mut after, "two").await;
}

#[tokio::test]
async fn a_slow_wire_is_late_and_keeps_the_order() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    proxy.set(Trouble::Slow { latency: Duration::from_millis(50), jitter: Duration::from_millis(50) });
    let began = Instant::now();
    for number in 0..20 {
        say(&mut stream, &format!("{number:02}")).await;
        sleep(Duration::from_millis(2)).await;
    }
    hear(&mut stream, &(0..20).map(|number| format!("{number:02}")).collect::<String>()).await;
    assert!(began.elapsed() >= Duration::from_millis(100), "there and back");
    assert!(proxy.counted().delayed > 0);
}

#[tokio::test]
async fn a_narrow_wire_takes_its_time() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    proxy.set(Trouble::Narrow { bytes_per_second: 100_000 });
    let text = "x".repeat(30_000);
    let began = Instant::now();
    say(&mut stream, &text).await;
    hear(&mut stream, &text).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    felt(&proxy, |counted| counted.delayed > 0 && counted.bytes == 60_000).await;
}

#[tokio::test]
async fn a_half_closed_wire_still_carries_the_other_half() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.addr()).await.unwrap();
    say(&mut stream, "one").await;
    hear(&mut stream, "one").await;
    proxy.set(Trouble::HalfClosed);
    assert_eq!(timeout(PATIENCE, stream.read(&mut [0])).await.unwrap().unwrap(), 0, "the end");
    let before = proxy.counted();
    assert_eq!(before.half_closed, 1);
    say(&mut stream, "two").await;
    felt(&proxy, |counted| counted.since(before).bytes == 3).await;
}
