//! Reads the best chain out of a node's block files, without the node, and tells how fast that goes.
//!
//! ```text
//! cargo run --release -p electrumx-daemon --example read_block_files -- mainnet ~/.bitcoin/blocks
//! ```
#![expect(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use electrumx_core::BlockSource as _;
use electrumx_core::coin::Bitcoin;
use electrumx_daemon::{BlockFiles, FilesAlone, PrefetchConfig};
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [net, dir] = &arguments[..] else { return Err("usage: read_block_files NET DIR".into()) };
    let coin = Bitcoin::on(net).ok_or("unknown network")?;
    let files = Arc::new(BlockFiles::open(coin, dir)?);
    let queue_bytes = PrefetchConfig::default().queue_bytes;
    let stop = CancellationToken::new();
    let mut source = FilesAlone::new(Arc::clone(&files), queue_bytes, |_| {}, stop);

    let start = Instant::now();
    let tip = source.tip()?.id;
    println!("{} blocks in the files, {:.2?}", files.len(), start.elapsed());
    println!("best chain: {tip}");

    let start = Instant::now();
    let (mut blocks, mut bytes) = (0_u64, 0);
    source.start(0, tip.height);
    while let Some(block) = source.next_block()? {
        blocks += 1;
        bytes += block.bytes.len();
    }
    let secs = start.elapsed().as_secs_f64();
    println!("{blocks} blocks, {bytes} bytes, {secs:.2} s");
    Ok(())
}
