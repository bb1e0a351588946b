//! Confirmed transactions out of the node's block files: no call of the node, which would need its `txindex` or read the
//! whole block.

use std::sync::Arc;

use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::coin::{Bitcoin, Coin as _};
use electrumx_core::{Index, TxPosition};
use electrumx_daemon::BlockFiles;
use tokio::sync::Semaphore;

/// Transactions read at once: the rest of the blocking threads are for the index.
const READERS: usize = 8;

/// Largest transaction that is read on a thread of the runtime, in bytes: some 20 µs if the system has it in memory.
const AT_ONCE: u32 = 20_000;

/// Reads transactions at the places that the index knows.
pub(crate) struct TxFiles {
    coin: Bitcoin,
    files: Arc<BlockFiles<Bitcoin>>,
    index: Arc<dyn Index>,
    readers: Semaphore,
}

impl TxFiles {
    pub(crate) fn new(
        coin: Bitcoin,
        files: Arc<BlockFiles<Bitcoin>>,
        index: Arc<dyn Index>,
    ) -> Self {
        Self { coin, files, index, readers: Semaphore::new(READERS) }
    }

    /// Returns a transaction of a block, given its place; `None` when the files do not serve, or when it is too large to be read
    /// at once.
    pub(crate) fn at_once(
        &self,
        txid: &Txid,
        block: &BlockHash,
        place: TxPosition,
    ) -> Option<Vec<u8>> {
        if place.size > AT_ONCE {
            return None;
        }
        // What goes wrong is told by the other way, which is tried then.
        read_at(self.coin, &self.files, txid, block, place).ok()?
    }

    /// Returns a transaction of a block; `None` when the files do not serve, whatever the reason.
    pub(crate) async fn transaction(&self, txid: Txid, block: BlockHash) -> Option<Vec<u8>> {
        let _permit = self.readers.acquire().await.ok()?;
        let (coin, files, index) = (self.coin, Arc::clone(&self.files), Arc::clone(&self.index));
        let read = move || read(coin, &files, &*index, &txid, &block);
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => {
                tracing::debug!("transaction {txid} is not read from the block files: {error:#}");
                None
            }
            Err(error) => {
                tracing::error!(%error, "reading a transaction panicked; this is a bug");
                None
            }
        }
    }
}

fn read(
    coin: Bitcoin,
    files: &BlockFiles<Bitcoin>,
    index: &dyn Index,
    txid: &Txid,
    block: &BlockHash,
) -> anyhow::Result<Option<Vec<u8>>> {
    let view = index.view()?;
    let Some(number) = view.tx_num(txid)? else { return Ok(None) };
    let Some(height) = view.height_of(number) else { return Ok(None) };
    // The chain may have been reorganised since the caller looked.
    if view.block_hash(height)? != Some(*block) {
        return Ok(None);
    }
    let Some(place) = view.tx_position(number)? else { return Ok(None) };
    drop(view);
    read_at(coin, files, txid, block, place)
}

fn read_at(
    coin: Bitcoin,
    files: &BlockFiles<Bitcoin>,
    txid: &Txid,
    block: &BlockHash,
    place: TxPosition,
) -> anyhow::Result<Option<Vec<u8>>> {
    let Some(raw) = files.part(block, place.offset, place.size)? else { return Ok(None) };
    anyhow::ensure!(coin.txid(&raw)? == *txid, "another one is at its place");
    Ok(Some(raw))
}
