//! What became of outputs (protocol 1.7), from the index and the mempool: no index of the node's is
//! needed.

use electrumx_core::bitcoin::{OutPoint, Txid};
use electrumx_core::mempool::Mempool;
use electrumx_core::{ChainView, HashX, OutputNum, OutputState, StoreError};

use crate::json;

/// What index and mempool know of an output.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct OutputFacts {
    /// Height of the transaction that has the output, or would have it, as in histories.
    tx_height: Option<i64>,
    /// Whether the output is known. If not, the transaction may still have it: `OP_RETURN` outputs
    /// are not indexed.
    is_known: bool,
    spender: Option<(Txid, i64)>,
}

/// The state of an output as clients are told it; the default is that of an unknown one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct OutputStatus {
    funder_height: Option<i64>,
    spender: Option<(Txid, i64)>,
}

impl OutputFacts {
    /// Reads them.
    ///
    /// While the mempool is behind the index, what the index has counts as confirmed. `hint` is what a
    /// client says of the output's script; without one, outputs that were spent long ago are unknown.
    pub(crate) fn read(
        mempool: &Mempool,
        view: &dyn ChainView,
        outpoint: &OutPoint,
        hint: Option<&HashX>,
    ) -> Result<Self, StoreError> {
        let mut facts = Self::default();
        if let Some(tx_num) = view.tx_num(&outpoint.txid)? {
            let output = OutputNum { tx_num, vout: outpoint.vout };
            facts.tx_height = view.height_of(tx_num).map(i64::from);
            let row = view.output(output)?;
            let state = match row.as_ref().map(|row| &row.hashx).or(hint) {
                Some(hashx) => view.output_state(hashx, output)?,
                None => None,
            };
            // The genesis coinbase is not indexed, but has an output.
            facts.is_known = state.is_some() || tx_num.0 == 0 && outpoint.vout == 0;
            if let Some(OutputState::SpentBy(spender)) = state {
                let height = view.height_of(spender).map(i64::from);
                facts.spender = view.txid(spender)?.zip(height);
                return Ok(facts);
            }
        } else if let Some(tx) = mempool.tx(&outpoint.txid) {
            facts.tx_height = unconfirmed_height(mempool, view, &outpoint.txid)?;
            facts.is_known =
                tx.outputs.binary_search_by_key(&outpoint.vout, |output| output.vout).is_ok();
        }
        if let Some(spender) = mempool.spender(outpoint) {
            let height = unconfirmed_height(mempool, view, &spender)?;
            facts.spender = height.map(|height| (spender, height));
        }
        Ok(facts)
    }

    /// Returns what a client is told that takes the output's script for one that cannot be spent.
    pub(crate) fn status(&self, cannot_be_spent: bool) -> OutputStatus {
        if self.is_known || cannot_be_spent {
            OutputStatus { funder_height: self.tx_height, spender: self.spender }
        } else {
            OutputStatus::default()
        }
    }
}

/// Returns a mempool transaction's height, 0 or −1.
fn unconfirmed_height(
    mempool: &Mempool,
    view: &dyn ChainView,
    txid: &Txid,
) -> Result<Option<i64>, StoreError> {
    if mempool.tip() == view.tip() {
        return Ok(mempool.height_of(txid).map(i64::from));
    }
    let Some(tx) = mempool.tx(txid) else { return Ok(None) };
    for input in &tx.inputs {
        let parent = &input.prevout.txid;
        if mempool.tx(parent).is_some() && view.tx_num(parent)?.is_none() {
            return Ok(Some(-1));
        }
    }
    Ok(Some(0))
}

impl OutputStatus {
    /// Appends the object.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        if let Some(height) = self.funder_height {
            out.extend_from_slice(b"\"funder_height\":");
            json::integer(out, height);
            if let Some((txid, height)) = &self.spender {
                out.extend_from_slice(b",\"spender_txhash\":");
                json::txid(out, txid);
                out.extend_from_slice(b",\"spender_height\":");
                json::integer(out, *height);
            }
        }
        out.push(b'}');
    }
}
