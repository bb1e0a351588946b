//! How large a chain is to be.

use serde::{Deserialize, Serialize};

/// Size and seed of a generated chain; the same shape gives the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Blocks after the genesis block.
    pub blocks: u32,
    /// Transactions of each later block, its coinbase left out; fewer when its weight is at the limit (about 3,400).
    pub txs_per_block: u32,
    /// Seed of everything.
    pub seed: u64,
    /// First blocks that hold only a coinbase; a hundred at least, since coinbases have to mature.
    #[serde(default = "first_hundred")]
    pub quiet_blocks: u32,
    /// Of 1,000 outputs so many pay to one script more, the busy one.
    #[serde(default)]
    pub busy_permille: u32,
}

const fn first_hundred() -> u32 {
    100
}

impl Shape {
    /// Outputs of each of the first hundred coinbases: what later blocks live on.
    pub(super) fn funding(&self) -> u64 {
        // The bounds keep small chains alive and the coinbases below the weight of a block.
        u64::from(self.txs_per_block * 2 / 3).clamp(20, 10_000)
    }
}

impl Default for Shape {
    /// A chain of about 30 MB with blocks like main network's.
    fn default() -> Self {
        Self {
            blocks: 120,
            txs_per_block: 3_100,
            seed: 1,
            quiet_blocks: first_hundred(),
            busy_permille: 0,
        }
    }
}
