//! How is an index on disk opened and read without the server?
//!
//! ```text
//! cargo run -p electrumx-examples --bin open_store -- DB_DIRECTORY NET [SCRIPTHASH]
//! ```
//! The server must not be running on it. Without arguments: on a new index that holds block 0 of regtest.
#![expect(clippy::print_stdout, reason = "a program's output")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use electrumx_core::bitcoin::consensus::serialize;
use electrumx_core::bitcoin::constants::genesis_block;
use electrumx_core::coin::{Bitcoin, Coin as _};
use electrumx_core::history::{balance, history_tx_nums};
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_core::{Index as _, RawBlock, ScriptHash};
use electrumx_storage::{LmdbStore, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [] => {
            let dir = tempfile::tempdir()?;
            make(dir.path())?;
            show(dir.path(), "regtest", None)
        }
        [dir, net] => show(Path::new(dir), net, None),
        [dir, net, scripthash] => show(Path::new(dir), net, Some(scripthash.parse()?)),
        _ => Err("usage: open_store DB_DIRECTORY NET [SCRIPTHASH]".into()),
    }
}

/// An index of another coin or network is refused.
fn open(dir: &Path, net: &str) -> Result<(Bitcoin, LmdbStore), Box<dyn Error>> {
    let coin = Bitcoin::on(net).ok_or("no such network")?;
    Ok((coin, LmdbStore::open(dir, &coin.chain().into(), Options::default())?))
}

fn make(dir: &Path) -> Result<(), Box<dyn Error>> {
    let (coin, store) = open(dir, "regtest")?;
    let mut processor = Processor::new(coin, Arc::new(store), FlushPolicy::default())?;
    let genesis = genesis_block(electrumx_core::bitcoin::Network::Regtest);
    processor.advance(&RawBlock { height: 0, bytes: serialize(&genesis) })?;
    processor.flush()?;
    Ok(())
}

fn show(dir: &Path, net: &str, scripthash: Option<ScriptHash>) -> Result<(), Box<dyn Error>> {
    let (_, store) = open(dir, net)?;
    let view = store.view()?;
    match view.tip() {
        Some(tip) => println!("{} transactions up to block {tip}", view.tx_count()),
        None => println!("nothing yet"),
    }
    if let Some(scripthash) = scripthash {
        let outputs = view.script_outputs(&store.hashx_key().hashx(&scripthash), 1_000_000)?;
        let history = history_tx_nums(&outputs);
        println!("{} sat, {} transactions", balance(&outputs), history.len());
    }
    Ok(())
}
