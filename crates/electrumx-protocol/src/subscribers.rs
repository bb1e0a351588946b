//! Who wants to hear of what.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::hub::Member;

/// Sessions that subscribed to one thing; never empty.
pub(crate) type Members = Vec<Arc<Member>>;

/// The sessions that subscribed, by what they subscribed to.
#[derive(Default, Debug)]
pub(crate) struct Subscribers<T>(Mutex<T>);

/// A map from keys to [`Members`]. Keys that clients choose freely belong into one without hashes, or with a secret.
pub(crate) trait Table {
    type Key: Copy;

    fn get(&self, key: &Self::Key) -> Option<&Members>;
    fn keys(&self) -> impl ExactSizeIterator<Item = &Self::Key>;
    /// Changes the members of a key, which are none at first.
    fn change(&mut self, key: Self::Key, change: impl FnOnce(&mut Members));
}

impl<K: Copy + Eq + Hash> Table for FxHashMap<K, Members> {
    type Key = K;

    fn get(&self, key: &K) -> Option<&Members> {
        self.get(key)
    }

    fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
        self.keys()
    }

    fn change(&mut self, key: K, change: impl FnOnce(&mut Members)) {
        let members = self.entry(key).or_insert_with(|| Vec::with_capacity(1));
        change(members);
        if members.is_empty() {
            self.remove(&key);
        }
    }
}

impl<K: Copy + Ord> Table for BTreeMap<K, Members> {
    type Key = K;

    fn get(&self, key: &K) -> Option<&Members> {
        self.get(key)
    }

    fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
        self.keys()
    }

    fn change(&mut self, key: K, change: impl FnOnce(&mut Members)) {
        let members = self.entry(key).or_insert_with(|| Vec::with_capacity(1));
        change(members);
        if members.is_empty() {
            self.remove(&key);
        }
    }
}

impl<T: Table> Subscribers<T> {
    /// Subscribes a session, once however often it is called.
    pub(crate) fn add(&self, key: T::Key, member: &Arc<Member>) {
        self.0.lock().change(key, |members| {
            if members.iter().all(|other| other.id != member.id) {
                members.push(Arc::clone(member));
            }
        });
    }

    /// Removes the subscription of the session of this number, if there is one.
    pub(crate) fn remove(&self, key: T::Key, id: u64) {
        self.0.lock().change(key, |members| members.retain(|member| member.id != id));
    }

    /// Does something with each session that subscribed to this. Nobody else can subscribe meanwhile.
    pub(crate) fn each(&self, key: &T::Key, act: impl FnMut(&Arc<Member>)) {
        self.0.lock().get(key).into_iter().flatten().for_each(act);
    }

    /// Returns which of these anyone subscribed to.
    pub(crate) fn among(&self, touched: &FxHashSet<T::Key>) -> Vec<T::Key>
    where
        T::Key: Eq + Hash,
    {
        let table = self.0.lock();
        if touched.len() < table.keys().len() {
            touched.iter().filter(|key| table.get(key).is_some()).copied().collect()
        } else {
            table.keys().filter(|key| touched.contains(key)).copied().collect()
        }
    }

    /// Locks the table, to look through it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock()
    }
}
