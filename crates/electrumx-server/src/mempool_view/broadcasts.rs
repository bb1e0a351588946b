//! Broadcasts of clients under way, and what else is learnt of the mempool meanwhile.
//!
//! When the node's answer to a broadcast comes, the node may already have thrown the transaction out again, and a
//! listing or the feed may have said so. What is newer must not be undone by what is older.

use std::sync::Arc;

use electrumx_core::bitcoin::Txid;
use parking_lot::Mutex;
use rustc_hash::FxHashSet;

/// Broadcasts under way.
#[derive(Clone, Default, Debug)]
pub(super) struct Broadcasts(Arc<Mutex<State>>);

#[derive(Default, Debug)]
struct State {
    under_way: usize,
    /// Transactions that left, by the feed, since the first of them began.
    gone: FxHashSet<Txid>,
    /// How many listings were taken over.
    listings: u64,
    /// Transactions accepted since the last listing began: that listing may lack them.
    accepted: FxHashSet<Txid>,
}

/// A broadcast, from before the node gets it.
#[derive(Debug)]
pub(crate) struct Broadcast {
    all: Broadcasts,
    listings: u64,
}

/// Whether a transaction that the node accepted is still there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing says otherwise.
    There,
    /// It left since.
    Gone,
    /// The mempool was listed meanwhile, with it or without it.
    Unsure,
}

impl Broadcasts {
    pub(super) fn begin(&self) -> Broadcast {
        let mut state = self.0.lock();
        state.under_way += 1;
        Broadcast { all: self.clone(), listings: state.listings }
    }

    /// Notes that a listing begins.
    pub(super) fn listing_begins(&self) {
        self.0.lock().accepted.clear();
    }

    /// Notes that a listing is being taken over. Returns which of the transactions it lacks were accepted since it began.
    pub(super) fn listing_ends(&self, lacks: &mut Vec<Txid>) -> usize {
        let mut state = self.0.lock();
        state.listings += 1;
        let before = lacks.len();
        lacks.retain(|txid| !state.accepted.contains(txid));
        before - lacks.len()
    }

    /// Notes what the feed says has left.
    pub(super) fn left(&self, txids: &[Txid]) {
        let mut state = self.0.lock();
        if state.under_way > 0 {
            state.gone.extend(txids);
        }
    }
}

impl Broadcast {
    /// Judges a transaction of this broadcast, which the node has accepted. To be called while the view is locked.
    pub(super) fn verdict(&self, txid: &Txid) -> Verdict {
        let mut state = self.all.0.lock();
        if state.gone.contains(txid) {
            Verdict::Gone
        } else if state.listings != self.listings {
            Verdict::Unsure
        } else {
            state.accepted.insert(*txid);
            Verdict::There
        }
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        let mut state = self.all.0.lock();
        state.under_way -= 1;
        if state.under_way == 0 {
            state.gone = FxHashSet::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use electrumx_core::bitcoin::hashes::Hash as _;

    use super::*;

    fn txid(id: u8) -> Txid {
        Txid::from_byte_array([id; 32])
    }

    #[test]
    fn what_was_learnt_meanwhile_counts() {
        let all = Broadcasts::default();
        all.left(&[txid(1)]);
        let first = all.begin();
        assert_eq!(first.verdict(&txid(1)), Verdict::There, "it left before");
        all.left(&[txid(2)]);
        assert_eq!(first.verdict(&txid(2)), Verdict::Gone);
        let second = all.begin();
        drop(first);
        assert_eq!(second.verdict(&txid(2)), Verdict::Gone);
        all.listing_begins();
        assert_eq!(second.verdict(&txid(3)), Verdict::There, "the listing may lack it");
        let mut lacks = vec![txid(3), txid(4)];
        assert_eq!((all.listing_ends(&mut lacks), lacks), (1, vec![txid(4)]));
        assert_eq!(second.verdict(&txid(5)), Verdict::Unsure);
        assert_eq!(second.verdict(&txid(2)), Verdict::Gone);
        drop(second);
        assert_eq!(all.begin().verdict(&txid(2)), Verdict::There, "another broadcast of the same");
    }
}
