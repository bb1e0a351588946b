//! Which transactions touch a script.

use rustc_hash::FxHashMap;
use slab::Slab;

use super::slots::Slot;
use crate::hash::HashX;

/// Transactions by script, in no order.
#[derive(Default, Debug)]
pub(super) struct ByScript {
    scripts: FxHashMap<HashX, Txs>,
    lists: Slab<Vec<Slot>>,
}

/// Transactions of a script, in four bytes: mostly one, whose slot it is; or the number of a list of them.
#[derive(Clone, Copy, Debug)]
struct Txs(u32);

/// Set in the number of a list, and in no slot's.
const IS_LIST: u32 = 1 << 31;

impl Txs {
    fn of_list(key: usize) -> Self {
        let key = u32::try_from(key).ok().filter(|key| key & IS_LIST == 0);
        Self(key.expect("2^31 lists fit into no memory") | IS_LIST)
    }

    fn list(self) -> Option<usize> {
        (self.0 & IS_LIST != 0).then_some((self.0 & !IS_LIST) as usize)
    }
}

impl ByScript {
    pub(super) fn of(&self, hashx: &HashX) -> &[Slot] {
        let Some(txs) = self.scripts.get(hashx) else { return &[] };
        txs.list().map_or(std::slice::from_ref(&txs.0), |list| &self.lists[list])
    }

    /// Adds a transaction that the script does not have yet.
    pub(super) fn insert(&mut self, hashx: HashX, slot: Slot) {
        let lists = &mut self.lists;
        self.scripts
            .entry(hashx)
            .and_modify(|txs| match txs.list() {
                None => *txs = Txs::of_list(lists.insert(vec![txs.0, slot])),
                Some(list) => lists[list].push(slot),
            })
            .or_insert(Txs(slot));
    }

    pub(super) fn remove(&mut self, hashx: &HashX, slot: Slot) {
        let Some(txs) = self.scripts.get(hashx) else { return };
        let Some(list) = txs.list() else {
            if txs.0 == slot {
                self.scripts.remove(hashx);
            }
            return;
        };
        let slots = &mut self.lists[list];
        if let Some(at) = slots.iter().position(|other| *other == slot) {
            slots.swap_remove(at);
        }
        if slots.is_empty() {
            self.lists.remove(list);
            self.scripts.remove(hashx);
        }
    }
}
