//! One direction of one connection: pieces are read, wait as the wire's trouble has it, and are written in their order.

use std::{collections::VecDeque, io, sync::atomic::Ordering, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use super::{Counters, Trouble};

/// What one piece holds at most.
const PIECE_BYTES: usize = 16 * 1024;
/// Pieces on their way over a slow wire; then the sender has to wait.
const PIECES_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// Until the sender has closed its side, all of it was written, and the receiver was told.
pub(super) async fn forward(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut troubles: watch::Receiver<Trouble>,
    counters: &Counters,
    direction: Direction,
) -> io::Result<()> {
    let mut on_the_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut last = Instant::now();
    let mut open = true;
    while open || !on_the_way.is_empty() {
        let next = on_the_way.front().map(|(at, _)| *at);
        tokio::select! {
            read = from.read(&mut buffer), if open && on_the_way.len() < PIECES_MAX => {
                let length = read?;
                open = length > 0;
                if open {
                    let delay = delay(*troubles.borrow(), length, counters);
                    // A narrow wire takes one piece after the other; on any, none overtakes another.
                    let narrow = matches!(*troubles.borrow(), Trouble::Narrow { .. });
                    last = if narrow { last.max(Instant::now()) + delay } else { last.max(Instant::now() + delay) };
                    on_the_way.push_back((last, buffer[..length].to_vec()));
                }
            }
            () = sleep_until(next.unwrap_or(last)), if next.is_some() => {
                wait_while_cut(&mut troubles, counters).await?;
                if let Some((_, piece)) = on_the_way.pop_front() {
                    to.write_all(&piece).await?;
                    counters.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                }
            }
            () = until_half_closed(&mut troubles), if direction == Direction::ToClient => {
                counters.half_closed.fetch_add(1, Ordering::Relaxed);
                return to.shutdown().await;
            }
        }
    }
    wait_while_cut(&mut troubles, counters).await?;
    to.shutdown().await
}

fn delay(trouble: Trouble, length: usize, counters: &Counters) -> Duration {
    let delay = match trouble {
        Trouble::Slow { latency, jitter } => latency + jitter.mul_f64(rand::random::<f64>()),
        Trouble::Narrow { bytes_per_second } => Duration::from_secs(1).mul_f64(length as f64 / f64::from(bytes_per_second.max(1))),
        Trouble::None | Trouble::Cut | Trouble::Reset | Trouble::HalfClosed => Duration::ZERO,
    };
    counters.delayed.fetch_add(u64::from(!delay.is_zero()), Ordering::Relaxed);
    delay
}

/// Returns at once unless the wire is cut; fails when the proxy is gone.
pub(super) async fn wait_while_cut(troubles: &mut watch::Receiver<Trouble>, counters: &Counters) -> io::Result<()> {
    if *troubles.borrow() == Trouble::Cut {
        counters.held.fetch_add(1, Ordering::Relaxed);
        troubles.wait_for(|trouble| *trouble != Trouble::Cut).await.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        // All that was held does not go in one instant.
        sleep(Duration::from_millis(rand::random_range(0..20))).await;
    }
    Ok(())
}

/// Until connections are to be reset.
pub(super) async fn until_reset(mut troubles: watch::Receiver<Trouble>) {
    if troubles.wait_for(|trouble| *trouble == Trouble::Reset).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn until_half_closed(troubles: &mut watch::Receiver<Trouble>) {
    if troubles.wait_for(|trouble| *trouble == Trouble::HalfClosed).await.is_err() {
        std::future::pending::<()>().await;
    }
}
