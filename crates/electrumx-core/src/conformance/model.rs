//! What a view must answer, from the blocks alone and by the most direct means.

use std::ops::Range;

use bitcoin::Txid;

use crate::delta::BlockDelta;
use crate::position::{Height, OutputNum, TxNum};
use crate::store::{OutputRow, TxPosition};

/// Answers by scanning a list of blocks.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a>(pub &'a [BlockDelta]);

impl<'a> Model<'a> {
    /// Returns the number of transactions.
    #[must_use]
    pub fn tx_count(&self) -> u64 {
        self.0.iter().map(|block| block.txids.len() as u64).sum()
    }

    /// Iterates over transactions: number, height, id, position.
    pub fn txs(&self) -> impl Iterator<Item = (TxNum, Height, Txid, TxPosition)> + use<'a> {
        let txs = self.0.iter().flat_map(|block| {
            let txs = block.txids.iter().zip(&block.positions);
            txs.map(|(txid, position)| (block.id.height, *txid, *position))
        });
        (0..)
            .map(TxNum)
            .zip(txs)
            .map(|(num, (height, txid, position))| (num, height, txid, position))
    }

    /// Returns the latest transaction with an id.
    #[must_use]
    pub fn tx_num(&self, txid: &Txid) -> Option<TxNum> {
        self.txs().filter(|tx| tx.2 == *txid).map(|tx| tx.0).last()
    }

    /// Returns the outputs of consecutive transactions.
    #[must_use]
    pub fn outputs(&self, numbers: &Range<u64>) -> Vec<(OutputNum, OutputRow)> {
        let outputs = self.0.iter().flat_map(|block| &block.outputs);
        outputs.filter(|(output, _)| numbers.contains(&output.tx_num.0)).copied().collect()
    }
}
