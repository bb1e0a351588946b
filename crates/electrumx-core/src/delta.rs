//! What one block changes, as data.

use bitcoin::Txid;

use crate::position::{BlockId, OutputNum, TxNum};
use crate::store::{OutputRow, TxPosition};

/// The facts one block adds to the index.
///
/// Its inverse needs no data beyond the index itself: see [`Store::unwind_to`](crate::Store::unwind_to).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockDelta {
    /// The block.
    pub id: BlockId,
    /// Its raw header (80 bytes on Bitcoin; longer on other coins).
    pub header: Vec<u8>,
    /// Number of its first transaction.
    pub first_tx_num: TxNum,
    /// Ids of its transactions, in block order.
    pub txids: Vec<Txid>,
    /// Where the transactions are in the raw block, in block order.
    pub positions: Vec<TxPosition>,
    /// Indexed outputs, ascending by number.
    pub outputs: Vec<(OutputNum, OutputRow)>,
    /// Outputs spent and by which transaction, in block order.
    pub spends: Vec<Spend>,
}

impl BlockDelta {
    /// Returns about how many bytes of memory the delta takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.header.len()
            + self.txids.len() * (size_of::<Txid>() + size_of::<TxPosition>())
            + self.outputs.len() * size_of::<(OutputNum, OutputRow)>()
            + self.spends.len() * size_of::<Spend>()
    }
}

/// An output and the transaction that spends it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Spend {
    /// The output spent.
    pub output: OutputNum,
    /// The spending transaction.
    pub by: TxNum,
}
