//! Where a transaction is, as its subscribers are told.

use electrumx_core::bitcoin::Txid;
use electrumx_core::{ChainView, Height, StoreError};

use crate::error::RpcError;
use crate::hub::Posted;
use crate::json;
use crate::reader::{Effort, Reader};

/// A transaction's height: 0 in the mempool, whatever its parents are; `None` for one that is unknown.
pub(crate) type TxHeight = Option<Height>;

/// Appends it as clients get it.
pub(crate) fn write(out: &mut Vec<u8>, height: TxHeight) {
    match height {
        Some(height) => json::integer(out, height),
        None => out.extend_from_slice(b"null"),
    }
}

fn height(view: &dyn ChainView, txid: &Txid, is_unconfirmed: bool) -> Result<TxHeight, StoreError> {
    // While the mempool is behind the index, what the index has counts as confirmed.
    let confirmed = view.tx_num(txid)?.and_then(|number| view.height_of(number));
    Ok(confirmed.or(is_unconfirmed.then_some(0)))
}

impl Reader {
    /// Returns a transaction's height, and when it was there.
    pub(crate) fn tx_height(
        &self,
        effort: Effort,
        txid: &Txid,
    ) -> Result<Posted<TxHeight>, RpcError> {
        let snapshot = self.snapshot(effort, |mempool, _| Ok(mempool.tx(txid).is_some()))?;
        let state = height(&*snapshot.view, txid, snapshot.unconfirmed)?;
        Ok(Posted { stamp: snapshot.stamp, state })
    }

    /// Returns the heights of transactions, all from one snapshot.
    pub(crate) fn tx_heights(
        &self,
        txids: &[Txid],
    ) -> Result<Vec<(Txid, Posted<TxHeight>)>, StoreError> {
        let snapshot = self.whole_snapshot(|mempool, _| {
            Ok(txids.iter().map(|txid| mempool.tx(txid).is_some()).collect::<Vec<_>>())
        })?;
        let mut heights = Vec::with_capacity(txids.len());
        for (txid, is_unconfirmed) in txids.iter().zip(snapshot.unconfirmed) {
            let state = height(&*snapshot.view, txid, is_unconfirmed)?;
            heights.push((*txid, Posted { stamp: snapshot.stamp, state }));
        }
        Ok(heights)
    }
}
