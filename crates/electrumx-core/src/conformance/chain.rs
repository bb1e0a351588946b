//! Chains made of edge cases.

use std::collections::BTreeSet;

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Txid};

use super::rng::Rng;
use crate::delta::{BlockDelta, Spend};
use crate::hash::HashX;
use crate::position::{BlockId, OutputNum, TxNum};
use crate::store::{OutputRow, TxPosition};

/// Output indexes around the steps of likely encodings.
const VOUTS: [u32; 14] = [
    0,
    1,
    2,
    127,
    128,
    252,
    253,
    254,
    0xffff,
    0x1_0000,
    0xff_ffff,
    0x100_0000,
    u32::MAX - 1,
    u32::MAX,
];

/// Values around the steps of likely encodings; the last is in no valid block.
const VALUES: [u64; 8] =
    [0, 1, 127, 128, 1 << 32, 5_000_000_000, 21_000_000 * 100_000_000, u64::MAX];

/// Transactions of a block; the larger numbers cross the rows of packed tables.
const TXS: [usize; 10] = [1, 1, 1, 2, 3, 5, 20, 126, 260, 600];

/// A generator of blocks that extend each other; it knows what is unspent.
///
/// Blocks have transactions without indexed outputs and without inputs, outputs spent in their own
/// block (also by a transaction before theirs, as with canonical order on Bitcoin Cash), txids that
/// share their first bytes, coinbases with the txid of an earlier one, headers of several lengths, and
/// outputs, values and scripts at the edges of their range.
#[derive(Clone, Debug)]
pub struct TestChain {
    rng: Rng,
    unspent: BTreeSet<OutputNum>,
    txids: Vec<Txid>,
    coinbases: Vec<Txid>,
    blocks: Vec<BlockDelta>,
}

impl TestChain {
    /// Starts an empty chain.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            unspent: BTreeSet::new(),
            txids: Vec::new(),
            coinbases: Vec::new(),
            blocks: Vec::new(),
        }
    }

    /// Makes a chain of so many blocks.
    #[must_use]
    pub fn with_blocks(seed: u64, count: usize) -> Vec<BlockDelta> {
        let mut chain = Self::new(seed);
        chain.extend(count);
        chain.blocks
    }

    /// Continues a chain on its own from the given blocks on.
    #[must_use]
    pub fn after(blocks: &[BlockDelta], seed: u64) -> Self {
        let mut chain = Self::new(seed);
        for block in blocks {
            chain.push(block.clone());
        }
        chain
    }

    /// Returns the blocks so far.
    #[must_use]
    pub fn blocks(&self) -> &[BlockDelta] {
        &self.blocks
    }

    /// Adds blocks of random size.
    pub fn extend(&mut self, count: usize) {
        for _ in 0..count {
            let txs = self.rng.pick(&TXS);
            self.block(txs);
        }
    }

    /// Adds a block of so many transactions and returns it.
    pub fn block(&mut self, txs: usize) -> &BlockDelta {
        let height = u32::try_from(self.blocks.len()).expect("a test chain is short");
        let first = self.txids.len() as u64;
        let (txids, outputs) = (self.some_txids(txs), self.some_outputs(first, txs));
        let block = BlockDelta {
            id: BlockId { height, hash: BlockHash::from_byte_array(self.rng.bytes()) },
            header: self.some_header(),
            first_tx_num: TxNum(first),
            positions: self.some_positions(txs),
            spends: self.some_spends(first, txs, &outputs),
            txids,
            outputs,
        };
        self.push(block);
        self.blocks.last().expect("it was pushed")
    }

    fn push(&mut self, block: BlockDelta) {
        self.unspent.extend(block.outputs.iter().map(|(output, _)| *output));
        for spend in &block.spends {
            self.unspent.remove(&spend.output);
        }
        self.txids.extend(&block.txids);
        self.coinbases.extend(block.txids.first());
        self.blocks.push(block);
    }

    fn some_header(&mut self) -> Vec<u8> {
        let mut header = self.rng.bytes::<80>().to_vec();
        header.resize(self.rng.pick(&[80, 80, 80, 181, 1487, 5000]), 0x5a);
        header
    }

    fn some_txids(&mut self, txs: usize) -> Vec<Txid> {
        let mut txids = Vec::with_capacity(txs);
        for index in 0..txs {
            let mut bytes: [u8; 32] = self.rng.bytes();
            if index == 0 && !self.coinbases.is_empty() && self.rng.once_in(4) {
                bytes = self.rng.pick(&self.coinbases).to_byte_array();
            } else if !self.txids.is_empty() && self.rng.once_in(8) {
                let shared = self.rng.pick(&[1, 2, 8, 31]);
                let other = self.rng.pick(&self.txids).to_byte_array();
                bytes[..shared].copy_from_slice(&other[..shared]);
            }
            txids.push(Txid::from_byte_array(bytes));
        }
        txids
    }

    fn some_positions(&mut self, txs: usize) -> Vec<TxPosition> {
        let mut offset = 81;
        let mut positions = Vec::with_capacity(txs);
        for _ in 0..txs {
            let size = self.rng.pick(&[60, 127, 128, 250, 400, 16_383, 16_384, 100_000]);
            positions.push(TxPosition { offset, size });
            offset += size + if self.rng.once_in(50) { 7 } else { 0 };
        }
        positions
    }

    fn some_outputs(&mut self, first: u64, txs: usize) -> Vec<(OutputNum, OutputRow)> {
        let mut outputs = Vec::new();
        for tx_num in (first..).map(TxNum).take(txs) {
            let vouts: BTreeSet<u32> =
                (0..self.rng.below(5)).map(|_| self.rng.pick(&VOUTS)).collect();
            for vout in vouts {
                let row = OutputRow { hashx: self.some_hashx(), value: self.rng.pick(&VALUES) };
                outputs.push((OutputNum { tx_num, vout }, row));
            }
        }
        outputs
    }

    /// One of a few scripts, so that lists get long; some are neighbours in byte order.
    fn some_hashx(&mut self) -> HashX {
        let mut bytes = [self.rng.pick(&[0, 1, 0x7f, 0xff]); HashX::LEN];
        bytes[HashX::LEN - 1] = self.rng.pick(&[0, 1, 0xfe, 0xff]);
        if self.rng.once_in(3) {
            bytes = self.rng.bytes();
        }
        HashX::from_bytes(bytes)
    }

    fn some_spends(
        &mut self,
        first: u64,
        txs: usize,
        outputs: &[(OutputNum, OutputRow)],
    ) -> Vec<Spend> {
        let mut spendable: Vec<OutputNum> = self.unspent.iter().copied().collect();
        spendable.extend(outputs.iter().map(|(output, _)| *output));
        let mut spends = Vec::new();
        for by in (first..).map(TxNum).take(txs).skip(1) {
            for _ in 0..self.rng.below(4) {
                if spendable.is_empty() {
                    break;
                }
                let output = spendable.swap_remove(self.rng.below(spendable.len()));
                if output.tx_num != by {
                    spends.push(Spend { output, by });
                }
            }
        }
        spends
    }
}
