//! When pending blocks are committed.

use std::time::Duration;

/// How much may wait in memory, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlushPolicy {
    /// Pending blocks are committed when their facts take more than this many bytes.
    pub pending_bytes: usize,
    /// Pending blocks are committed when the oldest has waited this long: the work a crash loses.
    pub interval: Duration,
    /// Bytes of recent outputs kept in memory so that their spending needs no look-up.
    pub utxo_cache_bytes: usize,
}

impl FlushPolicy {
    /// Splits a memory budget: a third for pending blocks, whose commit needs about as much again
    /// for the pages it changes; the rest for recent outputs.
    #[must_use]
    pub fn with_budget(bytes: usize) -> Self {
        let pending_bytes = (bytes / 3).clamp(1 << 20, 128 << 20);
        let utxo_cache_bytes = bytes.saturating_sub(2 * pending_bytes);
        Self { pending_bytes, utxo_cache_bytes, ..Self::default() }
    }
}

impl Default for FlushPolicy {
    fn default() -> Self {
        Self {
            pending_bytes: 96 << 20,
            interval: Duration::from_secs(60),
            utxo_cache_bytes: 256 << 20,
        }
    }
}
