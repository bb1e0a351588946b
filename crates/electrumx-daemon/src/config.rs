//! What a [`Daemon`](crate::Daemon) needs to know.

use std::time::Duration;

use crate::NodeUrl;

/// What a [`Daemon`](crate::Daemon) needs to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DaemonConfig {
    /// The nodes. The first one is asked until it fails, then the next, in rotation.
    pub urls: Vec<NodeUrl>,
    /// Longest wait for one reply; 60 s. A node that flushes its caches can be silent for that long.
    pub timeout: Duration,
    /// Longest wait of a bounded call in all, retries included; 20 s.
    pub deadline: Duration,
    /// Longest wait for a connection; 5 s.
    pub connect_timeout: Duration,
    /// Largest reply that is read, in bytes; 128 MiB. A block of 4 MB is 8 MB as hex and up to 40 MB verbose.
    pub max_response_bytes: u32,
    /// Requests in flight at once for each call style; 8. Both together must stay below the node's `rpcworkqueue` (16
    /// before Bitcoin Core 28, 64 since).
    pub concurrency: usize,
    /// Whether blocks are fetched over REST (`rest=1`) where the node offers it; true. That needs a quarter of the CPU time here
    /// and a ninth in the node.
    pub rest: bool,
}

impl DaemonConfig {
    /// The defaults for these nodes.
    #[must_use]
    pub fn new(urls: Vec<NodeUrl>) -> Self {
        Self {
            urls,
            timeout: Duration::from_secs(60),
            deadline: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(5),
            max_response_bytes: 128 << 20,
            concurrency: 8,
            rest: true,
        }
    }
}
