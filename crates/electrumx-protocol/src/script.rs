//! Histories, unspent outputs, balances and statuses of scripts, over chain and mempool.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{OutPoint, Txid};
use electrumx_core::history::{self, ConfirmedTx, StatusHash, StatusHasher};
use electrumx_core::mempool::{Mempool, UnconfirmedTx};
use electrumx_core::{
    ChainView, HashX, Height, OutputNum, OutputState, ScriptOutput, StoreError, TxNum,
};
use rustc_hash::FxHashSet;

use crate::error::RpcError;
use crate::height_range::HeightRange;
use crate::reader::{Effort, Reader, Snapshot};
use crate::script_cache::{ConfirmedHistory, ConfirmedStatus, Unspent};

/// A script's history.
#[derive(Debug)]
pub(crate) struct History {
    txs: Arc<Vec<ConfirmedTx>>,
    /// Those of `txs` that were asked for.
    part: Range<usize>,
    unconfirmed: Vec<UnconfirmedTx>,
}

/// An element of a history.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    Confirmed(ConfirmedTx),
    Unconfirmed(UnconfirmedTx),
}

impl History {
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> {
        let confirmed = self.txs.get(self.part.clone()).unwrap_or_default();
        let unconfirmed = self.unconfirmed.iter().copied().map(Entry::Unconfirmed);
        confirmed.iter().copied().map(Entry::Confirmed).chain(unconfirmed)
    }
}

/// An unspent output of a script.
#[derive(Debug)]
pub(crate) struct Utxo {
    pub(crate) outpoint: OutPoint,
    pub(crate) value: u64,
    /// 0 when unconfirmed.
    pub(crate) height: Height,
}

/// A script's balance in satoshis.
#[derive(Debug)]
pub(crate) struct Balance {
    pub(crate) confirmed: u64,
    pub(crate) unconfirmed: i64,
}

/// What the mempool knows of a script.
#[derive(Default, Debug)]
pub(crate) struct ScriptMempool {
    /// In canonical order.
    pub(crate) txs: Vec<UnconfirmedTx>,
    pub(crate) utxos: Vec<(OutPoint, u64)>,
    spent: FxHashSet<OutPoint>,
    change: i128,
}

impl ScriptMempool {
    /// Collects it, leaving out what `view` has confirmed already.
    pub(crate) fn collect(
        mempool: &Mempool,
        view: &dyn ChainView,
        hashx: &HashX,
    ) -> Result<Self, StoreError> {
        let txs = unconfirmed_txs(mempool, view, hashx)?;
        let mut collected = Self { txs, ..Self::default() };
        for entry in &collected.txs {
            let Some(tx) = mempool.tx(&entry.txid) else { continue };
            for output in tx.outputs.iter().filter(|output| output.hashx == *hashx) {
                let outpoint = OutPoint { txid: entry.txid, vout: output.vout };
                collected.change += i128::from(output.value);
                if mempool.spender(&outpoint).is_none() {
                    collected.utxos.push((outpoint, output.value));
                }
            }
            for input in tx.inputs.iter().filter(|input| input.hashx == *hashx) {
                collected.change -= i128::from(input.value);
                collected.spent.insert(input.prevout);
            }
        }
        Ok(collected)
    }

    /// Returns the outputs of the chain that the mempool spends.
    pub(crate) fn spent_numbers(
        &self,
        view: &dyn ChainView,
    ) -> Result<FxHashSet<OutputNum>, StoreError> {
        let mut spent = FxHashSet::default();
        for outpoint in &self.spent {
            if let Some(tx_num) = view.tx_num(&outpoint.txid)? {
                spent.insert(OutputNum { tx_num, vout: outpoint.vout });
            }
        }
        Ok(spent)
    }
}

/// Returns a script's unconfirmed transactions in canonical order, leaving out what `view` has confirmed already.
///
/// While a block is indexed and the mempool not yet listed anew the two have different tips.
/// The view is then the newer one: its transactions are not unconfirmed any more, nor are their
/// children's inputs.
pub(crate) fn unconfirmed_txs(
    mempool: &Mempool,
    view: &dyn ChainView,
    hashx: &HashX,
) -> Result<Vec<UnconfirmedTx>, StoreError> {
    let txs = mempool.script_txs(hashx);
    if mempool.tip() == view.tip() { Ok(txs) } else { catch_up(mempool, view, txs) }
}

/// Removes confirmed transactions and updates the heights of their children.
fn catch_up(
    mempool: &Mempool,
    view: &dyn ChainView,
    txs: Vec<UnconfirmedTx>,
) -> Result<Vec<UnconfirmedTx>, StoreError> {
    let unconfirmed = |txid: &Txid| -> Result<bool, StoreError> {
        Ok(mempool.tx(txid).is_some() && view.tx_num(txid)?.is_none())
    };
    let mut kept = Vec::with_capacity(txs.len());
    for mut entry in txs {
        let Some(tx) = mempool.tx(&entry.txid) else { continue };
        if !unconfirmed(&entry.txid)? {
            continue;
        }
        entry.height = 0;
        for input in &tx.inputs {
            if unconfirmed(&input.prevout.txid)? {
                entry.height = -1;
                break;
            }
        }
        kept.push(entry);
    }
    kept.sort_unstable_by_key(|entry| {
        let mut displayed = entry.txid.to_byte_array();
        displayed.reverse();
        (Reverse(entry.height), displayed)
    });
    Ok(kept)
}

/// Transactions of a long history that are resolved at once.
const RESOLVED_AT_ONCE: usize = 2_000;

/// Picks the unspent ones of a script's outputs, given its history's numbers.
fn unspent(outputs: &[ScriptOutput], numbers: &[TxNum]) -> Arc<[Unspent]> {
    let unspent = outputs.iter().filter_map(|row| {
        let OutputState::Unspent(value) = row.state else { return None };
        let tx = numbers.binary_search(&row.output.tx_num).ok()?;
        Some(Unspent { tx: u32::try_from(tx).ok()?, vout: row.output.vout, value })
    });
    unspent.collect()
}

fn check_limit(count: usize, limit: usize) -> Result<(), StoreError> {
    if count > limit { Err(StoreError::TooMany { limit }) } else { Ok(()) }
}

impl Reader {
    /// Takes a [snapshot](Self::snapshot) of the chain and what the mempool knows of a script.
    pub(crate) fn script_snapshot(
        &self,
        effort: Effort,
        hashx: &HashX,
    ) -> Result<Snapshot<ScriptMempool>, RpcError> {
        self.snapshot(effort, |mempool, view| ScriptMempool::collect(mempool, view, hashx))
    }

    /// As [`script_snapshot`](Self::script_snapshot), with no more of the mempool than a history needs.
    pub(crate) fn history_snapshot(
        &self,
        effort: Effort,
        hashx: &HashX,
    ) -> Result<Snapshot<Vec<UnconfirmedTx>>, RpcError> {
        self.snapshot(effort, |mempool, view| unconfirmed_txs(mempool, view, hashx))
    }

    /// Returns a script's history, or a part of it.
    pub(crate) fn history(
        &self,
        effort: Effort,
        hashx: &HashX,
        range: HeightRange,
    ) -> Result<History, RpcError> {
        let snapshot = self.history_snapshot(effort, hashx)?;
        let view = &*snapshot.view;
        let txs = if range.is_whole() {
            self.confirmed(effort, view, hashx, false)?.txs
        } else if let Some(kept) = self.scripts().history(view.tip(), hashx) {
            kept.txs
        } else {
            Arc::new(history::resolve(view, &self.tx_nums(effort, view, hashx, range)?)?)
        };
        let part = range.of_history(&txs);
        // A long one is kept, but writing it down takes its time.
        check_limit(part.len(), self.max_history(effort))?;
        let mut unconfirmed = snapshot.unconfirmed;
        if !range.has_mempool() {
            unconfirmed.clear();
        }
        Ok(History { txs, part, unconfirmed })
    }

    /// Returns the numbers of a script's transactions in some blocks.
    ///
    /// The limit on histories is for these alone: so a history that is longer can be had in parts.
    pub(crate) fn tx_nums(
        &self,
        effort: Effort,
        view: &dyn ChainView,
        hashx: &HashX,
        range: HeightRange,
    ) -> Result<Vec<TxNum>, RpcError> {
        let limit = self.max_history(effort);
        if range.is_whole() {
            return Ok(history::script_tx_nums(view, hashx, limit)?.0);
        }
        // All of the script's outputs have to be looked at, since old ones may be spent in the blocks; to find the
        // ids out is what takes time.
        let looked_at = effort.outputs().unwrap_or(usize::MAX);
        let blocks = range.tx_nums(view);
        match history::script_tx_nums_in(view, hashx, &blocks, looked_at, limit) {
            Err(StoreError::TooMany { .. }) if effort != Effort::Whole => Err(RpcError::Later),
            numbers => Ok(numbers?.0),
        }
    }

    /// Returns a script's confirmed transactions, and on request its unspent outputs.
    fn confirmed(
        &self,
        effort: Effort,
        view: &dyn ChainView,
        hashx: &HashX,
        with_unspent: bool,
    ) -> Result<ConfirmedHistory, StoreError> {
        let kept = self.scripts().history(view.tip(), hashx);
        let history = match kept.filter(|kept| !with_unspent || kept.unspent.is_some()) {
            Some(history) => history,
            None => {
                let history = self.read_confirmed(effort, view, hashx)?;
                self.scripts().put_history(view.tip(), *hashx, history.clone());
                history
            }
        };
        check_limit(history.outputs.max(history.txs.len()), self.max_history(Effort::Whole))?;
        Ok(history)
    }

    /// Reads what [`confirmed`](Self::confirmed) returns.
    fn read_confirmed(
        &self,
        effort: Effort,
        view: &dyn ChainView,
        hashx: &HashX,
    ) -> Result<ConfirmedHistory, StoreError> {
        let limit = self.max_history(effort);
        let outputs = view.script_outputs(hashx, limit)?;
        let numbers = history::history_tx_nums(&outputs);
        check_limit(numbers.len(), limit)?;
        let txs = Arc::new(history::resolve(view, &numbers)?);
        let unspent = Some(unspent(&outputs, &numbers));
        Ok(ConfirmedHistory { txs, outputs: outputs.len(), unspent })
    }

    /// Returns the hash state after a script's confirmed transactions.
    pub(crate) fn confirmed_status(
        &self,
        effort: Effort,
        view: &dyn ChainView,
        hashx: &HashX,
    ) -> Result<StatusHasher, StoreError> {
        let tip = view.tip();
        let (status, history) = self.scripts().status(tip, hashx);
        if let Some(status) = status {
            let limit = self.max_history(Effort::Whole);
            check_limit(status.outputs.max(status.hasher.len()), limit)?;
            return Ok(status.hasher);
        }
        let mut hasher = StatusHasher::default();
        let mut add = |txs: &[ConfirmedTx]| {
            txs.iter().for_each(|tx| hasher.push(&tx.txid, i64::from(tx.height)));
        };
        let limit = self.max_history(effort);
        let (outputs, read) = if let Some(history) = history {
            check_limit(history.outputs, self.max_history(Effort::Whole))?;
            check_limit(history.txs.len(), limit)?;
            add(&history.txs);
            (history.outputs, None)
        } else if effort == Effort::Whole {
            // It may be too long to be held.
            let (numbers, outputs) = history::script_tx_nums(view, hashx, limit)?;
            for numbers in numbers.chunks(RESOLVED_AT_ONCE) {
                add(&history::resolve(view, numbers)?);
            }
            (outputs, None)
        } else {
            let history = self.read_confirmed(effort, view, hashx)?;
            add(&history.txs);
            (history.outputs, Some(history))
        };
        let status = ConfirmedStatus { hasher: hasher.clone(), outputs };
        self.scripts().put_status(tip, *hashx, status, read);
        Ok(hasher)
    }

    /// Returns a script's status, given what the mempool knows of it.
    pub(crate) fn status(
        &self,
        effort: Effort,
        view: &dyn ChainView,
        hashx: &HashX,
        unconfirmed: &[UnconfirmedTx],
    ) -> Result<Option<StatusHash>, StoreError> {
        let mut hasher = self.confirmed_status(effort, view, hashx)?;
        for tx in unconfirmed {
            hasher.push(&tx.txid, i64::from(tx.height));
        }
        Ok(hasher.finish())
    }

    /// Returns a script's unspent outputs: confirmed ones in chain order, then unconfirmed ones.
    pub(crate) fn utxos(&self, effort: Effort, hashx: &HashX) -> Result<Vec<Utxo>, RpcError> {
        let snapshot = self.script_snapshot(effort, hashx)?;
        let (view, mempool) = (&*snapshot.view, snapshot.unconfirmed);
        // A history that is too long has perhaps few enough outputs: the list is read in another way then.
        let confirmed = self.confirmed(effort, view, hashx, true).map_err(|error| match error {
            StoreError::TooMany { .. } => RpcError::Later,
            error => error.into(),
        });
        let ConfirmedHistory { txs, unspent, .. } = confirmed?;
        let unspent = unspent.unwrap_or_default();
        let mut utxos = Vec::with_capacity(unspent.len() + mempool.utxos.len());
        for &Unspent { tx, vout, value } in &*unspent {
            let Some(&ConfirmedTx { txid, height }) = txs.get(tx as usize) else { continue };
            let outpoint = OutPoint { txid, vout };
            if !mempool.spent.contains(&outpoint) {
                utxos.push(Utxo { outpoint, value, height });
            }
        }
        let unconfirmed = mempool.utxos.into_iter();
        utxos.extend(unconfirmed.map(|(outpoint, value)| Utxo { outpoint, value, height: 0 }));
        Ok(utxos)
    }

    /// Returns the height of an unspent output of a script, 0 in the mempool; `None` for one that is spent or is none.
    pub(crate) fn unspent(
        &self,
        effort: Effort,
        hashx: &HashX,
        outpoint: &OutPoint,
    ) -> Result<Option<Height>, RpcError> {
        let snapshot = self.snapshot(effort, |mempool, _| {
            let is_there = mempool.tx(&outpoint.txid).is_some();
            Ok(mempool.spender(outpoint).is_none().then_some(is_there))
        })?;
        let view = &*snapshot.view;
        // What the mempool spends is spent.
        let Some(is_in_mempool) = snapshot.unconfirmed else { return Ok(None) };
        let Some(tx_num) = view.tx_num(&outpoint.txid)? else {
            return Ok(is_in_mempool.then_some(0));
        };
        let output = OutputNum { tx_num, vout: outpoint.vout };
        Ok(match view.output_state(hashx, output)? {
            Some(OutputState::Unspent(_)) => view.height_of(tx_num),
            _ => None,
        })
    }

    /// Returns a script's balance.
    pub(crate) fn balance(&self, effort: Effort, hashx: &HashX) -> Result<Balance, RpcError> {
        let snapshot = self.script_snapshot(effort, hashx)?;
        let mut confirmed = 0;
        snapshot.view.each_script_output(hashx, self.max_history(effort), &mut |row| {
            if let OutputState::Unspent(value) = row.state {
                confirmed += value;
            }
        })?;
        let change = snapshot.unconfirmed.change;
        Ok(Balance {
            confirmed,
            // Money is below 2^53 satoshis; saturate rather than trust that.
            unconfirmed: i64::try_from(change).unwrap_or(if change < 0 {
                i64::MIN
            } else {
                i64::MAX
            }),
        })
    }
}
