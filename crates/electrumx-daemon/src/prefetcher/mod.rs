//! The prefetcher: blocks ahead of the block processor, in a queue bounded in bytes.

mod budget;
mod fetch;
mod hashes;
mod source;

pub use self::source::Prefetcher;

/// How far blocks are fetched ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefetchConfig {
    /// Blocks that are fetched at once; 4. At least 1.
    pub parallel: usize,
    /// Bytes of raw blocks that may wait for the processor or be on their way; 64 MiB.
    ///
    /// Over RPC a block on its way takes about five times its size for a moment (text and copies). The bound may be passed by what the blocks on their way grow against the recent ones, and a single block is fetched however
    /// large it is.
    pub queue_bytes: usize,
}

impl Default for PrefetchConfig {
    fn default() -> Self {
        Self { parallel: 4, queue_bytes: 64 << 20 }
    }
}
