//! A snapshot of the index.

use std::ops::Range;
use std::sync::Arc;

use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::{
    BlockId, ChainView, HashX, Height, OutputNum, OutputRow, OutputState, ScriptOutput, StoreError,
    TxNum, TxPosition,
};
use heed::{RoTxn, WithoutTls};

use crate::chain::Chain;
use crate::codec::{self, output_key, part_key, script_key, tx_key, txid_key, u32_key};
use crate::read;
use crate::shared::Shared;

#[cfg(test)]
mod tests;

/// An open read transaction and the chain it shows.
pub(crate) struct LmdbView {
    /// Taken only by `drop`, which must end the transaction before it counts the view out.
    txn: Option<RoTxn<'static, WithoutTls>>,
    chain: Arc<Chain>,
    shared: Arc<Shared>,
}

impl LmdbView {
    pub(crate) fn open(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let (txn, chain) = shared.published.enter(&shared.env)?;
        Ok(Self { txn: Some(txn), chain, shared: Arc::clone(shared) })
    }

    pub(crate) fn txn(&self) -> &RoTxn<'static, WithoutTls> {
        self.txn.as_ref().expect("only drop takes it")
    }

    fn clamped(&self, numbers: &Range<u64>) -> Range<u64> {
        let count = self.chain.tx_count();
        numbers.start.min(count)..numbers.end.min(count)
    }

    fn has(&self, tx_num: TxNum) -> bool {
        tx_num.0 < self.chain.tx_count()
    }

    fn has_block(&self, height: Height) -> bool {
        (height as usize) < self.chain.len()
    }
}

impl LmdbView {
    fn spender(&self, output: OutputNum) -> Result<Option<TxNum>, StoreError> {
        let table = self.shared.tables.spends;
        let row = table.get(self.txn(), &output_key(output))?;
        let decode = |row| codec::tx_num(row).ok_or_else(|| table.corrupt(format!("{output:?}")));
        row.map(decode).transpose()
    }
}

impl Drop for LmdbView {
    fn drop(&mut self) {
        drop(self.txn.take());
        self.shared.published.leave();
    }
}

impl ChainView for LmdbView {
    fn tip(&self) -> Option<BlockId> {
        self.chain.tip()
    }

    fn tx_count(&self) -> u64 {
        self.chain.tx_count()
    }

    fn block_hash(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        if !self.has_block(height) {
            return Ok(None);
        }
        read::block_hash(self.txn(), &self.shared.tables, height).map(Some)
    }

    fn headers(
        &self,
        start: Height,
        count: u32,
        out: &mut Vec<u8>,
        lengths: &mut Vec<u32>,
    ) -> Result<u32, StoreError> {
        let table = self.shared.tables.headers;
        let blocks = self.chain.tip().map_or(0, |tip| tip.height.saturating_add(1));
        let end = start.saturating_add(count).min(blocks);
        let rows = table.range(self.txn(), &u32_key(start), &u32_key(end))?;
        let mut height = start;
        for row in rows {
            let (key, header) = row?;
            let length = u32::try_from(header.len()).ok();
            let length = length.filter(|_| *key == *u32_key(height));
            lengths.push(length.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?);
            out.extend_from_slice(header);
            height += 1;
        }
        if height < end {
            return Err(table.corrupt(format!("no header {height}")));
        }
        Ok(height - start)
    }

    fn block_txs(&self, height: Height) -> Range<u64> {
        self.chain.block_txs(height)
    }

    fn height_of(&self, tx_num: TxNum) -> Option<Height> {
        self.chain.height_of(tx_num)
    }

    fn txid(&self, tx_num: TxNum) -> Result<Option<Txid>, StoreError> {
        if !self.has(tx_num) {
            return Ok(None);
        }
        read::txid(self.txn(), &self.shared.tables, tx_num.0).map(Some)
    }

    fn txids(&self, numbers: Range<u64>) -> Result<Vec<Txid>, StoreError> {
        read::txids(self.txn(), &self.shared.tables, self.clamped(&numbers))
    }

    fn txids_of(&self, numbers: &[TxNum]) -> Result<Vec<Txid>, StoreError> {
        let count = self.chain.tx_count();
        if let Some(number) = numbers.iter().find(|number| number.0 >= count) {
            return Err(self.shared.tables.txids.corrupt(format!("it lacks {number:?}")));
        }
        read::txids_of(self.txn(), &self.shared.tables, numbers)
    }

    fn tx_num(&self, txid: &Txid) -> Result<Option<TxNum>, StoreError> {
        let table = self.shared.tables.txid_index;
        let prefix: &[u8] = &AsRef::<[u8; 32]>::as_ref(txid)[..self.shared.meta.prefix_len];
        // The later of two transactions with one id is to be found, so the search runs backwards.
        let mut bound = txid_key(prefix, TxNum::MAX.0);
        while let Some((key, _)) = table.floor(self.txn(), &bound)? {
            let Some(number) = key.strip_prefix(prefix) else { break };
            let number = codec::tx_num(number).filter(|number| self.has(*number));
            let number = number.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?;
            if read::txid(self.txn(), &self.shared.tables, number.0)? == *txid {
                return Ok(Some(number));
            }
            let Some(below) = number.0.checked_sub(1) else { break };
            bound = txid_key(prefix, below);
        }
        Ok(None)
    }

    fn tx_position(&self, tx_num: TxNum) -> Result<Option<TxPosition>, StoreError> {
        if !self.has(tx_num) {
            return Ok(None);
        }
        let table = self.shared.tables.positions;
        let row = table.floor(self.txn(), &tx_key(tx_num.0))?;
        let position = row.and_then(|(key, mut value)| {
            let mut before = tx_num.0.checked_sub(codec::tx_num(key)?.0)?;
            let mut offset = codec::take_varint(&mut value)?;
            while before > 0 {
                offset = offset.checked_add(codec::take_varint(&mut value)?)?;
                before -= 1;
            }
            let size = u32::try_from(codec::take_varint(&mut value)?).ok()?;
            Some(TxPosition { offset: u32::try_from(offset).ok()?, size })
        });
        position.ok_or_else(|| table.corrupt(format!("row of {tx_num:?}"))).map(Some)
    }

    fn script_outputs(&self, hashx: &HashX, limit: usize) -> Result<Vec<ScriptOutput>, StoreError> {
        let table = self.shared.tables.scripts;
        let numbered = |tx_num, vout| script_key(hashx, OutputNum { tx_num: TxNum(tx_num), vout });
        let rows = table.range(
            self.txn(),
            &numbered(0, 0),
            // Numbers stay below the count, so the last key that a row may have is below this one.
            &numbered(self.chain.tx_count(), 0),
        )?;
        let mut found = Vec::new();
        for row in rows {
            let (key, value) = row?;
            if found.len() == limit {
                return Err(StoreError::TooMany { limit });
            }
            let output = key.get(HashX::LEN..).and_then(codec::output);
            let row = output.zip(codec::varint(value));
            let (output, value) = row.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?;
            found.push(ScriptOutput { output, state: OutputState::Unspent(value) });
        }
        for row in &mut found {
            if let Some(spender) = self.spender(row.output)? {
                row.state = OutputState::SpentBy(spender);
            }
        }
        Ok(found)
    }

    fn output(&self, output: OutputNum) -> Result<Option<OutputRow>, StoreError> {
        if !self.has(output.tx_num) {
            return Ok(None);
        }
        let table = self.shared.tables.outputs;
        let row = table.get(self.txn(), &output_key(output))?;
        let decode =
            |row| codec::output_row(row).ok_or_else(|| table.corrupt(format!("{output:?}")));
        row.map(decode).transpose()
    }

    fn outputs(&self, numbers: Range<u64>) -> Result<Vec<(OutputNum, OutputRow)>, StoreError> {
        read::outputs(self.txn(), &self.shared.tables, self.clamped(&numbers))
    }

    fn output_state(
        &self,
        hashx: &HashX,
        output: OutputNum,
    ) -> Result<Option<OutputState>, StoreError> {
        if !self.has(output.tx_num) {
            return Ok(None);
        }
        let table = self.shared.tables.scripts;
        let Some(row) = table.get(self.txn(), &script_key(hashx, output))? else { return Ok(None) };
        if let Some(spender) = self.spender(output)? {
            return Ok(Some(OutputState::SpentBy(spender)));
        }
        let value = codec::varint(row).ok_or_else(|| table.corrupt(format!("{output:?}")))?;
        Ok(Some(OutputState::Unspent(value)))
    }

    fn block_spends(&self, height: Height) -> Result<Vec<OutputNum>, StoreError> {
        if !self.has_block(height) {
            return Ok(Vec::new());
        }
        let end = part_key(height, u32::MAX);
        read::inputs(self.txn(), &self.shared.tables, part_key(height, 0), end)
    }
}
