//! Switching the node to another chain.

use anyhow::{Result, ensure};
use bitcoin::BlockHash;
use serde_json::json;

use crate::mine::{Content, fresh_script};
use crate::rpc::NodeClient;

/// What the blocks of a new branch hold.
#[derive(Debug, Clone, Copy)]
pub enum Replacement<'a> {
    /// Nothing: the transactions of the old branch stay in the mempool.
    Empty,
    /// The mempool (so also the old branch's transactions), all in the first new block.
    Mempool,
    /// Exactly these transactions, one list per new block; lists left out mean empty blocks.
    With(&'a [Vec<Content<'a>>]),
}

impl NodeClient {
    /// Marks a block and all after it invalid; the node falls back to the best other chain.
    ///
    /// # Errors
    /// When the call fails.
    pub fn invalidate(&self, hash: &BlockHash) -> Result<()> {
        self.call("invalidateblock", &[json!(hash.to_string())]).map(drop)
    }

    /// Undoes [`Self::invalidate`]; the node switches back if that chain has more work.
    ///
    /// # Errors
    /// When the call fails.
    pub fn reconsider(&self, hash: &BlockHash) -> Result<()> {
        self.call("reconsiderblock", &[json!(hash.to_string())]).map(drop)
    }

    /// Takes the last `depth` blocks away and mines `new_len` others to fresh scripts. `new_len` may be
    /// smaller than `depth` or equal: the tip's height then falls or stays. Returns the first block taken
    /// away, which [`Self::reconsider`] brings back.
    ///
    /// The node puts the old transactions back into its mempool up to a depth of 10; of deeper ones it
    /// forgets some.
    ///
    /// # Errors
    /// When the chain is shorter than `depth` or a call fails.
    pub fn reorg(
        &self,
        depth: u32,
        new_len: u32,
        replacement: Replacement<'_>,
    ) -> Result<BlockHash> {
        let tip = self.block_count()?;
        ensure!(depth >= 1 && depth <= tip, "cannot take {depth} of {tip} blocks away");
        let old = self.block_hash(tip - depth + 1)?;
        self.invalidate(&old)?;
        for i in 0..new_len {
            match replacement {
                Replacement::Mempool => {
                    self.mine_to_script(&fresh_script(), 1)?;
                }
                Replacement::Empty => {
                    self.mine_block_with(&[])?;
                }
                Replacement::With(lists) => {
                    let list = lists.get(usize::try_from(i)?).map_or(&[][..], Vec::as_slice);
                    self.mine_block_with(list)?;
                }
            }
        }
        let height = self.block_count()?;
        ensure!(
            height == tip - depth + new_len,
            "the node is at {height} after the reorganisation: does it know another branch?"
        );
        Ok(old)
    }
}
