//! The in-memory [`Store`]: the executable specification.
//!
//! It keeps the deltas and answers every query by the most direct means; views are copies behind an `Arc`.
//! For tests and examples, not for large chains.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bitcoin::{BlockHash, Txid};

use crate::delta::BlockDelta;
use crate::hash::{HashX, HashXKey};
use crate::position::{BlockId, Height, OutputNum, TxNum};
use crate::store::{
    ChainView, Index, OutputRow, OutputState, ScriptOutput, Store, StoreError, TxPosition,
};

/// An index in memory.
#[derive(Debug)]
pub struct MemoryStore {
    key: HashXKey,
    state: Mutex<Arc<State>>,
}

/// Everything the index knows: a list of blocks, and two maps that could be derived from it.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
struct State {
    blocks: Vec<BlockDelta>,
    outputs: BTreeMap<OutputNum, OutputRow>,
    spends: BTreeMap<OutputNum, TxNum>,
}

impl MemoryStore {
    /// Creates an empty index.
    #[must_use]
    pub fn new(key: HashXKey) -> Self {
        Self { key, state: Mutex::default() }
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }
}

impl PartialEq for MemoryStore {
    /// Two stores are equal when they hold the same blocks under the same key.
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.state() == other.state()
    }
}

impl Index for MemoryStore {
    fn view(&self) -> Result<Box<dyn ChainView>, StoreError> {
        Ok(Box::new(MemoryView(self.state())))
    }

    fn hashx_key(&self) -> HashXKey {
        self.key
    }
}

impl Store for MemoryStore {
    fn append(&self, blocks: &[BlockDelta]) -> Result<(), StoreError> {
        let mut state = (*self.state()).clone();
        for block in blocks {
            let expected = state.tip().map_or(0, |tip| tip.height + 1);
            if block.id.height != expected || block.first_tx_num.0 != state.tx_count() {
                return Err(StoreError::NotExtending { got: block.id, tip: state.tip() });
            }
            state.outputs.extend(block.outputs.iter().copied());
            state.spends.extend(block.spends.iter().map(|spend| (spend.output, spend.by)));
            state.blocks.push(block.clone());
        }
        self.set(state);
        Ok(())
    }

    fn unwind_to(&self, height: Option<Height>) -> Result<Option<BlockId>, StoreError> {
        let mut state = (*self.state()).clone();
        let keep = height.map_or(0, |height| height as usize + 1);
        for block in state.blocks.drain(keep.min(state.blocks.len())..) {
            for spend in &block.spends {
                state.spends.remove(&spend.output);
            }
            for (output, _) in &block.outputs {
                state.outputs.remove(output);
            }
        }
        let tip = state.tip();
        self.set(state);
        Ok(tip)
    }
}

impl State {
    fn tip(&self) -> Option<BlockId> {
        self.blocks.last().map(|block| block.id)
    }

    fn tx_count(&self) -> u64 {
        self.blocks.last().map_or(0, |block| block.first_tx_num.0 + block.txids.len() as u64)
    }

    fn block(&self, height: Height) -> Option<&BlockDelta> {
        self.blocks.get(height as usize)
    }

    /// Returns the block of a transaction and the transaction's index in it.
    fn block_of(&self, tx_num: TxNum) -> Option<(&BlockDelta, usize)> {
        let block = self.blocks.iter().rev().find(|block| block.first_tx_num <= tx_num)?;
        let index = usize::try_from(tx_num.0 - block.first_tx_num.0).ok()?;
        (index < block.txids.len()).then_some((block, index))
    }

    fn state(&self, output: &OutputNum, row: &OutputRow) -> OutputState {
        let spender = self.spends.get(output).copied();
        spender.map_or(OutputState::Unspent(row.value), OutputState::SpentBy)
    }

    fn output_range(&self, numbers: Range<u64>) -> impl Iterator<Item = (OutputNum, OutputRow)> {
        let from = OutputNum { tx_num: TxNum(numbers.start), vout: 0 };
        let to = OutputNum { tx_num: TxNum(numbers.end.max(numbers.start)), vout: 0 };
        self.outputs.range(from..to).map(|(output, row)| (*output, *row))
    }
}

#[derive(Debug)]
struct MemoryView(Arc<State>);

impl ChainView for MemoryView {
    fn tip(&self) -> Option<BlockId> {
        self.0.tip()
    }

    fn tx_count(&self) -> u64 {
        self.0.tx_count()
    }

    fn block_hash(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        Ok(self.0.block(height).map(|block| block.id.hash))
    }

    fn headers(
        &self,
        start: Height,
        count: u32,
        out: &mut Vec<u8>,
        lengths: &mut Vec<u32>,
    ) -> Result<u32, StoreError> {
        let blocks = self.0.blocks.iter().skip(start as usize).take(count as usize);
        let mut found = 0;
        for block in blocks {
            out.extend_from_slice(&block.header);
            lengths.push(u32::try_from(block.header.len()).unwrap_or(u32::MAX));
            found += 1;
        }
        Ok(found)
    }

    fn block_txs(&self, height: Height) -> Range<u64> {
        self.0.block(height).map_or(0..0, |block| {
            block.first_tx_num.0..block.first_tx_num.0 + block.txids.len() as u64
        })
    }

    fn height_of(&self, tx_num: TxNum) -> Option<Height> {
        self.0.block_of(tx_num).map(|(block, _)| block.id.height)
    }

    fn txid(&self, tx_num: TxNum) -> Result<Option<Txid>, StoreError> {
        Ok(self.0.block_of(tx_num).map(|(block, index)| block.txids[index]))
    }

    fn txids(&self, numbers: Range<u64>) -> Result<Vec<Txid>, StoreError> {
        let numbers = numbers.start..numbers.end.min(self.0.tx_count());
        numbers.map_while(|number| self.txid(TxNum(number)).transpose()).collect()
    }

    fn tx_num(&self, txid: &Txid) -> Result<Option<TxNum>, StoreError> {
        Ok(self.0.blocks.iter().rev().find_map(|block| {
            let index = block.txids.iter().rposition(|other| other == txid)?;
            Some(TxNum(block.first_tx_num.0 + index as u64))
        }))
    }

    fn tx_position(&self, tx_num: TxNum) -> Result<Option<TxPosition>, StoreError> {
        Ok(self.0.block_of(tx_num).map(|(block, index)| block.positions[index]))
    }

    fn each_script_output(
        &self,
        hashx: &HashX,
        limit: usize,
        visit: &mut dyn FnMut(ScriptOutput),
    ) -> Result<(), StoreError> {
        let mut rows = self.0.outputs.iter().filter(|(_, row)| row.hashx == *hashx);
        let output = |(output, row): (&OutputNum, &OutputRow)| ScriptOutput {
            output: *output,
            state: self.0.state(output, row),
        };
        rows.by_ref().take(limit).map(output).for_each(visit);
        if rows.next().is_some() { Err(StoreError::TooMany { limit }) } else { Ok(()) }
    }

    fn output(&self, output: OutputNum) -> Result<Option<OutputRow>, StoreError> {
        Ok(self.0.outputs.get(&output).copied())
    }

    fn outputs(&self, numbers: Range<u64>) -> Result<Vec<(OutputNum, OutputRow)>, StoreError> {
        Ok(self.0.output_range(numbers).collect())
    }

    fn output_state(
        &self,
        hashx: &HashX,
        output: OutputNum,
    ) -> Result<Option<OutputState>, StoreError> {
        let row = self.0.outputs.get(&output).filter(|row| row.hashx == *hashx);
        Ok(row.map(|row| self.0.state(&output, row)))
    }

    fn block_spends(&self, height: Height) -> Result<Vec<OutputNum>, StoreError> {
        Ok(self
            .0
            .block(height)
            .map_or_else(Vec::new, |block| block.spends.iter().map(|spend| spend.output).collect()))
    }
}
