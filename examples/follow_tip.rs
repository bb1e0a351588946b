//! How is a node's chain followed, through reorganisations too?
//!
//! ```text
//! cargo run -p electrumx-examples --bin follow_tip -- http://user:password@127.0.0.1:18443/ [BLOCKS]
//! ```
//! Indexes a regtest chain in memory and prints each new tip, up to that many if a number is given.
#![expect(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use electrumx_core::coin::{Bitcoin, Network};
use electrumx_core::memory::MemoryStore;
use electrumx_core::processor::{FlushPolicy, Observer, Processor};
use electrumx_core::{BlockId, HashXKey};
use electrumx_daemon::{Daemon, DaemonConfig, NodeUrl, PrefetchConfig, Prefetcher};
use tokio_util::sync::CancellationToken;

/// Told by the processor what it does.
struct Printer;

impl Observer for Printer {
    fn reorganised(&mut self, fork: Option<BlockId>, depth: u32) {
        match fork {
            Some(fork) => println!("{depth} blocks go, back to {fork}"),
            None => println!("all {depth} blocks go"),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: follow_tip NODE_URL [BLOCKS]")?;
    let mut left = arguments.next().map_or(Ok(u32::MAX), |number| number.parse())?;

    // The node's calls run on the runtime, the processor on a plain thread: this one.
    let runtime = tokio::runtime::Runtime::new()?;
    let stop = CancellationToken::new(); // cancel it from elsewhere to end
    let daemon = Daemon::new(DaemonConfig::new(NodeUrl::parse_list(&url, 18443)?), stop)?;
    let mut source = Prefetcher::new(daemon, runtime.handle().clone(), PrefetchConfig::default());

    let store = Arc::new(MemoryStore::new(HashXKey::from_bytes(*b"draw me randomly")));
    let coin = Bitcoin::new(Network::Regtest);
    let mut processor = Processor::new(coin, store, FlushPolicy::default())?;
    while left > 0 {
        let before = processor.tip();
        let synced = processor.sync(&mut source, &mut Printer)?;
        if let Some(tip) = synced.tip.filter(|tip| Some(*tip) != before) {
            println!("tip {tip}, {} transactions so far", processor.tx_count());
            left -= 1;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}
