//! What a session did so far: the rows of `LocalRPC`'s `sessions`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::peer::PeerInfo;
use crate::version::ProtocolVersion;

/// A session at one moment.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Number of the session, counted from 1.
    pub id: u64,
    /// The other end.
    pub peer: PeerInfo,
    /// What the client called itself; empty before `server.version`.
    pub client: String,
    /// The version agreed upon; `None` before `server.version` (the session then speaks 1.4).
    pub protocol: Option<ProtocolVersion>,
    /// Whether the session is about to end.
    pub closing: bool,
    /// Requests answered, errors included.
    pub requests: u64,
    /// Requests answered with an error.
    pub errors: u64,
    /// Requests read and not yet answered.
    pub pending: u64,
    /// Transactions the client broadcast with success.
    pub txs_sent: u64,
    /// Subscriptions of scripts, outpoints and transactions.
    pub subscriptions: u64,
    /// Messages received (a batch is one).
    pub recv_count: u64,
    /// Bytes received.
    pub recv_bytes: u64,
    /// Messages sent, notifications included.
    pub sent_count: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// What it has spent; 0 when costs are not limited.
    pub cost: f64,
    /// What the others of its group have spent.
    pub extra_cost: f64,
    /// Time since the session began.
    pub age: Duration,
}

/// The sessions of a subnet, which share their costs.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct GroupInfo {
    /// The subnet, like `192.0.2.0/24`.
    pub name: String,
    /// Sessions that go on.
    pub sessions: usize,
    /// What they have spent, and those that have ended.
    pub cost: f64,
    /// The latter's part.
    pub retained: f64,
}

/// What all sessions did since the service was made, those that are over included.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Totals {
    /// Sessions.
    pub sessions: u64,
    /// Requests answered.
    pub requests: u64,
    /// Requests answered with an error.
    pub errors: u64,
    /// Transactions broadcast.
    pub txs_sent: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, stats: &Stats) {
        self.sessions += 1;
        self.requests += stats.requests.get();
        self.errors += stats.errors.get();
        self.txs_sent += stats.txs_sent.get();
    }
}

/// How a cache fares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CacheStats {
    /// What it holds.
    pub name: &'static str,
    /// Look-ups that were answered from it.
    pub hits: u64,
    /// Look-ups that were not.
    pub misses: u64,
    /// What it holds at the moment.
    pub entries: usize,
    /// Memory for that, about, in bytes.
    pub bytes: usize,
}

/// A count that one task changes, the session's, and all may read.
#[derive(Default, Debug)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, count: u64) {
        self.0.store(count, Relaxed);
    }

    /// Adds to it. Nobody else does, so it needs not be one step, which would cost several times as much.
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get() + more);
    }
}

/// The live counters behind a [`SessionInfo`].
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) peer: PeerInfo,
    pub(crate) since: Instant,
    pub(crate) identity: Mutex<Identity>,
    pub(crate) requests: Count,
    pub(crate) errors: Count,
    pub(crate) pending: Count,
    pub(crate) txs_sent: Count,
    pub(crate) subscriptions: Count,
    pub(crate) recv_count: Count,
    pub(crate) recv_bytes: Count,
    pub(crate) sent_count: Count,
    pub(crate) sent_bytes: Count,
    /// Bits of an `f64`, as is the next.
    pub(crate) cost: AtomicU64,
    pub(crate) extra_cost: AtomicU64,
}

/// What `server.version` told.
#[derive(Clone, Default, Debug)]
pub(crate) struct Identity {
    pub(crate) client: String,
    pub(crate) protocol: Option<ProtocolVersion>,
}

impl Stats {
    pub(crate) fn new(peer: PeerInfo) -> Self {
        Self {
            peer,
            since: Instant::now(),
            identity: Mutex::default(),
            requests: Count::default(),
            errors: Count::default(),
            pending: Count::default(),
            txs_sent: Count::default(),
            subscriptions: Count::default(),
            recv_count: Count::default(),
            recv_bytes: Count::default(),
            sent_count: Count::default(),
            sent_bytes: Count::default(),
            cost: AtomicU64::default(),
            extra_cost: AtomicU64::default(),
        }
    }

    pub(crate) fn info(&self, id: u64, closing: bool) -> SessionInfo {
        let Identity { client, protocol } = self.identity.lock().clone();
        SessionInfo {
            id,
            peer: self.peer,
            client,
            protocol,
            closing,
            requests: self.requests.get(),
            errors: self.errors.get(),
            pending: self.pending.get(),
            txs_sent: self.txs_sent.get(),
            subscriptions: self.subscriptions.get(),
            recv_count: self.recv_count.get(),
            recv_bytes: self.recv_bytes.get(),
            sent_count: self.sent_count.get(),
            sent_bytes: self.sent_bytes.get(),
            cost: f64::from_bits(self.cost.load(Relaxed)),
            extra_cost: f64::from_bits(self.extra_cost.load(Relaxed)),
            age: self.since.elapsed(),
        }
    }
}
