//! The transactions themselves, each in a numbered slot: indexes name them by four bytes instead of 32.

use std::hash::BuildHasher as _;
use std::iter;

use bitcoin::Txid;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::tx::MempoolTx;

/// The number of a slot. It is used again when its transaction has left.
pub(super) type Slot = u32;

/// The largest number: a bit is left to others.
const LAST: Slot = Slot::MAX >> 1;

/// A transaction in its slot.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) txid: Txid,
    pub(super) tx: MempoolTx,
    /// Whether one of its inputs is itself unconfirmed.
    pub(super) is_child: bool,
    /// The transactions that came before and after it.
    older: Option<Slot>,
    newer: Option<Slot>,
}

/// Transactions by slot and by id, and in the order they came.
#[derive(Default, Debug)]
pub(super) struct Slots {
    slots: Vec<Option<Held>>,
    vacant: Vec<Slot>,
    ids: HashTable<Slot>,
    newest: Option<Slot>,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns one more than the largest slot ever used.
    pub(super) fn end(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Held> {
        self.slots.get(slot as usize)?.as_ref()
    }

    pub(super) fn find(&self, txid: &Txid) -> Option<Slot> {
        self.ids.find(hash(txid), |slot| self.is(*slot, txid)).copied()
    }

    pub(super) fn contains(&self, txid: &Txid) -> bool {
        self.find(txid).is_some()
    }

    pub(super) fn by_id(&self, txid: &Txid) -> Option<&Held> {
        self.get(self.find(txid)?)
    }

    /// Adds a transaction that is not held.
    pub(super) fn insert(&mut self, txid: Txid, tx: MempoolTx) -> Slot {
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(None);
            let slot = Slot::try_from(self.slots.len() - 1).ok().filter(|slot| *slot <= LAST);
            slot.expect("2^31 transactions fit into no memory")
        });
        if let Some(newest) = self.newest {
            self.edit(newest, |held| held.newer = Some(slot));
        }
        self.slots[slot as usize] =
            Some(Held { txid, tx, is_child: false, older: self.newest, newer: None });
        self.newest = Some(slot);
        let slots = &self.slots;
        let hasher =
            |slot: &Slot| slots[*slot as usize].as_ref().map_or(0, |held| hash(&held.txid));
        self.ids.insert_unique(hash(&txid), slot, hasher);
        slot
    }

    /// Finds out whether one of a transaction's inputs is itself unconfirmed.
    pub(super) fn look_for_parents(&mut self, slot: Slot) {
        let Some(held) = self.get(slot) else { return };
        let is_child = held.tx.inputs.iter().any(|input| self.contains(&input.prevout.txid));
        self.edit(slot, |held| held.is_child = is_child);
    }

    /// Removes a transaction and makes its slot free.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Held> {
        let held = self.slots.get_mut(slot as usize)?.take()?;
        if let Ok(entry) = self.ids.find_entry(hash(&held.txid), |other| *other == slot) {
            entry.remove();
        }
        self.vacant.push(slot);
        match held.newer {
            Some(newer) => self.edit(newer, |other| other.older = held.older),
            None => self.newest = held.older,
        }
        if let Some(older) = held.older {
            self.edit(older, |other| other.newer = held.newer);
        }
        Some(held)
    }

    /// Returns all, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Held)> {
        (0..).zip(&self.slots).filter_map(|(slot, held)| Some((slot, held.as_ref()?)))
    }

    /// Returns all, those that came last first.
    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Held> {
        let newest = self.newest.and_then(|slot| self.get(slot));
        iter::successors(newest, |held| self.get(held.older?))
    }

    fn is(&self, slot: Slot, txid: &Txid) -> bool {
        self.get(slot).is_some_and(|held| held.txid == *txid)
    }

    fn edit(&mut self, slot: Slot, edit: impl FnOnce(&mut Held)) {
        if let Some(held) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) {
            edit(held);
        }
    }
}

fn hash(txid: &Txid) -> u64 {
    FxBuildHasher.hash_one(txid)
}
