//! Checks of what the block processor hands over.

use electrumx_core::{BlockDelta, BlockId, StoreError, TxNum};

use crate::chain::Chain;

/// The parts of a delta do not fit together: a bug of whoever made it.
#[derive(Debug, thiserror::Error)]
#[error("block {id} is malformed: {what}")]
pub(crate) struct MalformedDelta {
    id: BlockId,
    what: &'static str,
}

/// Checks that the blocks extend the chain and are well-formed, and returns the cumulative
/// transaction count at the end of each.
pub(crate) fn ends(chain: &Chain, blocks: &[BlockDelta]) -> Result<Vec<u64>, StoreError> {
    let (mut tip, mut count) = (chain.tip(), chain.tx_count());
    let mut ends = Vec::with_capacity(blocks.len());
    for block in blocks {
        let height = tip.map_or(Some(0), |tip| tip.height.checked_add(1));
        if Some(block.id.height) != height || block.first_tx_num.0 != count {
            return Err(StoreError::NotExtending { got: block.id, tip });
        }
        count += block.txids.len() as u64;
        if let Err(what) = check(block, count) {
            let source = Box::new(MalformedDelta { id: block.id, what });
            return Err(StoreError::Backend { action: "append a malformed block", source });
        }
        tip = Some(block.id);
        ends.push(count);
    }
    Ok(ends)
}

fn check(block: &BlockDelta, end: u64) -> Result<(), &'static str> {
    if end > TxNum::MAX.0 {
        return Err("transaction numbers exceed 40 bits");
    }
    if block.positions.len() != block.txids.len() {
        return Err("positions and txids differ in number");
    }
    if !block.outputs.is_sorted_by(|one, two| one.0 < two.0) {
        return Err("outputs are not ascending");
    }
    let (first, last) = (block.outputs.first(), block.outputs.last());
    if first.is_some_and(|first| first.0.tx_num < block.first_tx_num)
        || last.is_some_and(|last| last.0.tx_num.0 >= end)
    {
        return Err("outputs of transactions that are not in the block");
    }
    let numbers = block.first_tx_num.0..end;
    for spend in &block.spends {
        if spend.output.tx_num.0 >= end || !numbers.contains(&spend.by.0) {
            return Err("spends of or by transactions that are not there");
        }
    }
    Ok(())
}
