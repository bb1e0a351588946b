//! A bounded cache that keeps what is used.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::stats::CacheStats;

/// What an entry costs beyond its own bytes: its place in a hash map, its allocation.
const OVERHEAD: usize = 64;

/// A cache in two generations: when the young one is full it becomes the old one, and what was in
/// the old one is forgotten. What is used of the old one becomes young again. So what was used
/// since the last change of generations is always there, at the cost of two map look-ups at most.
///
/// Keys must be such that clients cannot choose their hashes.
#[derive(Debug)]
pub(crate) struct Generations<K, V> {
    young: FxHashMap<K, Held<V>>,
    old: FxHashMap<K, Held<V>>,
    young_bytes: usize,
    old_bytes: usize,
    /// Most bytes of a generation.
    limit: usize,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    bytes: usize,
}

impl<K: Copy + Eq + Hash, V> Generations<K, V> {
    /// Creates a cache of at most `max_bytes`.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            young: FxHashMap::default(),
            old: FxHashMap::default(),
            young_bytes: 0,
            old_bytes: 0,
            limit: max_bytes / 2,
            hits: 0,
            misses: 0,
        }
    }

    /// Looks a value up: it is being used.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        if !self.young.contains_key(key)
            && let Some(held) = self.old.remove(key)
        {
            self.old_bytes -= held.bytes;
            self.hold(*key, held);
        }
        let found = self.young.get(key);
        *(if found.is_some() { &mut self.hits } else { &mut self.misses }) += 1;
        found.map(|held| &held.value)
    }

    /// Tells whether a value is there, which is not a use of it.
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.young.contains_key(key) || self.old.contains_key(key)
    }

    /// Changes a value in place, if it is there, which is not a use of it. `change` returns how many
    /// bytes it takes now.
    pub(crate) fn change(&mut self, key: &K, change: impl FnOnce(&mut V) -> usize) {
        for (generation, total) in
            [(&mut self.young, &mut self.young_bytes), (&mut self.old, &mut self.old_bytes)]
        {
            if let Some(held) = generation.get_mut(key) {
                let bytes = change(&mut held.value) + OVERHEAD;
                *total = *total - held.bytes + bytes;
                held.bytes = bytes;
                return;
            }
        }
    }

    /// Adds a value that takes so many bytes; one that is too large is not kept.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        if let Some(held) = self.young.remove(&key) {
            self.young_bytes -= held.bytes;
        }
        if let Some(held) = self.old.remove(&key) {
            self.old_bytes -= held.bytes;
        }
        let bytes = bytes + OVERHEAD;
        if bytes <= self.limit {
            self.hold(key, Held { value, bytes });
        }
    }

    fn hold(&mut self, key: K, held: Held<V>) {
        if self.young_bytes + held.bytes > self.limit {
            self.old = std::mem::take(&mut self.young);
            self.old_bytes = std::mem::take(&mut self.young_bytes);
        }
        self.young_bytes += held.bytes;
        self.young.insert(key, held);
    }

    /// Forgets all values.
    pub(crate) fn clear(&mut self) {
        self.young = FxHashMap::default();
        self.old = FxHashMap::default();
        (self.young_bytes, self.old_bytes) = (0, 0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    pub(crate) fn stats(&self, name: &'static str) -> CacheStats {
        CacheStats {
            name,
            hits: self.hits,
            misses: self.misses,
            entries: self.young.len() + self.old.len(),
            bytes: self.young_bytes + self.old_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_bound_holds() {
        let mut cache = Generations::new(20 * (OVERHEAD + 8));
        for key in 0..1000 {
            cache.insert(key, key, 8);
            assert_eq!(cache.get(&0), Some(&0), "after {key}");
            let stats = cache.stats("numbers");
            assert!(stats.entries <= 20 && stats.bytes == stats.entries * (OVERHEAD + 8));
        }
        assert!(cache.get(&1).is_none());
        assert!(cache.get(&999).is_some());
        let stats = cache.stats("numbers");
        assert_eq!((stats.hits, stats.misses), (1001, 1));
        cache.clear();
        assert!(cache.is_empty());
    }

    #[test]
    fn values_change_in_place_and_with_them_what_they_take() {
        let mut cache = Generations::new(1000);
        cache.insert('a', 1, 100);
        cache.change(&'a', |value| {
            *value += 1;
            300
        });
        cache.change(&'b', |_| unreachable!("there is no b"));
        assert_eq!(cache.get(&'a'), Some(&2));
        assert_eq!(cache.stats("").bytes, 300 + OVERHEAD);
        cache.insert('a', 3, 100);
        assert_eq!(cache.stats("").bytes, 100 + OVERHEAD);
        cache.insert('c', 4, 500);
        assert_eq!(cache.get(&'a'), Some(&3));
        assert_eq!(cache.stats("").entries, 1, "c is too large");
        cache.insert('a', 3, 500);
        assert!(cache.is_empty(), "and so is a now");
        assert_eq!(cache.stats("").bytes, 0);
    }
}
