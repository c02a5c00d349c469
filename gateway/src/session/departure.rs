//! How a socket leaves a gateway that drains: it is told when to come back elsewhere, is served until then, and is closed if it stays.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// So many sockets a second come back: the other gateways sign in, resume and replay for each.
const SOCKETS_PER_SECOND: f64 = 1_000.0;
/// The slots of a few sockets are spread over this time, those of many over at most that.
const SPREAD: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));
/// A socket that is still there so long after its slot is closed.
const GRACE: Duration = Duration::from_millis(500);

/// What is to be done with the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Tell it its slot.
    Tell,
    Close,
}

/// Where a socket is on its way out.
#[derive(Debug)]
pub(super) enum Departure {
    /// The gateway serves; or drains, and the socket has not been told.
    Stays(CancellationToken),
    Leaves(Instant),
    Left,
}

impl Departure {
    /// Waits until the socket is to be told. Cancelling it changes nothing.
    pub(super) async fn announced(&self) {
        match self {
            Self::Stays(drain) => drain.cancelled().await,
            Self::Leaves(_) | Self::Left => std::future::pending().await,
        }
    }

    /// When the socket is to be closed, once it was told.
    pub(super) fn closes_at(&self) -> Option<Instant> {
        match self {
            Self::Leaves(at) => Some(*at),
            Self::Stays(_) | Self::Left => None,
        }
    }

    /// Gives the socket, one of so many, its slot, counted from now.
    pub(super) fn slot(&mut self, sockets: usize) -> Duration {
        let (least, most) = SPREAD;
        let spread = Duration::from_secs_f64(sockets as f64 / SOCKETS_PER_SECOND).clamp(least, most);
        let slot = spread.mul_f64(rand::random());
        *self = Self::Leaves(Instant::now() + slot + GRACE);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_told_when_the_gateway_drains_and_closed_after_its_slot() {
        let drain = CancellationToken::new();
        let mut departure = Departure::Stays(drain.clone());
        assert!(tokio::time::timeout(Duration::from_millis(20), departure.announced()).await.is_err());
        assert_eq!(departure.closes_at(), None);
        drain.cancel();
        departure.announced().await;
        let told = Instant::now();
        let slot = departure.slot(10);
        assert!(departure.closes_at().is_some_and(|at| at >= told + slot + GRACE));
    }

    #[test]
    fn slots_are_spread_by_how_many_there_are() {
        let latest = |sockets| (0..2_000).map(|_| Departure::Left.slot(sockets)).max().unwrap();
        assert!(latest(1) <= Duration::from_millis(250));
        let thousands = latest(3_000);
        assert!(thousands <= Duration::from_secs(3) && thousands > Duration::from_millis(2_800), "{thousands:?}");
        assert!(latest(100_000) <= Duration::from_secs(8));
    }
}
