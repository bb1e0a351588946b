//! What the operator decides about sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use electrumx_core::bitcoin::BlockHash;
use regex::Regex;

use crate::methods::{MethodInfo, Offered};
use crate::padding::Padding;
use crate::version::ProtocolVersion;

/// Settings of a [`Service`](crate::Service).
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// Hash of the chain's first block; Electrum leaves a server on another chain.
    pub genesis_hash: BlockHash,
    /// First element of the answer to `server.version`.
    ///
    /// Wallets decide by it whether to send batches: it should begin with `ElectrumX` and must not
    /// contain `electrs`. Default: `ElectrumX-rs` and this crate's version.
    pub server_version: String,
    /// Text of `server.banner`. `$SERVER_VERSION`, `$SERVER_SUBVERSION`, `$DAEMON_VERSION`,
    /// `$DAEMON_SUBVERSION` and `$DONATION_ADDRESS` are replaced. Default: one line with the
    /// server's version.
    pub banner: String,
    /// Answer to `server.donation_address`. Default: empty.
    pub donation_address: String,
    /// Public names of this server and the ports of each, for `server.features`. Default: none.
    pub hosts: BTreeMap<String, HostPorts>,
    /// Whether `server.peers.subscribe` lists those. Default: no, it lists none.
    pub lists_itself: bool,
    /// Services as URLs (`ssl://host:port`), for `server.features`. Default: none.
    pub services: Vec<String>,
    /// History kept by the server in blocks, for `server.features`. Default: `None`, all of it.
    pub pruning: Option<u32>,
    /// Oldest version served. Default: 1.4.
    pub protocol_min: ProtocolVersion,
    /// Newest version served. Default: 1.7.
    pub protocol_max: ProtocolVersion,
    /// Whether a session whose first request is not `server.version` is ended, as 1.6 wants it.
    /// Default: no, since that breaks several wallets, which are served as the oldest version.
    pub strict_version_first: bool,
    /// File for the tree over all headers, so that a start need not make it anew. Default: none.
    pub header_tree: Option<PathBuf>,
    /// What is to happen to clients that use up much. Default: nothing.
    pub costs: CostLimits,
    /// Clients that call themselves so are refused. Default: none.
    pub drop_client: Option<Regex>,
    /// On which connections answers are padded against traffic analysis. Default: none.
    pub padding: Padding,
    /// Methods of the node's RPC that any client may call by `daemon.passthrough`. Default: none; then that is no method.
    pub passthrough: BTreeSet<String>,
    /// What a client may use up.
    pub limits: Limits,
    /// Memory for caches.
    pub caches: CacheSizes,
}

impl ServiceConfig {
    /// Tells whether the operator offers a method.
    pub(crate) fn offers(&self, method: &MethodInfo) -> bool {
        method.offered != Offered::WhereAllowed || !self.passthrough.is_empty()
    }

    /// Returns the defaults for a chain.
    #[must_use]
    pub fn new(genesis_hash: BlockHash) -> Self {
        Self {
            genesis_hash,
            server_version: concat!("ElectrumX-rs ", env!("CARGO_PKG_VERSION")).into(),
            banner: "You are connected to an $SERVER_SUBVERSION server.".into(),
            donation_address: String::new(),
            hosts: BTreeMap::new(),
            lists_itself: false,
            services: Vec::new(),
            pruning: None,
            protocol_min: ProtocolVersion::V1_4,
            protocol_max: ProtocolVersion::V1_7,
            strict_version_first: false,
            header_tree: None,
            costs: CostLimits::default(),
            drop_client: None,
            padding: Padding::Off,
            passthrough: BTreeSet::new(),
            limits: Limits::default(),
            caches: CacheSizes::default(),
        }
    }
}

/// Where sessions are slowed down and ended for what they have spent, in ElectrumX's model: see the server's configuration page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CostLimits {
    /// Costs above which requests have to wait. Default 0.
    pub soft: u32,
    /// Costs at which a session ends, above `soft`; 0 for no limits at all. Default 0.
    pub hard: u32,
    /// Bytes, received or sent, that cost 1. Default 5,000.
    pub bandwidth_unit: u32,
    /// Wait before each request just below the hard limit. Default 2.5 s.
    pub request_sleep: Duration,
    /// Bits that IPv4 addresses of a group have in common. Default 24.
    pub ipv4_prefix: u8,
    /// The same for IPv6. Default 48.
    pub ipv6_prefix: u8,
}

impl CostLimits {
    pub(crate) const fn are_set(&self) -> bool {
        self.hard > 0
    }
}

impl Default for CostLimits {
    fn default() -> Self {
        Self {
            soft: 0,
            hard: 0,
            bandwidth_unit: 5_000,
            request_sleep: Duration::from_millis(2_500),
            ipv4_prefix: 24,
            ipv6_prefix: 48,
        }
    }
}

/// Ports a public host name is served on; `None` where it is not.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct HostPorts {
    /// Plain TCP.
    pub tcp: Option<u16>,
    /// TLS.
    pub ssl: Option<u16>,
    /// WebSocket.
    pub ws: Option<u16>,
    /// WebSocket over TLS.
    pub wss: Option<u16>,
}

/// Most memory for each cache, in bytes. They hold what is asked for, so they are empty at first.
#[derive(Clone, Debug)]
pub struct CacheSizes {
    /// Hash states of scripts' confirmed histories, about 200 bytes a script. Default 16 MiB.
    pub statuses: usize,
    /// Scripts' confirmed histories, 36 bytes an entry. Default 64 MiB.
    pub histories: usize,
    /// Merkle trees of blocks, 64 bytes a transaction. Default 32 MiB.
    pub block_trees: usize,
    /// Headers in hex, 168 bytes each. Default 16 MiB: two years of them.
    pub headers: usize,
}

impl Default for CacheSizes {
    fn default() -> Self {
        Self { statuses: 16 << 20, histories: 64 << 20, block_trees: 32 << 20, headers: 16 << 20 }
    }
}

/// What one client may use up. Exceeding a limit is answered with an error, never with a truncated
/// result.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest request line in bytes. Default 8,200,000: the hex of a 4 MB transaction and its
    /// envelope.
    pub max_line_bytes: usize,
    /// Longest answer in bytes, a whole batch counted as one. Default 8,100,000: what Electrum
    /// accepts.
    pub max_send_bytes: usize,
    /// Most requests in a batch. Default 10,000; clients send up to 200.
    pub max_batch: usize,
    /// Most outputs, and most transactions, of a script that is served. Default 81,817: what fits
    /// into the default `max_send_bytes` with 99 bytes for each entry, as in ElectrumX.
    pub max_history: usize,
    /// Most script subscriptions of a session. Default 100,000 (about 20 MB).
    pub max_subscriptions: usize,
    /// Unsent bytes above which a session takes no more requests. Default 1 MiB.
    pub max_unsent_bytes: usize,
    /// Index reads that run at the same time, over all sessions. Default 16.
    pub max_concurrent_reads: usize,
    /// Time for one request. Default 30 s: how long Electrum waits.
    pub request_timeout: Duration,
    /// Time without a complete request after which a session ends. Default 600 s; wallets ping
    /// every 5 minutes or more often.
    pub session_timeout: Duration,
    /// Time for a session's first request. Default 60 s.
    pub first_request_timeout: Duration,
    /// Time in which a client must take at least one byte of what is sent. Default 20 s.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_line_bytes: 8_200_000,
            max_send_bytes: 8_100_000,
            max_batch: 10_000,
            max_history: 81_817,
            max_subscriptions: 100_000,
            max_unsent_bytes: 1 << 20,
            max_concurrent_reads: 16,
            request_timeout: Duration::from_secs(30),
            session_timeout: Duration::from_secs(600),
            first_request_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(20),
        }
    }
}
