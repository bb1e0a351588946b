//! Which chain, on the command line.

use clap::Args;

use crate::Shape;

/// The options that choose a chain.
#[derive(Args, Clone, Copy, Debug)]
pub struct ChainArgs {
    /// Blocks after the genesis block; the first hundred hold a coinbase only.
    #[arg(long, default_value_t = 300)]
    pub blocks: u32,
    /// Transactions of each later block.
    #[arg(long, default_value_t = 3_100)]
    pub txs: u32,
    /// Seed of everything.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Obfuscate the block files with a key, as Core 28 and later does.
    #[arg(long)]
    pub xor: bool,
}

impl ChainArgs {
    /// The chain's shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        Shape { blocks: self.blocks, txs_per_block: self.txs, seed: self.seed }
    }
}
