//! What places a block in the chain.

use bitcoin::{BlockHash, CompactTarget, Target};

/// What a header says of its place in the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainLink {
    /// The block's hash.
    pub hash: BlockHash,
    /// The hash of the block it extends.
    pub prev_hash: BlockHash,
    /// What its proof of work had to meet.
    pub target: CompactTarget,
}

impl ChainLink {
    /// Returns how many hashes a block with this target takes on average: the best chain has the largest sum.
    ///
    /// Bitcoin's whole chain is below 2^97; what is beyond 2^128 counts as that much.
    #[must_use]
    pub fn work(target: CompactTarget) -> u128 {
        let work = Target::from_compact(target).to_work().to_be_bytes();
        let (high, low) = work.split_at(16);
        match low.try_into() {
            Ok(low) if high.iter().all(|&byte| byte == 0) => u128::from_be_bytes(low),
            _ => u128::MAX,
        }
    }
}
