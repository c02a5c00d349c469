//! What is refused when a gateway has too much to do: the requests of all sockets under way are counted, and the dearer or less needed a kind is, the earlier
//! it is refused. Acks, pongs and closes are no requests: nothing holds them up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parley_proto::ErrorCode;

use crate::{metrics, refusal::Refusal};

/// Kinds of requests, in the order in which they are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Presence,
    /// Pages of history below the newest.
    DeepHistory,
    Subscribe,
    Send,
}

impl Kind {
    /// From this part of the most on, in percent, it is refused.
    fn refused_from(self) -> usize {
        match self {
            Self::Presence => 50,
            Self::DeepHistory => 70,
            Self::Subscribe => 85,
            Self::Send => 100,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::DeepHistory => "deep_history",
            Self::Subscribe => "subscribe",
            Self::Send => "send",
        }
    }
}

/// Counts what is under way. Clones count together.
#[derive(Debug, Clone)]
pub struct Load {
    under_way: Arc<AtomicUsize>,
    most: usize,
}

/// A request under way; it is over when this is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<AtomicUsize>);

impl Load {
    pub(super) fn new(most: usize) -> Self {
        Self { under_way: Arc::default(), most }
    }

    /// Lets a request begin, or says that it is not the time.
    pub fn begin(&self, kind: Kind) -> Result<UnderWay, Refusal> {
        let begun = UnderWay(Arc::clone(&self.under_way));
        let others = self.under_way.fetch_add(1, Ordering::Relaxed);
        if others * 100 >= self.most * kind.refused_from() {
            metrics::shed(kind.name());
            return Err(Refusal::new(ErrorCode::Overloaded).retry_after(Duration::from_secs(1)));
        }
        Ok(begun)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_least_is_refused_first_and_sends_last() {
        let load = Load::new(20);
        let mut under_way = Vec::new();
        let mut taken = |kind, count| (0..count).map_while(|_| load.begin(kind).ok()).map(|one| under_way.push(one)).count();
        assert_eq!(taken(Kind::Presence, 100), 10);
        assert_eq!(taken(Kind::DeepHistory, 100), 4);
        assert_eq!(taken(Kind::Presence, 1), 0);
        assert_eq!(taken(Kind::Subscribe, 100), 3);
        assert_eq!(taken(Kind::Send, 100), 3);
        let refusal = load.begin(Kind::Send).unwrap_err();
        assert!(refusal.code == ErrorCode::Overloaded && refusal.retry_after.is_some());
        under_way.clear();
        assert!(load.begin(Kind::Presence).is_ok(), "what is over counts no more, what was refused never did");
    }
}
