//! Raw blocks.

use bitcoin::BlockHash;

use super::NOT_FOUND;
use super::chain::present;
use super::values::BytesHex;
use crate::client::Style;
use crate::{Daemon, DaemonError};

/// No coin has shorter headers.
const HEADER_LEN: usize = 80;

impl Daemon {
    /// Returns a block as the node serialises it; `None` when the node does not know it. Patient.
    ///
    /// Comes over REST (`/rest/block/HASH.bin`, `rest=1`) where the node offers it, else from `getblock` with verbosity 0.
    /// The bytes are not held against `hash`: the block processor does that.
    ///
    /// # Errors
    /// When the work is cancelled, the node has thrown the block away (pruned) or the reply makes no sense.
    pub async fn raw_block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, DaemonError> {
        const METHOD: &str = "getblock";
        let params = &self.params(METHOD, (hash.to_string(), 0))?;
        let reply = self.run(Style::Patient, |node| async move {
            match node.rest.block(hash).await {
                Some(block) => Ok(BytesHex(Ok(block))),
                None => node.call(METHOD, params).await,
            }
        });
        let Some(BytesHex(block)) = present(reply.await, NOT_FOUND)? else { return Ok(None) };
        let block = block.map_err(|what| DaemonError::invalid(METHOD, what))?;
        if block.len() <= HEADER_LEN {
            return Err(DaemonError::invalid(METHOD, format!("a block of {} bytes", block.len())));
        }
        Ok(Some(block))
    }
}
