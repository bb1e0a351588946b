//! How the memory budget is divided.

use super::options::BulkOptions;
use crate::build::ScriptRecord;

/// Partitions of what leaves memory unspent or unresolved, by outpoint.
pub(super) const SPILL_PARTS: usize = 64;

/// Bytes of records of a partition of the scripts, about, as long as there are not too many: so many are sorted in the
/// processor's caches.
const PARTITION: usize = 4 << 20;

/// Sizes for one build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Plan {
    /// Threads that compute.
    pub(super) threads: usize,
    /// Binary logarithm of the number of shards of the table of outputs.
    pub(super) shard_bits: u32,
    /// Bytes of that table.
    pub(super) table_bytes: usize,
    /// Bytes of raw blocks that are worked on together.
    pub(super) batch_bytes: usize,
    /// Partitions of the scripts: a power of two.
    pub(super) script_parts: usize,
    /// Bytes of one buffer of a partition of the scripts.
    pub(super) buffer_bytes: usize,
    /// Most bytes of records that one thread sorts at a time.
    pub(super) sort_bytes: usize,
}

impl Plan {
    pub(super) fn new(options: &BulkOptions) -> Self {
        let budget = options.budget_bytes.max(64 << 20);
        let available = std::thread::available_parallelism().map_or(2, usize::from);
        let threads = options.threads.unwrap_or(available).clamp(1, 256);
        // Four shards a thread keep all busy to the end of a batch.
        let shard_bits = (threads * 4).next_power_of_two().ilog2().min(6);
        let sort_bytes = (budget / threads / 6).max(4 << 20);
        // Every fifth byte of a block becomes one of a record, about.
        let records = options.chain_bytes.unwrap_or(1 << 40) / 5;
        let parts = records / (sort_bytes / 2).min(PARTITION) as u64;
        let script_parts =
            usize::try_from(parts).unwrap_or(1024).clamp(16, 1024).next_power_of_two();
        let buffers = script_parts * threads;
        let buffer_bytes = (budget / 8 / buffers).clamp(ScriptRecord::LEN * 64, 16 << 10);
        let batch_bytes = (threads * (4 << 20)).clamp(4 << 20, budget / 8);
        let batch_bytes = options.batch_bytes.unwrap_or(batch_bytes);
        let table_bytes = options.table_bytes.unwrap_or(budget / 2);
        Self {
            threads,
            shard_bits,
            table_bytes,
            batch_bytes,
            script_parts,
            buffer_bytes,
            sort_bytes,
        }
    }

    /// Bytes of the table for one shard.
    pub(super) fn shard_bytes(&self) -> usize {
        self.table_bytes >> self.shard_bits
    }
}

/// Returns the partition of the spill for an outpoint, by its first bits.
pub(super) fn spill_part(first: u8) -> usize {
    (usize::from(first) * SPILL_PARTS) >> 8
}
