//! Measures what a server does with a mempool and with subscribers; see docs/performance.md.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

mod crowd;
mod feed;
mod large;
mod process;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures a server beside a node with a large mempool, and beside a real one (`scripts/get-bitcoind`).
#[derive(Parser)]
struct Args {
    /// The server's executable.
    #[arg(default_value = "target/release/electrumx-server")]
    server: PathBuf,
    /// What to measure; all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Blocks that are confirmed, of a generated chain.
    #[arg(long, default_value_t = 200)]
    blocks: u32,
    /// Blocks after them whose transactions are in the mempool; about 3,100 each.
    #[arg(long, default_value_t = 97)]
    pool_blocks: u32,
    /// Sessions, with ten subscriptions each.
    #[arg(long, default_value_t = 5_000)]
    sessions: usize,
    /// Sessions that are told of a block.
    #[arg(long, default_value_t = 2_000)]
    told: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The first load of a large mempool, and what it takes.
    Load,
    /// A wallet's subscriptions, of a server just started and of one that knows its scripts.
    Wallet,
    /// Idle sessions and their subscriptions.
    Sessions,
    /// From the node to a client, with a real node.
    Feed,
    /// A block and many sessions, with a real node.
    Block,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let is_wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let runtime = tokio::runtime::Runtime::new()?;
    if [Part::Load, Part::Wallet, Part::Sessions].into_iter().any(is_wanted) {
        let mut large = large::Large::start(&args)?;
        large.load(is_wanted(Part::Load))?;
        if is_wanted(Part::Wallet) {
            large.wallet(&runtime)?;
        }
        if is_wanted(Part::Sessions) {
            runtime.block_on(large.sessions(args.sessions))?;
        }
    }
    if is_wanted(Part::Feed) {
        feed::measure(&args.server)?;
    }
    if is_wanted(Part::Block) {
        runtime.block_on(crowd::measure(&args.server, args.told))?;
    }
    Ok(())
}
