//! What the server tells its operator.

use std::fmt;
use std::time::Duration;

use crate::progress::SyncProgress;

/// What `LocalRPC` reads and orders; the controller implements it.
///
/// The methods are called on a thread of the runtime: they must not wait for anything longer than a short lock.
pub trait State: Send + Sync + 'static {
    /// Returns the state of the server.
    fn info(&self) -> Info;

    /// Returns the wallets' sessions, oldest first.
    fn sessions(&self) -> Vec<Session>;

    /// Returns the groups of sessions that share their costs.
    fn groups(&self) -> Vec<Group>;

    /// Ends a session; `false` when there is none of this number.
    fn disconnect(&self, id: u64) -> bool;

    /// Has the index compacted in the background; `false` when that is being done already.
    fn compact(&self) -> bool;

    /// Asks the server to stop. It returns at once.
    fn stop(&self);
}

/// What the server is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Starting, or waiting for the node.
    #[default]
    Starting,
    /// Indexing blocks; wallets are not served yet.
    Syncing,
    /// Serving wallets.
    Serving,
    /// Stopping.
    Stopping,
}

/// The state of the server: the answer to `getinfo`.
#[derive(Debug, Clone, Default)]
pub struct Info {
    /// Name and version.
    pub version: String,
    /// The coin.
    pub coin: String,
    /// The network.
    pub net: String,
    /// Where the node is, without its password; `offline` without one.
    pub daemon: String,
    /// What the server is doing.
    pub phase: Phase,
    /// Height of the node's tip, as last heard.
    pub daemon_height: Option<u32>,
    /// Height of the index.
    pub db_height: Option<u32>,
    /// Hash of the block at that height, as displayed.
    pub db_tip: Option<String>,
    /// Transactions in the index.
    pub tx_count: u64,
    /// Bytes of the index on disk, where known.
    pub db_bytes: Option<u64>,
    /// The mempool, once it was read.
    pub mempool: Option<MempoolInfo>,
    /// The sync, while there is one.
    pub progress: Option<SyncProgress>,
    /// Counts since the start of the process.
    pub totals: Totals,
    /// Where wallets are served, as in `SERVICES`.
    pub services: Vec<String>,
    /// Names of caches and a line about each.
    pub caches: Vec<(String, String)>,
    /// Time since the start of the process.
    pub uptime: Duration,
}

/// The size of the mempool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MempoolInfo {
    /// Transactions.
    pub txs: u64,
    /// Their virtual bytes.
    pub vbytes: u64,
}

/// Counts since the start of the process, sessions that are over included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Requests answered.
    pub requests: u64,
    /// Transactions broadcast.
    pub txs_sent: u64,
}

/// A wallet's session: a row of `sessions`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Session {
    /// Number, counted from 1.
    pub id: u64,
    /// How it is connected: T (TCP), S (TLS), W (WebSocket); then C if it is closing.
    pub flags: String,
    /// Address of the other end.
    pub peer: String,
    /// What the client calls itself; empty before it says.
    pub client: String,
    /// Version of the Electrum protocol; empty before it is agreed.
    pub protocol: String,
    /// What it has spent.
    pub cost: f64,
    /// What the others of its group have spent.
    pub extra_cost: f64,
    /// Name of that group; empty without one.
    pub group: String,
    /// Requests answered.
    pub requests: u64,
    /// Requests answered with an error.
    pub errors: u64,
    /// Requests not yet answered.
    pub pending: u64,
    /// Transactions broadcast.
    pub txs_sent: u64,
    /// Scripts subscribed to.
    pub subscriptions: u64,
    /// Messages received.
    pub recv_count: u64,
    /// Bytes received.
    pub recv_bytes: u64,
    /// Messages sent.
    pub sent_count: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Time since it began.
    pub age: Duration,
}

/// The sessions of a subnet: a row of `groups`, together with those sessions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// The subnet.
    pub name: String,
    /// What they have spent, and those that have ended.
    pub cost: f64,
    /// The latter's part.
    pub retained: f64,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Syncing => "syncing",
            Self::Serving => "serving",
            Self::Stopping => "stopping",
        })
    }
}
