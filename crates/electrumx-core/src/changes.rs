//! What a round of following the node changed: the input of notifications and caches.

use bitcoin::{BlockHash, OutPoint, Txid};
use rustc_hash::FxHashSet;

use crate::hash::HashX;
use crate::position::BlockId;

/// Scripts whose history changed.
pub type TouchedScripts = FxHashSet<HashX>;

/// What a change touched.
///
/// The state of an output (who made it, who spends it, at which heights) may have changed when its
/// transaction is in `txs` or the output itself in `spent`.
#[derive(Clone, Default, Debug)]
pub struct Touched {
    /// Scripts whose history may differ from before.
    pub scripts: TouchedScripts,
    /// Transactions that came, went, were confirmed, or changed their height otherwise.
    pub txs: FxHashSet<Txid>,
    /// Outputs spent by those transactions.
    pub spent: FxHashSet<OutPoint>,
}

impl Touched {
    /// Tells whether nothing was touched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scripts.is_empty() && self.txs.is_empty() && self.spent.is_empty()
    }

    /// Forgets what was touched.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Adds what another change touched.
    pub fn extend(&mut self, other: Self) {
        merge(&mut self.scripts, other.scripts);
        merge(&mut self.txs, other.txs);
        merge(&mut self.spent, other.spent);
    }
}

/// Adds the smaller set to the larger.
fn merge<T: Eq + std::hash::Hash>(into: &mut FxHashSet<T>, mut other: FxHashSet<T>) {
    if into.len() < other.len() {
        std::mem::swap(into, &mut other);
    }
    into.extend(other);
}

/// One consistent step of the whole view: chain and mempool agree on `tip`.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The tip after the change. Compare hashes, not heights: a reorg may keep the height.
    pub tip: BlockId,
    /// What may differ from before.
    pub touched: Touched,
}

/// What one block adds to the histories of scripts: enough to extend what is known of them without
/// reading the index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockTouches {
    /// The block.
    pub id: BlockId,
    /// The block before it.
    pub prev: BlockHash,
    /// Ids of its transactions, in block order.
    pub txids: Vec<Txid>,
    /// One for each pair of a script and a transaction in its history, ascending.
    pub touches: Vec<Touch>,
}

/// A transaction that touches a script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Touch {
    /// The script.
    pub hashx: HashX,
    /// The transaction's place in its block.
    pub tx: u32,
    /// How many of its outputs pay to the script; 0 when it only spends.
    pub outputs: u32,
}

impl BlockTouches {
    /// Creates the record from touches in any order, several of a pair added up.
    #[must_use]
    pub fn new(id: BlockId, prev: BlockHash, txids: Vec<Txid>, mut touches: Vec<Touch>) -> Self {
        touches.sort_unstable_by_key(|touch| (touch.hashx, touch.tx));
        touches.dedup_by(|next, kept| {
            let same = next.hashx == kept.hashx && next.tx == kept.tx;
            if same {
                kept.outputs = kept.outputs.saturating_add(next.outputs);
            }
            same
        });
        touches.shrink_to_fit();
        Self { id, prev, txids, touches }
    }
}
