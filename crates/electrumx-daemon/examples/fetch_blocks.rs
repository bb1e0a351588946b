//! Fetches blocks as the server does and tells how fast they come.
//!
//! ```text
//! cargo run --release -p electrumx-daemon --example fetch_blocks -- http://user:password@127.0.0.1:8332/ 800000 800999 rpc
//! ```
//! The last argument is optional and keeps it from using REST.
#![expect(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::time::Instant;

use electrumx_core::BlockSource as _;
use electrumx_daemon::{Daemon, DaemonConfig, NodeUrl, PrefetchConfig, Prefetcher};
use tokio_util::sync::CancellationToken;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, from, to, transport @ ..] = &arguments[..] else {
        return Err("usage: fetch_blocks URL FROM TO [rpc]".into());
    };
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Runtime::new()?;
    let mut config = DaemonConfig::new(NodeUrl::parse_list(url, 8332)?);
    config.rest = transport.is_empty();
    let daemon = Daemon::new(config, CancellationToken::new())?;
    let mut source = Prefetcher::new(daemon, runtime.handle().clone(), PrefetchConfig::default());

    let start = Instant::now();
    let (mut blocks, mut bytes) = (0_u64, 0);
    source.start(from.parse()?, to.parse()?);
    while let Some(block) = source.next_block()? {
        blocks += 1;
        bytes += block.bytes.len();
    }
    let secs = start.elapsed().as_secs_f64();
    println!("{blocks} blocks, {bytes} bytes, {secs:.2} s");
    Ok(())
}
