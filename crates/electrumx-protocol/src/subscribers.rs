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

    fn keys(&self) -> impl ExactSizeIterator<Item = &Self::Key>;
    fn get(&self, key: &Self::Key) -> Option<&Members>;
    fn get_mut(&mut self, key: &Self::Key) -> Option<&mut Members>;
    /// Returns the members of a key, which are none at first.
    fn members(&mut self, key: Self::Key) -> &mut Members;
    fn remove(&mut self, key: &Self::Key);
}

macro_rules! table {
    ($map:ident, $($of_key:ident)+) => {
        impl<K: Copy $(+ $of_key)+> Table for $map<K, Members> {
            type Key = K;

            fn keys(&self) -> impl ExactSizeIterator<Item = &K> {
                self.keys()
            }

            fn get(&self, key: &K) -> Option<&Members> {
                self.get(key)
            }

            fn get_mut(&mut self, key: &K) -> Option<&mut Members> {
                self.get_mut(key)
            }

            fn members(&mut self, key: K) -> &mut Members {
                self.entry(key).or_insert_with(|| Vec::with_capacity(1))
            }

            fn remove(&mut self, key: &K) {
                self.remove(key);
            }
        }
    };
}

table!(FxHashMap, Eq Hash);
table!(BTreeMap, Ord);

impl<T: Table> Subscribers<T> {
    /// Subscribes a session, which has not subscribed to this yet.
    pub(crate) fn add(&self, key: T::Key, member: &Arc<Member>) {
        self.0.lock().members(key).push(Arc::clone(member));
    }

    /// Removes the subscription of the session of this number, if there is one.
    pub(crate) fn remove(&self, key: T::Key, id: u64) {
        let mut table = self.0.lock();
        let Some(members) = table.get_mut(&key) else { return };
        members.retain(|member| member.id != id);
        if members.is_empty() {
            table.remove(&key);
        }
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
