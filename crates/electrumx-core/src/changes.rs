//! What a round of following the node changed: the input of notifications.

use rustc_hash::FxHashSet;

use crate::hash::HashX;
use crate::position::BlockId;

/// Scripts whose history changed.
pub type TouchedScripts = FxHashSet<HashX>;

/// One consistent step of the whole view: chain and mempool agree on `tip`.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The tip after the change. Compare hashes, not heights: a reorg may keep the height.
    pub tip: BlockId,
    /// Scripts whose history may differ from before.
    pub scripts: TouchedScripts,
}
