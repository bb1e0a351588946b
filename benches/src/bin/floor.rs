//! Measures the floor alone: what one thread needs to read, parse and hash a chain.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

use std::path::PathBuf;

use clap::Parser;
use electrumx_benches::{BlockDir, ChainArgs, Meter, floor};

/// Reads, parses and hashes a chain with one thread and prints what it cost.
#[derive(Parser)]
struct Args {
    /// Folder of the chain's block files; made when it does not exist.
    dir: PathBuf,
    #[command(flatten)]
    chain: ChainArgs,
    /// How many times.
    #[arg(long, default_value_t = 3)]
    runs: u32,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let blocks = BlockDir::open_or_generate(&args.dir, args.chain.shape(), args.chain.xor)?;
    let mut meter = Meter::start()?;
    for _ in 0..args.runs {
        let (txs, mixed) = floor(&blocks)?;
        let cost = meter.lap("floor")?;
        println!(
            "{txs} transactions ({mixed:016x}): {:.2} CPU s, {:.2} s wall",
            cost.cpu_secs, cost.wall_secs
        );
    }
    Ok(())
}
