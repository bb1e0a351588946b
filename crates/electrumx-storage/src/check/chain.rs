//! Blocks and transactions.

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::coin::Coin;
use electrumx_core::processor::{BulkPhase, Observer};
use electrumx_core::{ChainView as _, StoreError, TxNum, merkle};

use super::Check;
use crate::shared::Shared;

/// Above this many transactions only one in [`SAMPLE`] is looked up by its id: every look-up reads at random.
const ALL: u64 = 20_000_000;

/// See [`ALL`].
const SAMPLE: u64 = 64;

impl<C: Coin, O: Observer> Check<'_, C, O> {
    /// Checks headers, transaction ids and positions of all blocks.
    pub(super) fn chain(&mut self, _: &Shared) -> Result<(), StoreError> {
        let blocks = self.report.tip.map_or(0, |tip| tip.height + 1);
        let mut prev = BlockHash::all_zeros();
        let mut next_tx = 0;
        for height in 0..blocks {
            let hash = self.view.block_hash(height);
            let hash = self.report.take(hash)?.flatten().unwrap_or_else(BlockHash::all_zeros);
            let mut header = Vec::new();
            let read = self.view.headers(height, 1, &mut header, &mut Vec::new());
            self.report.take(read)?;
            let is_whole = self.coin.header_hash(&header) == hash;
            self.report
                .ensure(is_whole, || format!("the header of block {height} is not that of {hash}"));
            let is_linked = header.get(4..36) == Some(prev.as_byte_array());
            self.report
                .ensure(is_linked, || format!("block {height} does not extend the one before"));
            prev = hash;

            let numbers = self.view.block_txs(height);
            self.report.ensure(numbers.start == next_tx, || format!("numbers of block {height}"));
            next_tx = numbers.end;
            let txids = self.view.txids(numbers.clone());
            if let Some(txids) = self.report.take(txids)? {
                let leaves = txids.iter().map(|txid| txid.to_byte_array()).collect();
                let is_committed = merkle::root(leaves) == self.coin.merkle_root(&header);
                self.report.ensure(is_committed, || {
                    format!("transaction ids of block {height} do not match its header")
                });
            }
            self.positions(height, numbers.start, numbers.end)?;
            if !self.step(BulkPhase::Blocks, (height + 1).into(), blocks.into()) {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Transactions of a block follow each other.
    fn positions(&mut self, height: u32, from: u64, to: u64) -> Result<(), StoreError> {
        let mut end = 0;
        for number in from..to {
            let position = self.view.tx_position(TxNum(number));
            let Some(Some(position)) = self.report.take(position)? else { continue };
            let follows = position.offset >= end && position.size > 0;
            self.report.ensure(follows, || format!("position of {number} in block {height}"));
            end = position.offset.saturating_add(position.size);
        }
        Ok(())
    }

    /// Transactions are found by their ids: all, or a sample of many.
    pub(super) fn txid_index(&mut self, shared: &Shared) -> Result<(), StoreError> {
        if self.report.stopped {
            return Ok(());
        }
        let mut found = shared.tables.txid_index.db.len(self.view.txn()).unwrap_or(0);
        if let Some((base, txn)) = self.view.base_tier() {
            let entry = u64::from(base.buckets.width) + 1;
            for row in base.tables.txid_buckets.iter(txn)? {
                let (_, bucket) = row.map_err(crate::failure::backend("read"))?;
                found += bucket.len() as u64 / entry;
            }
        }
        let txs = self.report.txs;
        self.report
            .ensure(found == txs, || format!("{found} of {txs} transactions in the index of ids"));
        let step = if txs > ALL { SAMPLE } else { 1 };
        for number in (0..txs).step_by(usize::try_from(step).unwrap_or(1)) {
            let txid = self.view.txid(TxNum(number));
            if let Some(Some(txid)) = self.report.take(txid)? {
                self.found(number, &txid)?;
            }
            if !self.step(BulkPhase::Txids, number / step + 1, txs.div_ceil(step)) {
                break;
            }
        }
        Ok(())
    }

    fn found(&mut self, number: u64, txid: &Txid) -> Result<(), StoreError> {
        let found = self.view.tx_num(txid);
        let Some(found) = self.report.take(found)? else { return Ok(()) };
        // Two coinbases of before BIP 30 have the id of a later one.
        let is_found = found.is_some_and(|found| found.0 >= number)
            && match found {
                Some(later) if later.0 != number => self.view.txid(later)? == Some(*txid),
                _ => true,
            };
        self.report.ensure(is_found, || format!("{txid}, number {number}, is not found by its id"));
        Ok(())
    }
}
