//! Writes a deterministic chain, valid for a regtest node, as block files.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use electrumx_benches::{BlockDir, ChainArgs};

/// Writes a deterministic chain, valid for a regtest node, as block files into a folder. A folder that holds the
/// same chain already is left as it is.
#[derive(Parser)]
struct Args {
    /// The folder.
    dir: PathBuf,
    #[command(flatten)]
    chain: ChainArgs,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let started = Instant::now();
    let blocks = BlockDir::open_or_generate(&args.dir, args.chain.shape(), args.chain.xor)?;
    println!("{}", serde_json::to_string_pretty(&blocks.totals())?);
    println!("tip {} after {:.1} s", blocks.tip(), started.elapsed().as_secs_f64());
    Ok(())
}
