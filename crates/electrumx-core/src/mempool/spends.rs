//! Which transaction spends an output.

use std::hash::BuildHasher as _;

use bitcoin::OutPoint;
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

use super::slots::{Slot, Slots};

/// Inputs by what they spend. The outpoint itself is read from the transaction.
#[derive(Default, Debug)]
pub(super) struct Spends(HashTable<Place>);

/// An input.
#[derive(Clone, Copy, Debug)]
struct Place {
    slot: Slot,
    input: u32,
}

impl Spends {
    /// Returns the transaction that spends an output.
    pub(super) fn spender(&self, txs: &Slots, prevout: &OutPoint) -> Option<Slot> {
        let is_it = |place: &Place| place.prevout(txs) == Some(prevout);
        self.0.find(hash(prevout), is_it).map(|place| place.slot)
    }

    /// Adds the inputs of a transaction that is in its slot. What spent the same before must have left.
    pub(super) fn insert(&mut self, txs: &Slots, slot: Slot) {
        let Some(held) = txs.get(slot) else { return };
        let hasher = |place: &Place| place.prevout(txs).map_or(0, hash);
        for (number, input) in (0..).zip(&held.tx.inputs) {
            self.0.insert_unique(hash(&input.prevout), Place { slot, input: number }, hasher);
        }
    }

    /// Removes the inputs of a transaction that is still in its slot.
    pub(super) fn remove(&mut self, txs: &Slots, slot: Slot) {
        for input in txs.get(slot).into_iter().flat_map(|held| &held.tx.inputs) {
            let is_it =
                |place: &Place| place.slot == slot && place.prevout(txs) == Some(&input.prevout);
            if let Ok(entry) = self.0.find_entry(hash(&input.prevout), is_it) {
                entry.remove();
            }
        }
    }
}

impl Place {
    fn prevout(self, txs: &Slots) -> Option<&OutPoint> {
        Some(&txs.get(self.slot)?.tx.inputs.get(self.input as usize)?.prevout)
    }
}

fn hash(prevout: &OutPoint) -> u64 {
    FxBuildHasher.hash_one(prevout)
}
