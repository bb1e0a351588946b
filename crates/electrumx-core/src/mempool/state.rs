//! The transactions held and their indexes.

use std::collections::BTreeMap;

use bitcoin::hashes::Hash as _;
use bitcoin::{OutPoint, Txid};

use super::by_script::ByScript;
use super::slots::{Held, Slot, Slots};
use super::spends::Spends;
use super::tx::{MempoolTx, UnconfirmedTx};
use crate::changes::Touched;
use crate::hash::HashX;
use crate::position::BlockId;

/// The node's mempool, indexed by script and by outpoint.
#[derive(Default, Debug)]
pub struct Mempool {
    tip: Option<BlockId>,
    txs: Slots,
    spends: Spends,
    scripts: ByScript,
    /// Virtual size by fee rate, in vbytes by tenths of a satoshi per vbyte.
    rates: BTreeMap<u64, u64>,
    /// Sum of all fees in satoshis.
    fees: u64,
}

/// How a listing of the node's mempool differs from what is held.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Difference {
    /// Transactions listed and not held, in the listing's order: they must be fetched.
    pub missing: Vec<Txid>,
    /// Transactions held and not listed, in no order: they left.
    pub unlisted: Vec<Txid>,
}

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
        self.txs.len() == 0
    }

    /// Returns a transaction.
    #[must_use]
    pub fn tx(&self, txid: &Txid) -> Option<&MempoolTx> {
        self.txs.by_id(txid).map(|held| &held.tx)
    }

    /// Returns all transactions, in no order.
    pub fn txs(&self) -> impl Iterator<Item = (&Txid, &MempoolTx)> {
        self.txs.iter().map(|(_, held)| (&held.txid, &held.tx))
    }

    /// Returns the unconfirmed transaction that spends an output.
    #[must_use]
    pub fn spender(&self, prevout: &OutPoint) -> Option<Txid> {
        let slot = self.spends.spender(&self.txs, prevout)?;
        self.txs.get(slot).map(|held| held.txid)
    }

    /// Returns a transaction's height as in histories: 0, or −1 when one of its inputs is itself
    /// unconfirmed; `None` when it is not held.
    #[must_use]
    pub fn height_of(&self, txid: &Txid) -> Option<i8> {
        self.txs.by_id(txid).map(height)
    }

    /// Returns the transactions that came last, newest first, at most `count`. One that left and came back is as new
    /// as its return.
    #[must_use]
    pub fn recent(&self, count: usize) -> Vec<(Txid, &MempoolTx)> {
        self.txs.newest_first().take(count).map(|held| (held.txid, &held.tx)).collect()
    }

    /// Returns the size of the transactions that pay each fee rate, in vbytes by tenths of a satoshi per vbyte
    /// (rounded down).
    #[must_use]
    pub fn rates(&self) -> &BTreeMap<u64, u64> {
        &self.rates
    }

    /// Returns the sum of all fees in satoshis.
    #[must_use]
    pub fn fees(&self) -> u64 {
        self.fees
    }

    /// Returns a script's unconfirmed transactions in canonical order: height 0 before −1, then by
    /// txid as displayed. Statuses are computed in this order.
    #[must_use]
    pub fn script_txs(&self, hashx: &HashX) -> Vec<UnconfirmedTx> {
        let held = self.scripts.of(hashx).iter().filter_map(|slot| self.txs.get(*slot));
        let mut txs: Vec<_> = held
            .map(|held| UnconfirmedTx { txid: held.txid, height: height(held), fee: held.tx.fee })
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
            let Some(tx) = self.tx(&entry.txid) else { continue };
            for output in tx.outputs.iter().filter(|output| output.hashx == *hashx) {
                let outpoint = OutPoint { txid: entry.txid, vout: output.vout };
                if self.spender(&outpoint).is_none() {
                    utxos.push((outpoint, output.value));
                }
            }
        }
        utxos
    }

    /// Returns by how many satoshis the unconfirmed transactions change a script's balance.
    #[must_use]
    pub fn balance_change(&self, hashx: &HashX) -> i64 {
        let mut change: i128 = 0;
        for held in self.scripts.of(hashx).iter().filter_map(|slot| self.txs.get(*slot)) {
            let received = held.tx.outputs.iter().filter(|output| output.hashx == *hashx);
            let sent = held.tx.inputs.iter().filter(|input| input.hashx == *hashx);
            change += received.map(|output| i128::from(output.value)).sum::<i128>();
            change -= sent.map(|input| i128::from(input.value)).sum::<i128>();
        }
        i64::try_from(change).unwrap_or(if change < 0 { i64::MIN } else { i64::MAX })
    }

    /// Returns which of these transactions are not held.
    #[must_use]
    pub fn missing(&self, txids: &[Txid]) -> Vec<Txid> {
        txids.iter().filter(|txid| !self.txs.contains(txid)).copied().collect()
    }

    /// Compares what is held with a listing of the node's mempool.
    #[must_use]
    pub fn difference(&self, listed: &[Txid]) -> Difference {
        let mut is_listed = vec![false; self.txs.end()];
        let mut missing = Vec::new();
        for txid in listed {
            match self.txs.find(txid) {
                Some(slot) => is_listed[slot as usize] = true,
                None => missing.push(*txid),
            }
        }
        let unlisted = self.txs.iter().filter(|(slot, _)| !is_listed[*slot as usize]);
        Difference { missing, unlisted: unlisted.map(|(_, held)| held.txid).collect() }
    }

    /// Takes over the node's mempool as listed on top of `tip`: `gone` leaves, `added` comes.
    ///
    /// Returns what changed: scripts whose unconfirmed history did, transactions that came, left or
    /// changed their height, and what those spend.
    pub fn apply(&mut self, tip: BlockId, gone: &[Txid], added: Vec<(Txid, MempoolTx)>) -> Touched {
        let mut touched = Touched::default();
        self.tip = Some(tip);
        for txid in gone {
            if let Some(slot) = self.txs.find(txid) {
                self.remove_one(slot, &mut touched);
            }
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

    /// Removes transactions that the node no longer has, and whatever spends them, without a listing.
    pub fn remove(&mut self, gone: &[Txid]) -> Touched {
        let mut touched = Touched::default();
        for txid in gone {
            if let Some(slot) = self.txs.find(txid) {
                self.remove_with_descendants(slot, &mut touched);
            }
        }
        touched
    }

    fn insert_all(&mut self, added: Vec<(Txid, MempoolTx)>, touched: &mut Touched) {
        let added: Vec<_> =
            added.into_iter().filter(|(txid, _)| !self.txs.contains(txid)).collect();
        for (_, tx) in &added {
            for input in &tx.inputs {
                if let Some(replaced) = self.spends.spender(&self.txs, &input.prevout) {
                    self.remove_with_descendants(replaced, touched);
                }
            }
        }
        let mut slots = Vec::with_capacity(added.len());
        for (txid, tx) in added {
            touch(&txid, &tx, touched);
            self.fees = self.fees.saturating_add(tx.fee);
            *self.rates.entry(tx.decirate()).or_default() += tx.counted_vsize();
            let scripts = tx.distinct_scripts();
            let slot = self.txs.insert(txid, tx);
            self.spends.insert(&self.txs, slot);
            for hashx in scripts {
                self.scripts.insert(hashx, slot);
            }
            slots.push(slot);
        }
        for slot in slots {
            self.txs.look_for_parents(slot);
            let children = self.children(slot);
            self.parent_changed(&children, touched);
        }
    }

    fn remove_one(&mut self, slot: Slot, touched: &mut Touched) {
        let children = self.children(slot);
        self.spends.remove(&self.txs, slot);
        let Some(held) = self.txs.remove(slot) else { return };
        self.parent_changed(&children, touched);
        touch(&held.txid, &held.tx, touched);
        for hashx in held.tx.distinct_scripts() {
            self.scripts.remove(&hashx, slot);
        }
        self.fees = self.fees.saturating_sub(held.tx.fee);
        let decirate = held.tx.decirate();
        if let Some(vsize) = self.rates.get_mut(&decirate) {
            *vsize -= held.tx.counted_vsize();
            if *vsize == 0 {
                self.rates.remove(&decirate);
            }
        }
    }

    fn remove_with_descendants(&mut self, slot: Slot, touched: &mut Touched) {
        let mut pending = vec![slot];
        while let Some(slot) = pending.pop() {
            pending.extend(self.children(slot));
            self.remove_one(slot, touched);
        }
    }

    /// A transaction that comes or goes changes the height of those that spend it.
    fn parent_changed(&mut self, children: &[Slot], touched: &mut Touched) {
        for &child in children {
            self.txs.look_for_parents(child);
            if let Some(held) = self.txs.get(child) {
                touch(&held.txid, &held.tx, touched);
            }
        }
    }

    fn children(&self, slot: Slot) -> Vec<Slot> {
        let Some(held) = self.txs.get(slot) else { return Vec::new() };
        let vouts = held.tx.outputs.iter().map(|output| output.vout);
        let outpoints = vouts.map(|vout| OutPoint { txid: held.txid, vout });
        outpoints.filter_map(|outpoint| self.spends.spender(&self.txs, &outpoint)).collect()
    }
}

/// Returns a transaction's height as in histories.
fn height(held: &Held) -> i8 {
    if held.is_child { -1 } else { 0 }
}

fn touch(txid: &Txid, tx: &MempoolTx, touched: &mut Touched) {
    touched.txs.insert(*txid);
    touched.scripts.extend(tx.scripts());
    touched.spent.extend(tx.inputs.iter().map(|input| input.prevout));
}
