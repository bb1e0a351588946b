//! From raw transactions to [`MempoolTx`]s: parsing, and finding what they spend.

use bitcoin::{OutPoint, Txid};
use rustc_hash::FxHashMap;

use super::state::Mempool;
use super::tx::{MempoolInput, MempoolOutput, MempoolTx};
use crate::block::ParsedTxs;
use crate::coin::{Coin, ParseError};
use crate::hash::{HashX, HashXKey};
use crate::position::OutputNum;
use crate::store::{ChainView, StoreError};

/// Finds the origins of unconfirmed transactions' inputs: in the index, in the mempool, and among
/// the new transactions themselves, in any order.
#[derive(Debug)]
pub struct Resolver {
    parsed: Vec<(Txid, ParsedTxs)>,
}

/// What a [`Resolver`] found.
#[derive(Debug, Default)]
pub struct Resolved {
    /// Complete transactions, ready for [`Mempool::apply`].
    pub txs: Vec<(Txid, MempoolTx)>,
    /// Transactions with an input that is known neither to the index nor to the mempool, and their
    /// descendants: the node moved on meanwhile. They are tried again in the next round.
    pub unresolved: Vec<Txid>,
}

impl Resolver {
    /// Parses raw transactions.
    ///
    /// # Errors
    /// [`ParseError`] when a transaction is malformed: the node answered wrongly.
    pub fn parse<'a, C: Coin>(
        coin: &C,
        key: HashXKey,
        raws: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, ParseError> {
        let mut parsed = Vec::new();
        for raw in raws {
            let tx = ParsedTxs::of_tx(coin, key, raw)?;
            let txid = tx.iter().next().map(|tx| tx.facts.txid);
            let empty = || ParseError { what: "transaction", reason: "it is empty".into() };
            parsed.push((txid.ok_or_else(empty)?, tx));
        }
        Ok(Self { parsed })
    }

    /// Returns the ids of the parsed transactions, in the order they were given.
    pub fn txids(&self) -> impl ExactSizeIterator<Item = Txid> {
        self.parsed.iter().map(|(txid, _)| *txid)
    }

    /// Finds the origin of every input.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn resolve(self, view: &dyn ChainView, mempool: &Mempool) -> Result<Resolved, StoreError> {
        let mut pool: FxHashMap<Txid, Option<MempoolTx>> = FxHashMap::default();
        let mut fresh: FxHashMap<OutPoint, (HashX, u64)> = FxHashMap::default();
        for (txid, parsed) in &self.parsed {
            for output in parsed.iter().flat_map(|tx| tx.outputs) {
                fresh.insert(
                    OutPoint { txid: *txid, vout: output.vout },
                    (output.hashx, output.value),
                );
            }
        }
        for (txid, parsed) in &self.parsed {
            pool.insert(*txid, resolve_one(parsed, &fresh, view, mempool)?);
        }
        drop_orphans(&mut pool);
        let mut resolved = Resolved::default();
        for (txid, _) in self.parsed {
            match pool.remove(&txid) {
                Some(Some(tx)) => resolved.txs.push((txid, tx)),
                Some(None) => resolved.unresolved.push(txid),
                None => {} // The same transaction was given twice.
            }
        }
        Ok(resolved)
    }
}

/// Removes, until none is left, transactions whose parent among the new ones is unresolved.
fn drop_orphans(pool: &mut FxHashMap<Txid, Option<MempoolTx>>) {
    loop {
        let orphan = |tx: &MempoolTx| {
            tx.inputs.iter().any(|input| matches!(pool.get(&input.prevout.txid), Some(None)))
        };
        let orphans: Vec<Txid> = pool
            .iter()
            .filter(|(_, tx)| tx.as_ref().is_some_and(orphan))
            .map(|(txid, _)| *txid)
            .collect();
        if orphans.is_empty() {
            return;
        }
        for txid in orphans {
            pool.insert(txid, None);
        }
    }
}

fn resolve_one(
    parsed: &ParsedTxs,
    fresh: &FxHashMap<OutPoint, (HashX, u64)>,
    view: &dyn ChainView,
    mempool: &Mempool,
) -> Result<Option<MempoolTx>, StoreError> {
    let Some(tx) = parsed.iter().next() else { return Ok(None) };
    let mut inputs = Vec::with_capacity(tx.inputs.len());
    for prevout in tx.inputs {
        let origin = match fresh.get(prevout).copied().or_else(|| unconfirmed(mempool, prevout)) {
            Some(origin) => Some(origin),
            None => confirmed(view, prevout)?,
        };
        let Some((hashx, value)) = origin else { return Ok(None) };
        inputs.push(MempoolInput { prevout: *prevout, hashx, value });
    }
    let spent: u64 = inputs.iter().fold(0, |sum: u64, input| sum.saturating_add(input.value));
    let outputs = tx.outputs.iter().map(|output| MempoolOutput {
        vout: output.vout,
        hashx: output.hashx,
        value: output.value,
    });
    Ok(Some(MempoolTx {
        inputs: inputs.into(),
        outputs: outputs.collect(),
        fee: spent.saturating_sub(tx.output_value),
        vsize: u32::try_from(tx.facts.weight.div_ceil(4)).unwrap_or(u32::MAX),
    }))
}

fn unconfirmed(mempool: &Mempool, prevout: &OutPoint) -> Option<(HashX, u64)> {
    let tx = mempool.tx(&prevout.txid)?;
    let index = tx.outputs.binary_search_by_key(&prevout.vout, |output| output.vout).ok()?;
    Some((tx.outputs[index].hashx, tx.outputs[index].value))
}

fn confirmed(view: &dyn ChainView, prevout: &OutPoint) -> Result<Option<(HashX, u64)>, StoreError> {
    let Some(tx_num) = view.tx_num(&prevout.txid)? else { return Ok(None) };
    let row = view.output(OutputNum { tx_num, vout: prevout.vout })?;
    Ok(row.map(|row| (row.hashx, row.value)))
}
