//! What is kept in memory of every block: how many transactions there are up to its end.

use std::ops::Range;
use std::sync::Arc;

use electrumx_core::{BlockId, Height, TxNum};

/// Blocks in a shared chunk: a commit copies at most this many numbers (32 kB).
const CHUNK: usize = 4096;

/// Tip and cumulative transaction counts of one state of the index; 8 bytes a block.
///
/// States share their full chunks, so a commit costs neither time nor memory in the chain's length.
#[derive(Clone, Default, Debug)]
pub(crate) struct Chain {
    tip: Option<BlockId>,
    chunks: Vec<Arc<[u64]>>,
    tail: Vec<u64>,
}

impl Chain {
    pub(crate) fn tip(&self) -> Option<BlockId> {
        self.tip
    }

    /// Returns the number of blocks.
    pub(crate) fn len(&self) -> usize {
        self.chunks.len() * CHUNK + self.tail.len()
    }

    /// Returns the number of transactions in the blocks below `height`, which must not exceed `len`.
    pub(crate) fn txs_below(&self, height: usize) -> Option<u64> {
        let Some(last) = height.checked_sub(1) else { return Some(0) };
        match self.chunks.get(last / CHUNK) {
            Some(chunk) => chunk.get(last % CHUNK).copied(),
            None => self.tail.get(last - self.chunks.len() * CHUNK).copied(),
        }
    }

    pub(crate) fn tx_count(&self) -> u64 {
        self.txs_below(self.len()).unwrap_or(0)
    }

    pub(crate) fn block_txs(&self, height: Height) -> Range<u64> {
        let height = height as usize;
        match (self.txs_below(height), self.txs_below(height.saturating_add(1))) {
            (Some(start), Some(end)) => start..end,
            _ => 0..0,
        }
    }

    pub(crate) fn height_of(&self, TxNum(number): TxNum) -> Option<Height> {
        let full =
            self.chunks.partition_point(|chunk| chunk.last().is_none_or(|&end| end <= number));
        let chunk = self.chunks.get(full).map_or(&*self.tail, |chunk| chunk);
        let index = chunk.partition_point(|&end| end <= number);
        (index < chunk.len()).then(|| u32::try_from(full * CHUNK + index).ok())?
    }

    /// Returns the state after more blocks, given the cumulative count at each one's end.
    pub(crate) fn extended(&self, ends: impl IntoIterator<Item = u64>, tip: BlockId) -> Self {
        let mut next = self.clone();
        for end in ends {
            next.tail.push(end);
            if next.tail.len() == CHUNK {
                next.chunks.push(next.tail.as_slice().into());
                next.tail.clear();
            }
        }
        next.tip = Some(tip);
        next
    }

    /// Returns the state with only the first `len` blocks.
    pub(crate) fn truncated(&self, len: usize, tip: Option<BlockId>) -> Self {
        let (full, rest) = (len / CHUNK, len % CHUNK);
        let tail = self.chunks.get(full).map_or(&*self.tail, |chunk| chunk);
        let tail = tail[..rest.min(tail.len())].to_vec();
        Self { tip, chunks: self.chunks[..full.min(self.chunks.len())].to_vec(), tail }
    }
}

#[cfg(test)]
mod tests {
    use electrumx_core::bitcoin::BlockHash;
    use electrumx_core::bitcoin::hashes::Hash as _;

    use super::*;

    fn chain(blocks: u32) -> Chain {
        let tip = BlockId { height: blocks.saturating_sub(1), hash: BlockHash::all_zeros() };
        Chain::default().extended((1..=u64::from(blocks)).map(|block| block * 2), tip)
    }

    #[test]
    fn numbers_and_heights_agree_across_chunks() {
        let chain = chain(10_000);
        assert_eq!((chain.len(), chain.tx_count()), (10_000, 20_000));
        for height in [0, 1, 4094, 4095, 4096, 4097, 8191, 8192, 9999_u32] {
            let first = u64::from(height) * 2;
            assert_eq!(chain.block_txs(height), first..first + 2);
            assert_eq!(chain.height_of(TxNum(first)), Some(height));
            assert_eq!(chain.height_of(TxNum(first + 1)), Some(height));
        }
        assert_eq!(chain.block_txs(10_000), 0..0);
        assert_eq!(chain.block_txs(u32::MAX), 0..0);
        assert_eq!(chain.height_of(TxNum(20_000)), None);
        assert_eq!(chain.height_of(TxNum(u64::MAX)), None);
    }

    #[test]
    fn truncation_inverts_extension_and_leaves_older_states_alone() {
        for len in [0, 1, 4095, 4096, 4097, 8192, 9999] {
            let whole = chain(10_000);
            let cut = whole.truncated(len, None);
            assert_eq!((cut.len(), cut.tx_count()), (len, 2 * len as u64));
            let short = chain(u32::try_from(len).unwrap());
            assert_eq!((cut.chunks, cut.tail), (short.chunks, short.tail));
            assert_eq!(whole.tx_count(), 20_000);
        }
    }

    #[test]
    fn an_empty_chain_has_nothing() {
        let chain = Chain::default();
        assert_eq!((chain.len(), chain.tx_count(), chain.tip()), (0, 0, None));
        assert_eq!(chain.block_txs(0), 0..0);
        assert_eq!(chain.height_of(TxNum(0)), None);
    }
}
