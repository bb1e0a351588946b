//! Which chain, on the command line.

use clap::Args;

use crate::Shape;

/// The options that choose a chain.
#[derive(Args, Clone, Copy, Debug)]
pub struct ChainArgs {
    /// Blocks after the genesis block; the first ones hold a coinbase only.
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
    /// First blocks with a coinbase only.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(100..))]
    pub quiet_blocks: u32,
    /// Of 1,000 outputs so many pay to one script more, the busy one.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=500))]
    pub busy_permille: u32,
}

impl ChainArgs {
    /// The chain's shape.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        Shape {
            blocks: self.blocks,
            txs_per_block: self.txs,
            seed: self.seed,
            quiet_blocks: self.quiet_blocks,
            busy_permille: self.busy_permille,
        }
    }
}
