//! A bounded map that forgets: two generations, the elder one dropped whenever the younger is full. What is older than its time to live is
//! called stale: whether it still counts is for who asks.

use std::{collections::HashMap, hash::Hash, sync::Mutex, time::Duration};

use tokio::time::Instant;

/// Values kept for `ttl`, at most `capacity` of them.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    ttl: Duration,
    generation: usize,
    maps: Mutex<Generations<K, V>>,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, Kept<V>>,
    old: HashMap<K, Kept<V>>,
}

#[derive(Debug, Clone)]
struct Kept<V> {
    value: V,
    at: Instant,
}

/// What is known, and whether it is younger than the time to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known<V> {
    Fresh(V),
    Stale(V),
}

impl<K: Eq + Hash + Copy, V: Clone> Recent<K, V> {
    pub(crate) fn new(capacity: usize, ttl: Duration) -> Self {
        Self { ttl, generation: (capacity / 2).max(1), maps: Mutex::new(Generations { young: HashMap::new(), old: HashMap::new() }) }
    }

    pub(crate) fn get(&self, key: &K) -> Option<Known<V>> {
        let maps = self.lock();
        let kept = maps.young.get(key).or_else(|| maps.old.get(key))?;
        let fresh = kept.at.elapsed() < self.ttl;
        let value = kept.value.clone();
        Some(if fresh { Known::Fresh(value) } else { Known::Stale(value) })
    }

    pub(crate) fn put(&self, key: K, value: V) {
        self.put_unless(key, value, |_| false);
    }

    /// Leaves what is there if it is final: an answer that was read before somebody said otherwise must not win.
    pub(crate) fn put_unless(&self, key: K, value: V, is_final: impl FnOnce(&V) -> bool) {
        let mut maps = self.lock();
        if maps.young.get(&key).or_else(|| maps.old.get(&key)).is_some_and(|kept| is_final(&kept.value)) {
            return;
        }
        if maps.young.len() >= self.generation && !maps.young.contains_key(&key) {
            let full = std::mem::take(&mut maps.young);
            maps.old = full;
        }
        maps.young.insert(key, Kept { value, at: Instant::now() });
    }

    pub(crate) fn forget(&self, key: &K) {
        let mut maps = self.lock();
        maps.young.remove(key);
        maps.old.remove(key);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations<K, V>> {
        self.maps.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_is_called_stale() {
        let recent = Recent::new(10, Duration::from_secs(60));
        recent.put(1, "one");
        assert_eq!(recent.get(&1), Some(Known::Fresh("one")));
        recent.forget(&1);
        assert_eq!(recent.get(&1), None);
        let old = Recent::new(10, Duration::ZERO);
        old.put(1, "one");
        assert_eq!(old.get(&1), Some(Known::Stale("one")));
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let recent = Recent::new(10, Duration::from_secs(60));
        for key in 0..1_000 {
            recent.put(key, key);
        }
        assert!((0..1_000).filter(|key| recent.get(key).is_some()).count() <= 10);
        assert_eq!(recent.get(&999), Some(Known::Fresh(999)));
    }
}
