//! The chain of a partition's notices: pure. Each says from where to where the store went; one that does not begin where the last one ended was not the next.
//!
//! What a lost notice would have said is read from the store, from the chain's own end on: never from what a notice says of where it begins.

use std::time::Duration;

use parley_proto::Cursor;
use tokio::time::Instant;

/// A persister says something each second; after this long without a word the store is asked: so that two seconds are enough, the next look included.
const SILENCE_MAX: Duration = Duration::from_millis(1_600);

/// Where one partition's chain ends.
#[derive(Debug)]
pub(super) struct Chain {
    /// Every change below this was handed on; `None` until the store was asked for the first time.
    end: Option<Cursor>,
    reading: bool,
    /// The store is here, as a notice says that the chain does not reach.
    wanted: Option<Cursor>,
    heard: Instant,
}

/// What to do with a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// It is the next one: what it says is to be handed on, then [`Chain::handed_on`].
    Next,
    /// One before it was lost: the store has to be read.
    Gap,
    /// It says nothing new, or what is being read says it.
    Nothing,
}

impl Chain {
    pub(super) fn new(now: Instant) -> Self {
        Self { end: None, reading: false, wanted: None, heard: now }
    }

    pub(super) fn end(&self) -> Option<Cursor> {
        self.end
    }

    pub(super) fn notice(&mut self, from: Cursor, to: Cursor, now: Instant) -> Heard {
        self.heard = now;
        // The first end is never a notice's: what changed before it would be missing.
        let Some(end) = self.end else { return Heard::Nothing };
        if self.reading || self.wanted.is_some() {
            self.wanted = self.wanted.max(Some(to));
            return Heard::Nothing;
        }
        if to <= end {
            return Heard::Nothing;
        }
        if from == end {
            return Heard::Next;
        }
        self.wanted = Some(to);
        Heard::Gap
    }

    pub(super) fn handed_on(&mut self, to: Cursor) {
        self.end = Some(to);
    }

    /// Whether the store has to be asked and nobody does.
    pub(super) fn is_short(&self, now: Instant) -> bool {
        !self.reading && (self.end.is_none() || self.wanted.is_some() || now.duration_since(self.heard) >= SILENCE_MAX)
    }

    /// From where on the store has to be read (`Some(None)`: it is asked only where it is). `None`: somebody reads already.
    pub(super) fn begin_read(&mut self) -> Option<Option<Cursor>> {
        if std::mem::replace(&mut self.reading, true) { None } else { Some(self.end) }
    }

    /// What was read was handed on: all below `to`; the store is at `next`. Whether it has to be read again.
    pub(super) fn read(&mut self, to: Cursor, next: Cursor, now: Instant) -> bool {
        self.heard = now;
        self.end = Some(to);
        self.wanted = self.wanted.max(Some(next)).filter(|wanted| *wanted > to);
        self.reading = self.wanted.is_some();
        self.reading
    }

    pub(super) fn read_failed(&mut self) {
        self.reading = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain_at(end: u64) -> Chain {
        let mut chain = Chain::new(Instant::now());
        assert_eq!(chain.begin_read(), Some(None));
        assert!(!chain.read(Cursor(end), Cursor(end), Instant::now()));
        chain
    }

    fn notice(chain: &mut Chain, from: u64, to: u64) -> Heard {
        let heard = chain.notice(Cursor(from), Cursor(to), Instant::now());
        if heard == Heard::Next {
            chain.handed_on(Cursor(to));
        }
        heard
    }

    #[test]
    fn the_first_end_is_the_store_s_and_never_a_notice_s() {
        let mut chain = Chain::new(Instant::now());
        assert_eq!(notice(&mut chain, 3, 9), Heard::Nothing);
        assert_eq!((chain.end(), chain.is_short(Instant::now())), (None, true));
    }

    #[test]
    fn an_unbroken_chain_is_handed_on_and_a_tick_says_nothing_new() {
        let mut chain = chain_at(5);
        assert_eq!(notice(&mut chain, 5, 9), Heard::Next);
        assert_eq!(notice(&mut chain, 9, 9), Heard::Nothing);
        assert_eq!(notice(&mut chain, 5, 9), Heard::Nothing, "a second time");
        assert_eq!(notice(&mut chain, 9, 12), Heard::Next);
        assert!(!chain.is_short(Instant::now()));
    }

    #[test]
    fn a_lost_notice_is_seen_by_the_next_one_or_by_a_tick_and_read_from_the_chain_s_own_end() {
        for (from, to) in [(9, 12), (12, 12)] {
            let mut chain = chain_at(5);
            assert_eq!(notice(&mut chain, from, to), Heard::Gap);
            assert_eq!(chain.begin_read(), Some(Some(Cursor(5))));
            assert_eq!(chain.begin_read(), None, "one read at a time");
            assert!(!chain.read(Cursor(12), Cursor(12), Instant::now()));
            assert_eq!(notice(&mut chain, 12, 13), Heard::Next);
        }
    }

    #[test]
    fn a_notice_that_comes_while_the_store_is_read_starts_another_read_unless_the_read_has_it() {
        for (reached, again) in [(12, true), (14, false)] {
            let mut chain = chain_at(5);
            notice(&mut chain, 9, 12);
            chain.begin_read();
            assert_eq!(notice(&mut chain, 12, 14), Heard::Nothing);
            assert_eq!(chain.read(Cursor(reached), Cursor(reached), Instant::now()), again);
        }
    }

    #[test]
    fn a_piece_of_what_changed_is_not_all_of_it() {
        let mut chain = chain_at(5);
        notice(&mut chain, 9, 12);
        chain.begin_read();
        assert!(chain.read(Cursor(8), Cursor(12), Instant::now()));
        assert_eq!(chain.end(), Some(Cursor(8)));
        assert!(!chain.read(Cursor(12), Cursor(12), Instant::now()));
    }

    #[test]
    fn silence_is_a_reason_to_ask_and_a_failed_read_is_tried_again() {
        let mut chain = chain_at(5);
        let later = Instant::now() + SILENCE_MAX;
        assert!(chain.is_short(later));
        assert_eq!(chain.begin_read(), Some(Some(Cursor(5))));
        assert!(!chain.is_short(later));
        chain.read_failed();
        assert!(chain.is_short(later));
    }
}
