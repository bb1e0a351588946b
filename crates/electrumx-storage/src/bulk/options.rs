//! How a first sync is to be done.

use std::path::PathBuf;
use std::time::Duration;

/// Settings of [`first_sync`](crate::first_sync); the defaults suit every chain.
#[derive(Clone, Debug)]
pub struct BulkOptions {
    /// Bytes of memory to use, about; 512 MiB. More is a little faster. At least 64 MiB.
    pub budget_bytes: usize,
    /// Threads that parse and sort; all cores if not given.
    pub threads: Option<usize>,
    /// Bytes of all blocks, about, if known: they decide into how many parts the work is divided.
    pub chain_bytes: Option<u64>,
    /// Where temporary files go; a folder in the database directory if not given. They take about as
    /// much room as the index will. The folder must be used for nothing else.
    pub temp_dir: Option<PathBuf>,
    /// Time between two checkpoints, which is what a crash can lose; 10 minutes. A checkpoint writes
    /// the table of unspent outputs.
    pub checkpoint_interval: Duration,
    /// Bytes of blocks after which a checkpoint is made regardless of the time; for tests.
    #[doc(hidden)]
    pub checkpoint_bytes: u64,
    /// Bytes of blocks worked on together instead of what the budget allows; for tests.
    #[doc(hidden)]
    pub batch_bytes: Option<usize>,
    /// Bytes of the table of unspent outputs instead of what the budget allows; for tests.
    #[doc(hidden)]
    pub table_bytes: Option<usize>,
}

impl Default for BulkOptions {
    fn default() -> Self {
        Self {
            budget_bytes: 512 << 20,
            threads: None,
            chain_bytes: None,
            temp_dir: None,
            checkpoint_interval: Duration::from_secs(600),
            checkpoint_bytes: 50_000_000_000,
            batch_bytes: None,
            table_bytes: None,
        }
    }
}
