//! The transactions held and their indexes.

use std::collections::VecDeque;

use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::changes::{Touched, TouchedScripts};
use crate::hash::HashX;
use crate::position::BlockId;

/// An input whose origin is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MempoolInput {
    /// The output it spends.
    pub prevout: OutPoint,
    /// The script of that output.
    pub hashx: HashX,
    /// Its value in satoshis.
    pub value: u64,
}

/// An indexed output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MempoolOutput {
    /// Index in its transaction.
    pub vout: u32,
    /// The script it pays to.
    pub hashx: HashX,
    /// Its value in satoshis.
    pub value: u64,
}

/// An unconfirmed transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MempoolTx {
    /// What it spends.
    pub inputs: Box<[MempoolInput]>,
    /// What it pays to, ascending by `vout`; `OP_RETURN` outputs are left out.
    pub outputs: Box<[MempoolOutput]>,
    /// Fee in satoshis.
    pub fee: u64,
    /// Virtual size in vbytes (BIP 141).
    pub vsize: u32,
}

impl MempoolTx {
    fn scripts(&self) -> impl Iterator<Item = HashX> {
        let inputs = self.inputs.iter().map(|input| input.hashx);
        inputs.chain(self.outputs.iter().map(|output| output.hashx))
    }
}

/// An unconfirmed transaction of a script's history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnconfirmedTx {
    /// Id.
    pub txid: Txid,
    /// 0; or −1 when one of its inputs is itself unconfirmed.
    pub height: i8,
    /// Fee in satoshis.
    pub fee: u64,
}

/// The node's mempool, indexed by script and by outpoint.
#[derive(Default, Debug)]
pub struct Mempool {
    tip: Option<BlockId>,
    txs: FxHashMap<Txid, MempoolTx>,
    spends: FxHashMap<OutPoint, Txid>,
    scripts: FxHashMap<HashX, Vec<Txid>>,
    /// Transactions in the order they came. Some may have left; one that came back is in it twice.
    arrivals: VecDeque<Txid>,
}

/// Arrivals are cleared of what left when they are this many more than twice what is held.
const ARRIVALS_SLACK: usize = 1024;

impl Mempool {
    /// Returns the block on top of which the transactions were listed; `None` before the first round.
    #[must_use]
    pub fn tip(&self) -> Option<BlockId> {
        self.tip
    }

    /// Returns how many transactions are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.txs.len()
    }

    /// Tells whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.txs.is_empty()
    }

    /// Returns a transaction.
    #[must_use]
    pub fn tx(&self, txid: &Txid) -> Option<&MempoolTx> {
        self.txs.get(txid)
    }

    /// Returns all transactions, in no order.
    pub fn txs(&self) -> impl ExactSizeIterator<Item = (&Txid, &MempoolTx)> {
        self.txs.iter()
    }

    /// Returns the unconfirmed transaction that spends an output.
    #[must_use]
    pub fn spender(&self, prevout: &OutPoint) -> Option<Txid> {
        self.spends.get(prevout).copied()
    }

    /// Returns a transaction's height as in histories: 0, or −1 when one of its inputs is itself
    /// unconfirmed; `None` when it is not held.
    #[must_use]
    pub fn height_of(&self, txid: &Txid) -> Option<i8> {
        self.txs.get(txid).map(|tx| self.height(tx))
    }

    /// Returns the transactions that came last, newest first, at most `count`.
    #[must_use]
    pub fn recent(&self, count: usize) -> Vec<(Txid, &MempoolTx)> {
        let mut recent: Vec<(Txid, &MempoolTx)> = Vec::with_capacity(count);
        for txid in self.arrivals.iter().rev() {
            if recent.len() == count {
                break;
            }
            if let Some(tx) = self.txs.get(txid)
                && recent.iter().all(|(other, _)| other != txid)
            {
                recent.push((*txid, tx));
            }
        }
        recent
    }

    /// Returns a script's unconfirmed transactions in canonical order: height 0 before −1, then by
    /// txid as displayed. Statuses are computed in this order.
    #[must_use]
    pub fn script_txs(&self, hashx: &HashX) -> Vec<UnconfirmedTx> {
        let Some(txids) = self.scripts.get(hashx) else { return Vec::new() };
        let mut txs: Vec<_> = txids
            .iter()
            .filter_map(|txid| {
                let tx = self.txs.get(txid)?;
                Some(UnconfirmedTx { txid: *txid, height: self.height(tx), fee: tx.fee })
            })
            .collect();
        txs.sort_unstable_by_key(|tx| {
            let mut displayed = tx.txid.to_byte_array();
            displayed.reverse();
            (-tx.height, displayed)
        });
        txs
    }

    /// Returns a script's unconfirmed outputs that no unconfirmed transaction spends: txid, vout and
    /// value in satoshis, in canonical order of transactions.
    #[must_use]
    pub fn script_utxos(&self, hashx: &HashX) -> Vec<(OutPoint, u64)> {
        let mut utxos = Vec::new();
        for entry in self.script_txs(hashx) {
            let Some(tx) = self.txs.get(&entry.txid) else { continue };
            for output in tx.outputs.iter().filter(|output| output.hashx == *hashx) {
                let outpoint = OutPoint { txid: entry.txid, vout: output.vout };
                if !self.spends.contains_key(&outpoint) {
                    utxos.push((outpoint, output.value));
                }
            }
        }
        utxos
    }

    /// Returns by how many satoshis the unconfirmed transactions change a script's balance.
    #[must_use]
    pub fn balance_change(&self, hashx: &HashX) -> i64 {
        let Some(txids) = self.scripts.get(hashx) else { return 0 };
        let mut change: i128 = 0;
        for tx in txids.iter().filter_map(|txid| self.txs.get(txid)) {
            let received = tx.outputs.iter().filter(|output| output.hashx == *hashx);
            let sent = tx.inputs.iter().filter(|input| input.hashx == *hashx);
            change += received.map(|output| i128::from(output.value)).sum::<i128>();
            change -= sent.map(|input| i128::from(input.value)).sum::<i128>();
        }
        i64::try_from(change).unwrap_or(if change < 0 { i64::MIN } else { i64::MAX })
    }

    fn height(&self, tx: &MempoolTx) -> i8 {
        let unconfirmed = |input: &MempoolInput| self.txs.contains_key(&input.prevout.txid);
        if tx.inputs.iter().any(unconfirmed) { -1 } else { 0 }
    }

    /// Returns which of the listed transactions are not held and must be fetched.
    #[must_use]
    pub fn missing(&self, listed: &[Txid]) -> Vec<Txid> {
        listed.iter().filter(|txid| !self.txs.contains_key(*txid)).copied().collect()
    }

    /// Takes over the node's mempool as listed on top of `tip`: drops what is not listed, adds `added`.
    ///
    /// Returns what changed: scripts whose unconfirmed history did, transactions that came, left or
    /// changed their height, and what those spend.
    pub fn apply(
        &mut self,
        tip: BlockId,
        listed: &[Txid],
        added: Vec<(Txid, MempoolTx)>,
    ) -> Touched {
        let mut touched = Touched::default();
        self.tip = Some(tip);
        let listed: FxHashSet<&Txid> = listed.iter().collect();
        let gone: Vec<Txid> =
            self.txs.keys().filter(|txid| !listed.contains(txid)).copied().collect();
        for txid in gone {
            self.remove(&txid, &mut touched);
        }
        self.insert_all(added, &mut touched);
        touched
    }

    /// Adds transactions the node has just accepted, such as a client's broadcast, without a listing.
    /// What they replace leaves.
    pub fn insert(&mut self, added: Vec<(Txid, MempoolTx)>) -> Touched {
        let mut touched = Touched::default();
        self.insert_all(added, &mut touched);
        touched
    }

    fn insert_all(&mut self, added: Vec<(Txid, MempoolTx)>, touched: &mut Touched) {
        let added: Vec<_> =
            added.into_iter().filter(|(txid, _)| !self.txs.contains_key(txid)).collect();
        for (_, tx) in &added {
            for input in &tx.inputs {
                if let Some(replaced) = self.spender(&input.prevout) {
                    self.remove_with_descendants(replaced, touched);
                }
            }
        }
        let txids: Vec<Txid> = added.iter().map(|(txid, _)| *txid).collect();
        for (txid, tx) in added {
            touch(&txid, &tx, touched);
            for input in &tx.inputs {
                self.spends.insert(input.prevout, txid);
            }
            for hashx in tx.scripts().collect::<TouchedScripts>() {
                self.scripts.entry(hashx).or_default().push(txid);
            }
            self.txs.insert(txid, tx);
            self.arrivals.push_back(txid);
        }
        for txid in txids {
            self.touch_children(&txid, touched);
        }
        if self.arrivals.len() > 2 * self.txs.len() + ARRIVALS_SLACK {
            let mut seen = FxHashSet::default();
            let newest_first = self.arrivals.iter().rev().copied();
            let kept =
                newest_first.filter(|txid| self.txs.contains_key(txid) && seen.insert(*txid));
            self.arrivals = kept.collect();
            self.arrivals.make_contiguous().reverse();
        }
    }

    fn remove(&mut self, txid: &Txid, touched: &mut Touched) {
        self.touch_children(txid, touched);
        let Some(tx) = self.txs.remove(txid) else { return };
        touch(txid, &tx, touched);
        for input in &tx.inputs {
            if self.spends.get(&input.prevout) == Some(txid) {
                self.spends.remove(&input.prevout);
            }
        }
        for hashx in tx.scripts().collect::<TouchedScripts>() {
            if let Some(txids) = self.scripts.get_mut(&hashx) {
                txids.retain(|other| other != txid);
                if txids.is_empty() {
                    self.scripts.remove(&hashx);
                }
            }
        }
    }

    fn remove_with_descendants(&mut self, txid: Txid, touched: &mut Touched) {
        let mut pending = vec![txid];
        while let Some(txid) = pending.pop() {
            pending.extend(self.children(&txid));
            self.remove(&txid, touched);
        }
    }

    /// A transaction that comes or goes changes the height of those that spend it.
    fn touch_children(&self, txid: &Txid, touched: &mut Touched) {
        for child in self.children(txid) {
            if let Some(tx) = self.txs.get(&child) {
                touch(&child, tx, touched);
            }
        }
    }

    fn children(&self, txid: &Txid) -> Vec<Txid> {
        let Some(tx) = self.txs.get(txid) else { return Vec::new() };
        let outpoints = tx.outputs.iter().map(|output| OutPoint { txid: *txid, vout: output.vout });
        outpoints.filter_map(|outpoint| self.spender(&outpoint)).collect()
    }
}

fn touch(txid: &Txid, tx: &MempoolTx, touched: &mut Touched) {
    touched.txs.insert(*txid);
    touched.scripts.extend(tx.scripts());
    touched.spent.extend(tx.inputs.iter().map(|input| input.prevout));
}
