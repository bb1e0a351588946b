//! The search for the last block that node and index agree on.

use super::{ProcessError, Processor};
use crate::coin::Coin;
use crate::position::{BlockId, Height};
use crate::source::BlockSource;
use crate::store::Store;

impl<C: Coin, S: Store> Processor<C, S> {
    /// Returns the last committed block that is in the node's best chain; `None` for an empty index.
    ///
    /// Steps back in doubling strides, then halves the last stride: a reorg of depth d costs about
    /// 2·log2(d) questions. The node may switch chains meanwhile; the answer is then checked by the
    /// next block's linkage.
    pub(super) fn fork_point<B: BlockSource>(
        &mut self,
        source: &mut B,
    ) -> Result<Option<BlockId>, ProcessError> {
        let wanted = self.coin.chain().genesis_hash();
        let Some(tip) = self.tip else {
            return match source.block_hash(0)? {
                Some(found) if found != wanted => Err(ProcessError::WrongChain { found, wanted }),
                _ => Ok(None),
            };
        };
        if self.agreed(source, tip.height)?.is_some() {
            return Ok(Some(tip));
        }
        let mut differs = tip.height;
        let mut stride = 1;
        let mut agrees = loop {
            let Some(below) = differs.checked_sub(1) else {
                let found = source.block_hash(0)?.unwrap_or(wanted);
                return Err(ProcessError::WrongChain { found, wanted });
            };
            let height = below.saturating_sub(stride - 1);
            match self.agreed(source, height)? {
                Some(block) => break block,
                None => differs = height,
            }
            stride *= 2;
        };
        while differs - agrees.height > 1 {
            let middle = agrees.height + (differs - agrees.height) / 2;
            match self.agreed(source, middle)? {
                Some(block) => agrees = block,
                None => differs = middle,
            }
        }
        Ok(Some(agrees))
    }

    /// Returns the block at a height if node and index have the same.
    pub(super) fn agreed<B: BlockSource>(
        &mut self,
        source: &mut B,
        height: Height,
    ) -> Result<Option<BlockId>, ProcessError> {
        let theirs = source.block_hash(height)?;
        let ours = self.view()?.block_hash(height)?;
        Ok(ours.filter(|hash| theirs == Some(*hash)).map(|hash| BlockId { height, hash }))
    }
}
