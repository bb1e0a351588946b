//! A small index on disk, for benches that read one.

use std::sync::Arc;

use electrumx_core::RawBlock;
use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::processor::{FlushPolicy, Processor};
use electrumx_storage::{LmdbStore, Options};
use tempfile::TempDir;

/// An index of some blocks, in a temporary folder that goes with it.
#[derive(Debug)]
pub struct Indexed {
    /// The index.
    pub store: Arc<LmdbStore>,
    /// What writes it.
    pub processor: Processor<Bitcoin, LmdbStore>,
    _dir: TempDir,
}

impl Indexed {
    /// Indexes blocks.
    ///
    /// # Errors
    /// When the disk fails or the blocks are no chain.
    pub fn new(blocks: &[RawBlock]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let coin = Bitcoin::new(Network::Regtest);
        let store =
            LmdbStore::open(&dir.path().join("db"), &coin.chain().into(), Options::default())?;
        let store = Arc::new(store);
        let mut processor = Processor::new(coin, Arc::clone(&store), FlushPolicy::default())?;
        for block in blocks {
            processor.advance(block)?;
        }
        processor.flush()?;
        Ok(Self { store, processor, _dir: dir })
    }
}
