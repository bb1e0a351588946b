//! How to open a store.

use std::time::Duration;

use electrumx_core::HashXKey;

/// Settings of an [`LmdbStore`](crate::LmdbStore); the defaults suit every chain.
#[derive(Clone, Debug)]
pub struct Options {
    /// Size in bytes of the memory map: address space, neither memory nor disk. Default: 1 TiB
    /// (1 GiB where addresses have 32 bits).
    ///
    /// At least 1 MiB, and a multiple of 64 KiB (rounded up). A map that gets full is doubled, which has to wait
    /// for all views to be dropped; a generous size avoids that. Lower it only where address space is
    /// limited (`ulimit -v`).
    pub map_size_bytes: usize,
    /// Most views that can be open at a time. Default: 1024 (64 bytes each in the lock file).
    pub max_views: u32,
    /// How long a write waits for views to be dropped when the memory map must grow, before it is
    /// refused. Default: 10 seconds, longer than a view should ever live.
    pub patience: Duration,
    /// Uses this secret instead of a random one when the store is created. Default: `None`.
    ///
    /// For tests that compare stores byte for byte. With a known secret anyone can craft scripts that
    /// collide.
    pub hashx_key: Option<HashXKey>,
    /// Bytes of a txid in the txid index when the store is created. Default: 8.
    ///
    /// For tests of prefix collisions.
    #[doc(hidden)]
    pub txid_prefix_len: u8,
}

/// Smallest map in bytes; the empty tables take 60 kB.
const MIN_MAP: usize = 1 << 20;

/// Sizes of maps are multiples of this; the largest page size there is.
const MAP_STEP: usize = 1 << 16;

impl Options {
    /// Returns the size of the memory map as the system takes it.
    pub(crate) fn map_bytes(&self) -> usize {
        self.map_size_bytes.max(MIN_MAP).div_ceil(MAP_STEP).saturating_mul(MAP_STEP)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            map_size_bytes: if usize::BITS > 32 { 1 << (usize::BITS - 24) } else { 1 << 30 },
            max_views: 1024,
            patience: Duration::from_secs(10),
            hashx_key: None,
            txid_prefix_len: 8,
        }
    }
}
