//! The node's mempool as it lists it.

use std::time::Duration;

use electrumx_core::bitcoin::BlockHash;
use electrumx_daemon::{DaemonError, MempoolInfo, SequencedMempool};
use tokio::time::Instant;

use super::MempoolView;

/// A listing.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The node's tip right after it. If it was the same before, the listing is of this tip.
    pub(super) tip: BlockHash,
    /// What the node said of its mempool just before.
    pub(super) info: MempoolInfo,
    pub(super) mempool: SequencedMempool,
    pub(super) took: Duration,
}

impl MempoolView {
    /// Lists the node's mempool while a block is still being indexed; `None` if that cannot be done just now.
    pub(crate) async fn list_ahead(&self) -> Option<Listing> {
        let listing = async {
            let before = self.daemon.best_block_hash().await?;
            let info = self.daemon.mempool_info().await?;
            let listing = if info.loaded { self.list(info).await? } else { None };
            Ok(listing.filter(|listing| listing.tip == before))
        };
        listing.await.unwrap_or_else(|err: DaemonError| {
            tracing::debug!("the mempool cannot be listed ahead: {err:#}");
            None
        })
    }

    /// Lists the node's mempool, of which it just said `info`; `None` while the node is loading it.
    ///
    /// A node that is restarted between two calls has an empty mempool at first, and then a part of it. So it is asked
    /// once more afterwards whether it is loading, and listed again if it looks like another node than before.
    pub(super) async fn list(&self, info: MempoolInfo) -> Result<Option<Listing>, DaemonError> {
        self.broadcasts.listing_begins();
        let began = Instant::now();
        let mut is_second = false;
        loop {
            let mempool = self.daemon.sequenced_mempool().await?;
            if !self.daemon.mempool_info().await?.loaded {
                return Ok(None);
            }
            let is_emptied = mempool.txids.is_empty() && !self.pool.read().is_empty();
            let is_trusted = !is_emptied && self.standing.lock().is_later(mempool.sequence);
            if is_trusted || is_second {
                let took = began.elapsed();
                let tip = self.daemon.best_block_hash().await?;
                return Ok(Some(Listing { tip, info, mempool, took }));
            }
            is_second = true;
        }
    }
}
