//! Which transactions touch a script.

use rustc_hash::FxHashMap;

use super::slots::Slot;
use crate::hash::HashX;

/// Transactions by script.
#[derive(Default, Debug)]
pub(super) struct ByScript(FxHashMap<HashX, Txs>);

/// Transactions of a script, in no order: mostly one, which takes no allocation.
#[derive(Debug)]
enum Txs {
    One(Slot),
    Several(Box<Several>),
}

/// Boxed, or every entry would be as large as the rarest.
#[derive(Debug)]
struct Several(Vec<Slot>);

impl ByScript {
    pub(super) fn of(&self, hashx: &HashX) -> &[Slot] {
        match self.0.get(hashx) {
            None => &[],
            Some(Txs::One(slot)) => std::slice::from_ref(slot),
            Some(Txs::Several(several)) => &several.0,
        }
    }

    /// Adds a transaction that the script does not have yet.
    pub(super) fn insert(&mut self, hashx: HashX, slot: Slot) {
        self.0
            .entry(hashx)
            .and_modify(|txs| match txs {
                Txs::One(first) => *txs = Txs::Several(Box::new(Several(vec![*first, slot]))),
                Txs::Several(several) => several.0.push(slot),
            })
            .or_insert(Txs::One(slot));
    }

    pub(super) fn remove(&mut self, hashx: &HashX, slot: Slot) {
        let Some(txs) = self.0.get_mut(hashx) else { return };
        let is_empty = match txs {
            Txs::One(only) => *only == slot,
            Txs::Several(several) => {
                if let Some(at) = several.0.iter().position(|other| *other == slot) {
                    several.0.swap_remove(at);
                }
                several.0.is_empty()
            }
        };
        if is_empty {
            self.0.remove(hashx);
        }
    }
}
