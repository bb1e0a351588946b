//! A snapshot of the index.
//!
//! The tip tier's numbers go on where the base's end, so a number says which of the two to ask, and a
//! script's list is the base's followed by the tip's.

use std::ops::Range;
use std::sync::Arc;

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::{
    BlockId, ChainView, HashX, Height, OutputNum, OutputRow, OutputState, ScriptOutput, StoreError,
    TxNum, TxPosition,
};
use heed::{RoTxn, WithoutTls};

use crate::base::{Base, BaseTxn};
use crate::chain::Chain;
use crate::chain_rows::{self, TxidReader};
use crate::codec::{self, output_key, part_key, script_key, txid_key};
use crate::read;
use crate::read_ahead;
use crate::shared::Shared;
use crate::snapshot::Snapshot;

mod delta;
#[cfg(test)]
mod tests;

/// An open read transaction and the chain it shows.
pub(crate) struct LmdbView {
    /// Taken only by `drop`, which gives it back.
    snapshot: Option<Snapshot>,
    chain: Arc<Chain>,
    shared: Arc<Shared>,
}

impl LmdbView {
    pub(crate) fn open(shared: &Arc<Shared>) -> Result<Self, StoreError> {
        let open = || Snapshot::open(&shared.env, shared.base.as_deref());
        let (snapshot, chain) = shared.published.enter(open)?;
        Ok(Self { snapshot: Some(snapshot), chain, shared: Arc::clone(shared) })
    }

    fn snapshot(&self) -> &Snapshot {
        self.snapshot.as_ref().expect("only drop takes it")
    }

    pub(crate) fn txn(&self) -> &RoTxn<'static, WithoutTls> {
        &self.snapshot().tip
    }

    /// Returns the base, if there is one.
    pub(crate) fn base_tier(&self) -> Option<(&Base, &BaseTxn)> {
        self.shared.base.as_deref().zip(self.snapshot().base.as_ref())
    }

    /// Returns the base if a transaction is in it.
    fn base_of_tx(&self, number: u64) -> Option<(&Base, &BaseTxn)> {
        self.base_tier().filter(|(base, _)| number < base.chain.tx_count())
    }

    /// Returns the base if a block is in it.
    fn base_of_block(&self, height: Height) -> Option<(&Base, &BaseTxn)> {
        self.base_tier().filter(|(base, _)| height <= base.tip.height)
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

    /// Visits the outputs of consecutive transactions, ascending: of the base those that are unspent in it.
    pub(crate) fn each_output(
        &self,
        numbers: Range<u64>,
        mut visit: impl FnMut(OutputNum, OutputRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let numbers = self.clamped(&numbers);
        let mut tip_start = numbers.start;
        if let Some((base, txn)) = self.base_of_tx(numbers.start) {
            tip_start = numbers.end.min(base.end().txs);
            base.utxos(txn, TxNum(numbers.start), TxNum(tip_start), &mut visit)?;
        }
        read::each_output(self.txn(), &self.shared.tables, tip_start..numbers.end, visit)
    }

    /// Returns who has spent an output, if that was in the tip tier.
    pub(crate) fn spender(&self, output: OutputNum) -> Result<Option<TxNum>, StoreError> {
        let table = self.shared.tables.spends;
        let row = table.get(self.txn(), &output_key(output))?;
        let decode = |row| codec::tx_num(row).ok_or_else(|| table.corrupt(format!("{output:?}")));
        row.map(decode).transpose()
    }
}

impl Drop for LmdbView {
    fn drop(&mut self) {
        if let Some(snapshot) = self.snapshot.take() {
            self.shared.published.leave(snapshot);
        }
    }
}

impl ChainView for LmdbView {
    fn tip(&self) -> Option<BlockId> {
        self.chain.tip()
    }

    fn tx_count(&self) -> u64 {
        self.chain.tx_count()
    }

    fn base(&self) -> Option<BlockId> {
        self.base_tier().map(|(base, _)| base.tip)
    }

    fn block_hash(&self, height: Height) -> Result<Option<BlockHash>, StoreError> {
        if !self.has_block(height) {
            return Ok(None);
        }
        let hash = match self.base_of_block(height) {
            Some((base, txn)) => chain_rows::block_hash(txn, &base.tables.chain, height),
            None => chain_rows::block_hash(self.txn(), &self.shared.tables.chain, height),
        };
        hash.map(Some)
    }

    fn headers(
        &self,
        start: Height,
        count: u32,
        out: &mut Vec<u8>,
        lengths: &mut Vec<u32>,
    ) -> Result<u32, StoreError> {
        let blocks = self.chain.tip().map_or(0, |tip| tip.height.saturating_add(1));
        let start = start.min(blocks);
        let end = start.saturating_add(count).min(blocks);
        let mut tip_start = start;
        if let Some((base, txn)) = self.base_of_block(start) {
            let base_end = end.min(base.tip.height.saturating_add(1));
            chain_rows::headers(txn, &base.tables.chain, start..base_end, out, lengths)?;
            tip_start = base_end;
        }
        let tables = &self.shared.tables.chain;
        chain_rows::headers(self.txn(), tables, tip_start..end, out, lengths)?;
        Ok(end - start)
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
        Ok(self.txids_of(&[tx_num])?.pop())
    }

    fn txids(&self, numbers: Range<u64>) -> Result<Vec<Txid>, StoreError> {
        let numbers = self.clamped(&numbers);
        let count = usize::try_from(numbers.end.saturating_sub(numbers.start)).unwrap_or(0);
        let mut found = Vec::with_capacity(count);
        let mut tip_start = numbers.start;
        if let Some((base, txn)) = self.base_of_tx(numbers.start) {
            tip_start = numbers.end.min(base.end().txs);
            let (tables, origin) = (&base.tables.chain, Default::default());
            chain_rows::txids(txn, tables, origin, numbers.start..tip_start, &mut found)?;
        }
        let (tables, origin) = (&self.shared.tables.chain, self.shared.origin());
        chain_rows::txids(self.txn(), tables, origin, tip_start..numbers.end, &mut found)?;
        Ok(found)
    }

    fn txids_of(&self, numbers: &[TxNum]) -> Result<Vec<Txid>, StoreError> {
        let (tables, origin) = (&self.shared.tables.chain, self.shared.origin());
        let mut tip = TxidReader::new(tables, origin);
        let mut base = self
            .base_tier()
            .map(|(base, txn)| (TxidReader::new(&base.tables.chain, Default::default()), txn));
        // Each is somewhere else in memory, which takes long to answer: they are copied when all are located, so that
        // they are waited for together.
        let mut located = Vec::with_capacity(numbers.len());
        // A script's transactions are all over the chain: each may be a page to be waited for.
        let prepare = |numbers: &[TxNum]| match self.base_tier() {
            Some((base, txn)) => {
                let numbers = numbers.iter().map(|number| number.0);
                chain_rows::want_txids(txn, &base.tables.chain, numbers)
            }
            None => Ok(()),
        };
        read_ahead::in_runs(numbers, prepare, |number| {
            located.push(match &mut base {
                _ if !self.has(*number) => {
                    return Err(tables.txids.corrupt(format!("it lacks {number:?}")));
                }
                Some((base, txn)) if number.0 < origin.txs => base.locate(txn, number.0)?,
                _ => tip.locate(self.txn(), number.0)?,
            });
            Ok(())
        })?;
        Ok(located.into_iter().map(|id| Txid::from_byte_array(*id)).collect())
    }

    fn tx_num(&self, txid: &Txid) -> Result<Option<TxNum>, StoreError> {
        let table = self.shared.tables.txid_index;
        let prefix: &[u8] = &AsRef::<[u8; 32]>::as_ref(txid)[..self.shared.meta.prefix_len];
        let mut txids = TxidReader::new(&self.shared.tables.chain, self.shared.origin());
        // The later of two transactions with one id is to be found, so the search runs backwards.
        let mut bound = txid_key(prefix, TxNum::MAX.0);
        while let Some((key, _)) = table.floor(self.txn(), &bound)? {
            let Some(number) = key.strip_prefix(prefix) else { break };
            let number = codec::tx_num(number).filter(|number| self.has(*number));
            let number = number.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?;
            if txids.get(self.txn(), number.0)? == *txid {
                return Ok(Some(number));
            }
            let Some(below) = number.0.checked_sub(1) else { break };
            bound = txid_key(prefix, below);
        }
        match self.base_tier() {
            Some((base, txn)) => base.tx_num(txn, txid),
            None => Ok(None),
        }
    }

    fn tx_position(&self, tx_num: TxNum) -> Result<Option<TxPosition>, StoreError> {
        if !self.has(tx_num) {
            return Ok(None);
        }
        let position = match self.base_of_tx(tx_num.0) {
            Some((base, txn)) => chain_rows::position(txn, &base.tables.chain, tx_num),
            None => chain_rows::position(self.txn(), &self.shared.tables.chain, tx_num),
        };
        position.map(Some)
    }

    fn each_script_output(
        &self,
        hashx: &HashX,
        limit: usize,
        visit: &mut dyn FnMut(ScriptOutput),
    ) -> Result<(), StoreError> {
        let table = self.shared.tables.scripts;
        let numbered = |tx_num, vout| script_key(hashx, OutputNum { tx_num: TxNum(tx_num), vout });
        let base_txs = self.shared.origin().txs;
        let rows = table.range(
            self.txn(),
            &numbered(0, 0),
            // Numbers stay below the count, so the last key that a row may have is below this one.
            &numbered(self.chain.tx_count(), 0),
        )?;
        let mut rows = rows.map(|row| {
            let (key, value) = row?;
            let corrupt = || table.corrupt(format!("row {key:02x?}"));
            let output = key.get(HashX::LEN..).and_then(codec::output).ok_or_else(corrupt)?;
            Ok::<_, StoreError>((output, value))
        });
        let mut row = rows.next().transpose()?;
        let corrupt = |output: OutputNum| table.corrupt(format!("row of {output:?}"));
        let mut left = limit;
        let mut count = || match left.checked_sub(1) {
            Some(less) => {
                left = less;
                Ok(())
            }
            None => Err(StoreError::TooMany { limit }),
        };
        if let Some((base, txn)) = self.base_tier() {
            // Both lists ascend: an output of the base that was spent since has a row with its spender.
            base.each_script_output(txn, hashx, |output, mut state| {
                count()?;
                if let Some((spent, spender)) = row
                    && spent <= output
                {
                    let spender = codec::tx_num(spender).filter(|_| spent == output);
                    state = OutputState::SpentBy(spender.ok_or_else(|| corrupt(spent))?);
                    row = rows.next().transpose()?;
                }
                visit(ScriptOutput { output, state });
                Ok(())
            })?;
        }
        while let Some((output, value)) = row {
            if output.tx_num.0 < base_txs {
                return Err(corrupt(output));
            }
            count()?;
            let state = match self.spender(output)? {
                Some(spender) => OutputState::SpentBy(spender),
                None => OutputState::Unspent(codec::varint(value).ok_or_else(|| corrupt(output))?),
            };
            visit(ScriptOutput { output, state });
            row = rows.next().transpose()?;
        }
        Ok(())
    }

    fn output(&self, output: OutputNum) -> Result<Option<OutputRow>, StoreError> {
        if !self.has(output.tx_num) {
            return Ok(None);
        }
        if let Some((base, txn)) = self.base_of_tx(output.tx_num.0) {
            return base.utxo(txn, output);
        }
        let table = self.shared.tables.outputs;
        let row = table.get(self.txn(), &output_key(output))?;
        let decode =
            |row| codec::output_row(row).ok_or_else(|| table.corrupt(format!("{output:?}")));
        row.map(decode).transpose()
    }

    fn outputs(&self, numbers: Range<u64>) -> Result<Vec<(OutputNum, OutputRow)>, StoreError> {
        let mut found = Vec::new();
        self.each_output(numbers, |output, row| {
            found.push((output, row));
            Ok(())
        })?;
        Ok(found)
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
        let row = table.get(self.txn(), &script_key(hashx, output))?;
        let corrupt = || table.corrupt(format!("{output:?}"));
        if let Some((base, txn)) = self.base_of_tx(output.tx_num.0) {
            return match row {
                Some(spender) => {
                    let spender = codec::tx_num(spender).ok_or_else(corrupt)?;
                    Ok(Some(OutputState::SpentBy(spender)))
                }
                None => base.output_state(txn, hashx, output),
            };
        }
        let Some(row) = row else { return Ok(None) };
        if let Some(spender) = self.spender(output)? {
            return Ok(Some(OutputState::SpentBy(spender)));
        }
        Ok(Some(OutputState::Unspent(codec::varint(row).ok_or_else(corrupt)?)))
    }

    fn block_spends(&self, height: Height) -> Result<Vec<OutputNum>, StoreError> {
        if !self.has_block(height) || self.base_of_block(height).is_some() {
            return Ok(Vec::new());
        }
        let end = part_key(height, u32::MAX);
        read::inputs(self.txn(), &self.shared.tables, part_key(height, 0), end)
    }
}
