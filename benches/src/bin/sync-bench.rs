//! Indexes a generated chain into LMDB and reports what it cost.
#![expect(clippy::print_stdout, reason = "the report is the purpose of the program")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use electrumx_benches::{GeneratedChain, Shape, Usage};
use electrumx_core::block::ParsedTxs;
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_core::{HashXKey, Index as _, RawBlock};
use electrumx_storage::{Identity, LmdbStore, Options};

/// Indexes a generated chain into LMDB and prints what it cost.
#[derive(Parser)]
struct Args {
    /// Blocks after the genesis block.
    #[arg(long, default_value_t = 200)]
    blocks: u32,
    /// Transactions of a block.
    #[arg(long, default_value_t = 2_500)]
    txs: u32,
    /// Memory budget in MiB.
    #[arg(long, default_value_t = 512)]
    cache_mb: usize,
    /// Folder for the index; a temporary one when not given.
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let shape = Shape { blocks: args.blocks, txs_per_block: args.txs, ..Shape::default() };
    let temp = tempfile::tempdir()?;
    let dir = args.dir.unwrap_or_else(|| temp.path().join("db"));
    let coin = Bitcoin::new(Network::Regtest);

    // The blocks are made first, so that making them is in no figure. They stay in memory: choose a
    // chain that fits.
    let blocks: Vec<RawBlock> = GeneratedChain::new(shape).collect();
    let bytes: u64 = blocks.iter().map(|block| block.bytes.len() as u64).sum();

    let before = Usage::now()?;
    let mut txs = 0_u64;
    for block in &blocks {
        let (_, parsed) = ParsedTxs::of_block(&coin, HashXKey::from_bytes([0; 16]), &block.bytes)?;
        txs += parsed.iter().len() as u64;
    }
    let floor = Usage::now()?;
    let floor_cpu = floor.cpu - before.cpu;

    let store = Arc::new(LmdbStore::open(&dir, &identity(coin), Options::default())?);
    let policy = FlushPolicy::with_budget(args.cache_mb << 20);
    let mut processor = Processor::new(coin, Arc::clone(&store), policy)?;
    let mut pending = 0;
    for block in &blocks {
        processor.advance(block)?;
        pending += block.bytes.len();
        if pending > policy.pending_bytes {
            processor.flush()?;
            pending = 0;
        }
    }
    processor.flush()?;
    let after = Usage::now()?;
    let view = store.view()?;
    anyhow::ensure!(
        view.tx_count() == txs,
        "the index has {} of {txs} transactions",
        view.tx_count()
    );
    drop(view);

    let cpu = after.cpu - floor.cpu;
    let disk = disk_bytes(&dir).context("cannot measure the index")?;
    println!("chain      {} blocks, {txs} transactions, {:.1} MB", blocks.len(), mega(bytes));
    println!(
        "floor      {:.2} CPU s (one thread: parse, txids, script hashes, merkle roots)",
        floor_cpu.as_secs_f64()
    );
    println!(
        "index      {:.2} CPU s = {:.2} x the floor, {:.2} s wall",
        cpu.as_secs_f64(),
        ratio(cpu, floor_cpu),
        (after.at - floor.at).as_secs_f64()
    );
    println!(
        "rate       {:.0} transactions per CPU second, {:.0} blocks per CPU second",
        per_second(txs, cpu),
        per_second(blocks.len() as u64, cpu)
    );
    println!("disk       {:.1} MB, {:.1} bytes a transaction", mega(disk), per(disk, txs));
    println!("peak RSS   {:.1} MB, the chain itself included", mega(after.peak_rss));
    Ok(())
}

fn identity(coin: Bitcoin) -> Identity {
    let chain = coin.chain();
    Identity { coin: chain.coin.into(), net: chain.net.into(), genesis: chain.genesis_hash() }
}

/// Bytes the folder's files take on disk.
fn disk_bytes(dir: &Path) -> std::io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        bytes += entry?.metadata()?.blocks() * 512;
    }
    Ok(bytes)
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn per(amount: u64, count: u64) -> f64 {
    amount as f64 / count.max(1) as f64
}

fn mega(bytes: u64) -> f64 {
    per(bytes, 1_000_000)
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64().max(1e-9)
}

fn per_second(count: u64, time: Duration) -> f64 {
    per(count, 1) / time.as_secs_f64().max(1e-9)
}
