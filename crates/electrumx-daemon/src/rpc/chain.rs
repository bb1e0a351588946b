//! The node's best chain.

use std::ops::Range;

use bitcoin::BlockHash;
use electrumx_core::{BlockId, Height};
use serde::Deserialize;

use super::values::HashHex;
use super::{NOT_FOUND, OUT_OF_RANGE};
use crate::{Daemon, DaemonError};

/// State of the node's chain (`getblockchaininfo`, 0.9).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockchainInfo {
    /// What the node calls the network: `main`, `test`, `testnet4`, `signet`, `regtest`.
    pub chain: String,
    /// The last block of the best chain.
    pub tip: BlockId,
    /// Height of the best header; above the tip while the node catches up.
    pub headers: Height,
    /// Whether the node considers itself still catching up (0.16).
    pub initial_block_download: bool,
    /// Whether the node throws old blocks away.
    pub pruned: bool,
}

#[derive(Deserialize)]
struct Wire {
    chain: String,
    blocks: Height,
    headers: Height,
    bestblockhash: HashHex,
    #[serde(default)]
    initialblockdownload: bool,
    #[serde(default)]
    pruned: bool,
}

/// Heights asked for in one request.
const BATCH: u32 = 1000;
/// Nodes refuse larger numbers.
const MAX_HEIGHT: Height = i32::MAX.unsigned_abs();

impl Daemon {
    /// Returns the state of the node's chain (`getblockchaininfo`). Patient.
    ///
    /// # Errors
    /// When the work is cancelled or the reply makes no sense.
    pub async fn blockchain_info(&self) -> Result<BlockchainInfo, DaemonError> {
        let wire: Wire = self.call_patient("getblockchaininfo", [(); 0]).await?;
        Ok(BlockchainInfo {
            chain: wire.chain,
            tip: BlockId { height: wire.blocks, hash: wire.bestblockhash.into() },
            headers: wire.headers,
            initial_block_download: wire.initialblockdownload,
            pruned: wire.pruned,
        })
    }

    /// Returns the hash of the tip (`getbestblockhash`, 0.9). Patient; cheap enough to poll.
    ///
    /// # Errors
    /// When the work is cancelled or the reply makes no sense.
    pub async fn best_block_hash(&self) -> Result<BlockHash, DaemonError> {
        Ok(self.call_patient::<HashHex>("getbestblockhash", [(); 0]).await?.into())
    }

    /// Returns the height of the tip (`getblockcount`). Patient.
    ///
    /// # Errors
    /// When the work is cancelled or the reply makes no sense.
    pub async fn block_count(&self) -> Result<Height, DaemonError> {
        self.call_patient("getblockcount", [(); 0]).await
    }

    /// Returns the hash at a height of the best chain (`getblockhash`); `None` above the tip. Patient.
    ///
    /// # Errors
    /// When the work is cancelled or the reply makes no sense.
    pub async fn block_hash(&self, height: Height) -> Result<Option<BlockHash>, DaemonError> {
        if height > MAX_HEIGHT {
            return Ok(None);
        }
        present(self.call_patient::<HashHex>("getblockhash", [height]).await, OUT_OF_RANGE)
    }

    /// Returns the hashes at consecutive heights; fewer where the best chain ends before. Patient, in batches.
    ///
    /// # Errors
    /// When the work is cancelled or the reply makes no sense.
    pub async fn block_hashes(
        &self,
        heights: Range<Height>,
    ) -> Result<Vec<BlockHash>, DaemonError> {
        let mut hashes = Vec::with_capacity(heights.len().min(1 << 16));
        let (mut from, end) = (heights.start, heights.end.min(MAX_HEIGHT));
        while from < end {
            let to = from.saturating_add(BATCH).min(end);
            for reply in self.call_batch("getblockhash", (from..to).map(|height| [height])).await? {
                let hash = reply.and_then(|reply| {
                    serde_json::from_str::<HashHex>(reply.get())
                        .map_err(|error| DaemonError::invalid("getblockhash", error))
                });
                match present(hash, OUT_OF_RANGE)? {
                    Some(hash) => hashes.push(hash),
                    None => return Ok(hashes),
                }
            }
            from = to;
        }
        Ok(hashes)
    }

    /// Returns the height of a block (`getblockheader`, 0.12); `None` when the node does not know it or it is not in the best
    /// chain. Bounded.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub async fn block_header_height(
        &self,
        hash: &BlockHash,
    ) -> Result<Option<Height>, DaemonError> {
        #[derive(Deserialize)]
        struct Header {
            height: Height,
            confirmations: i64,
        }
        let header = self.call::<Header>("getblockheader", (hash.to_string(), true));
        let header = present::<Header, Header>(header.await, NOT_FOUND)?;
        Ok(header.filter(|header| header.confirmations > 0).map(|header| header.height))
    }
}

/// Absence is no error.
pub(super) fn present<W: Into<T>, T>(
    reply: Result<W, DaemonError>,
    absent: i32,
) -> Result<Option<T>, DaemonError> {
    match reply {
        Ok(value) => Ok(Some(value.into())),
        Err(error) if error.code() == Some(absent) => Ok(None),
        Err(error) => Err(error),
    }
}
