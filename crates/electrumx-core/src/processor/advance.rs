//! One block forward.

use bitcoin::OutPoint;

use super::caches::CachedOutput;
use super::{ProcessError, Processor};
use crate::block::{ParsedHeader, ParsedTx, ParsedTxs};
use crate::coin::Coin;
use crate::delta::{BlockDelta, Spend};
use crate::position::{BlockId, Height, OutputNum, TxNum};
use crate::source::RawBlock;
use crate::store::{OutputRow, OutputState, Store, StoreError, TxPosition};

impl<C: Coin, S: Store> Processor<C, S> {
    /// Processes the block that extends the tip. It is pending until the next
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    /// When the block is malformed, does not extend the tip or spends what does not exist. The
    /// index is unharmed: in the last case what was pending is dropped and will be fetched again.
    pub fn advance(&mut self, block: &RawBlock) -> Result<(), ProcessError> {
        let height = block.height;
        let (header, txs) = ParsedTxs::of_block(&self.coin, self.store.hashx_key(), &block.bytes)
            .map_err(|source| ProcessError::BadBlock { height, source })?;
        self.check_extends(height, &header)?;
        if self.next_tx_num.0 + txs.iter().len() as u64 > TxNum::MAX.0 {
            return Err(ProcessError::TooManyTransactions);
        }
        let id = BlockId { height, hash: header.hash };
        match self.delta(id, header.raw, &txs) {
            Ok(delta) => {
                if let Some(tracking) = &mut self.tracking {
                    tracking.advanced(id, header.prev_hash, &delta.txids);
                }
                self.next_tx_num.0 += delta.txids.len() as u64;
                self.tip = Some(id);
                self.chain.push(delta);
                Ok(())
            }
            Err(err) => {
                // Half of the block's effect is in the caches.
                self.reset()?;
                Err(err)
            }
        }
    }

    fn check_extends(&self, height: Height, header: &ParsedHeader) -> Result<(), ProcessError> {
        let Some(tip) = self.tip else {
            let wanted = self.coin.chain().genesis_hash();
            return if height == 0 && header.hash == wanted {
                Ok(())
            } else {
                Err(ProcessError::WrongChain { found: header.hash, wanted })
            };
        };
        if height == tip.height + 1 && header.prev_hash == tip.hash {
            Ok(())
        } else {
            Err(ProcessError::NotExtending { height })
        }
    }

    fn delta(
        &mut self,
        id: BlockId,
        header: Vec<u8>,
        txs: &ParsedTxs,
    ) -> Result<BlockDelta, ProcessError> {
        let (inputs, outputs) = txs.counts();
        let mut delta = BlockDelta {
            id,
            header,
            first_tx_num: self.next_tx_num,
            txids: Vec::with_capacity(txs.iter().len()),
            positions: Vec::with_capacity(txs.iter().len()),
            outputs: Vec::with_capacity(outputs),
            spends: Vec::with_capacity(inputs),
        };
        for (tx, number) in txs.iter().zip(self.next_tx_num.0..) {
            self.add_tx(&mut delta, &tx, TxNum(number))?;
        }
        Ok(delta)
    }

    fn add_tx(
        &mut self,
        delta: &mut BlockDelta,
        tx: &ParsedTx<'_>,
        tx_num: TxNum,
    ) -> Result<(), ProcessError> {
        // A block's transactions fit into 32 bits many times over.
        let index = u32::try_from(delta.txids.len()).unwrap_or(u32::MAX);
        for prevout in tx.inputs {
            let spent = self.spend(index, prevout)?.ok_or(ProcessError::MissingPrevout {
                height: delta.id.height,
                txid: tx.facts.txid,
                prevout: *prevout,
            })?;
            delta.spends.push(Spend { output: spent, by: tx_num });
        }
        // The genesis coinbase is not in the UTXO set and can never be spent.
        if delta.id.height > 0 {
            for output in tx.outputs {
                let row = OutputRow { hashx: output.hashx, value: output.value };
                let outpoint = OutPoint { txid: tx.facts.txid, vout: output.vout };
                if let Some(overwritten) = self.insert(index, outpoint, tx_num, row)? {
                    delta.spends.push(Spend { output: overwritten, by: tx_num });
                }
                delta.outputs.push((OutputNum { tx_num, vout: output.vout }, row));
                if let Some(tracking) = &mut self.tracking {
                    tracking.pays(index, row.hashx);
                }
            }
        }
        delta.txids.push(tx.facts.txid);
        delta.positions.push(TxPosition { offset: tx.facts.offset, size: tx.facts.size });
        Ok(())
    }

    /// Puts an output into the cache. Returns the unspent one that it overwrites, if any.
    ///
    /// Before BIP 30 and BIP 34 a coinbase could be the same as an earlier one, whose outputs then left
    /// the UTXO set unspent: blocks 91,722 and 91,812 of Bitcoin lost theirs so. Other transactions cannot, since
    /// they spend something.
    fn insert(
        &mut self,
        index: u32,
        outpoint: OutPoint,
        tx_num: TxNum,
        row: OutputRow,
    ) -> Result<Option<OutputNum>, ProcessError> {
        if index > 0 {
            self.utxos.insert(outpoint, CachedOutput { tx_num, row });
            return Ok(None);
        }
        let cached = self.utxos.spend(&outpoint).map(|cached| cached.tx_num);
        self.utxos.insert(outpoint, CachedOutput { tx_num, row });
        let view = self.view()?;
        let before = match cached {
            Some(before) => Some(before),
            None => view.tx_num(&outpoint.txid)?,
        };
        let Some(before) = before else { return Ok(None) };
        let before = OutputNum { tx_num: before, vout: outpoint.vout };
        let is_spent = || {
            let state = view.output_state(&row.hashx, before)?;
            Ok::<_, StoreError>(!matches!(state, Some(OutputState::Unspent(_))))
        };
        if cached.is_none() && is_spent()? {
            return Ok(None);
        }
        Ok(Some(before))
    }

    /// Finds the number of an output that is being spent; `None` when there is no such output.
    fn spend(&mut self, index: u32, prevout: &OutPoint) -> Result<Option<OutputNum>, ProcessError> {
        if let Some(cached) = self.utxos.spend(prevout) {
            if let Some(tracking) = &mut self.tracking {
                tracking.spends(index, *prevout, cached.row.hashx);
            }
            return Ok(Some(OutputNum { tx_num: cached.tx_num, vout: prevout.vout }));
        }
        let is_tracking = self.tracking.is_some();
        let view = self.view()?;
        let Some(tx_num) = view.tx_num(&prevout.txid)? else { return Ok(None) };
        let output = OutputNum { tx_num, vout: prevout.vout };
        if is_tracking {
            let Some(row) = view.output(output)? else { return Ok(None) };
            if let Some(tracking) = &mut self.tracking {
                tracking.spends(index, *prevout, row.hashx);
            }
        }
        Ok(Some(output))
    }
}
