//! Blocks of the tip tier, as they were appended.

use electrumx_core::{BlockDelta, BlockId, ChainView as _, Height, Spend, StoreError, TxNum};

use super::LmdbView;

impl LmdbView {
    /// Reads a block above the base back.
    pub(crate) fn delta(&self, height: Height) -> Result<BlockDelta, StoreError> {
        let tables = &self.shared.tables;
        let missing = || tables.chain.blocks.corrupt(format!("no block {height}"));
        let hash = self.block_hash(height)?.ok_or_else(missing)?;
        let numbers = self.block_txs(height);
        let mut header = Vec::new();
        self.headers(height, 1, &mut header, &mut Vec::new())?;
        let position = |number| self.tx_position(TxNum(number))?.ok_or_else(missing);
        let spends = self.block_spends(height)?.into_iter().map(|output| {
            let unspent = || tables.spends.corrupt(format!("nobody spends {output:?}"));
            Ok(Spend { output, by: self.spender(output)?.ok_or_else(unspent)? })
        });
        Ok(BlockDelta {
            id: BlockId { height, hash },
            header,
            first_tx_num: TxNum(numbers.start),
            txids: self.txids(numbers.clone())?,
            positions: numbers.clone().map(position).collect::<Result<_, StoreError>>()?,
            outputs: self.outputs(numbers)?,
            spends: spends.collect::<Result<_, StoreError>>()?,
        })
    }
}
