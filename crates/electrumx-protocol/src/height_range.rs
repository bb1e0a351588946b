//! The part of a history that a client asks for.

use std::ops::Range;

use electrumx_core::history::ConfirmedTx;
use electrumx_core::{ChainView, Height};

use crate::error::RpcError;
use crate::json;
use crate::params::Arg;

/// The blocks from one height on and below another, or up to the tip and then the mempool as well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct HeightRange {
    from: Height,
    /// `None`: there is no end, and the mempool is a part.
    to: Option<Height>,
}

impl HeightRange {
    /// Reads `from_height` and `to_height`; without them it is everything.
    ///
    /// # Errors
    /// When they are no heights, or the end is before the beginning.
    pub(crate) fn read(from: Option<Arg<'_>>, to: Option<Arg<'_>>) -> Result<Self, RpcError> {
        let from = from.map_or(Ok(0), Arg::integer)?;
        let to = to.map_or(Ok(None), Arg::integer_or_minus_one)?;
        if let Some(to) = to.filter(|to| *to < from) {
            let (from, to) = (json::grouped(from), json::grouped(to));
            let text = format!("require from_height {from} <= to_height {to}");
            return Err(RpcError::BadRequest(text));
        }
        // No chain is so long.
        let height = |height: u64| Height::try_from(height).unwrap_or(Height::MAX);
        Ok(Self { from: height(from), to: to.map(height) })
    }

    /// Tells whether nothing is left out.
    pub(crate) const fn is_whole(self) -> bool {
        self.from == 0 && self.to.is_none()
    }

    /// Tells whether the mempool is a part.
    pub(crate) const fn has_mempool(self) -> bool {
        self.to.is_none()
    }

    /// Returns the numbers of the blocks' transactions.
    pub(crate) fn tx_nums(self, view: &dyn ChainView) -> Range<u64> {
        let below = |height: Height| match view.tip() {
            Some(tip) if height <= tip.height => view.block_txs(height).start,
            _ => view.tx_count(),
        };
        below(self.from)..self.to.map_or(view.tx_count(), below)
    }

    /// Returns which of a history's transactions are in the blocks.
    pub(crate) fn of_history(self, txs: &[ConfirmedTx]) -> Range<usize> {
        let below = |height: Height| txs.partition_point(|tx| tx.height < height);
        below(self.from)..self.to.map_or(txs.len(), below)
    }
}
