//! What sessions use up, and what follows from it: ElectrumX's model of costs.
//!
//! Requests, bytes and errors cost. A session that has spent more than the soft limit has to wait before each request, the longer the
//! nearer it is to the hard limit, and ends there. Costs are forgiven with time. What sessions of one subnet spend counts for
//! all of them, also after they have ended; private and local addresses are not grouped.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::config::CostLimits;
use crate::error::RpcError;
use crate::methods::{Extension, Method};
use crate::stats::{GroupInfo, Stats};

/// What a session costs to begin with.
const BEGINNING: f64 = 5.0;

/// A list so long that few may be read at a time.
pub(crate) const LONG_READ: u32 = 50;

/// Groups above which those that are of no consequence any more are looked for.
const MANY_GROUPS: usize = 1024;

impl Method {
    /// What a request costs, beside its bytes.
    pub(crate) const fn cost(self) -> f64 {
        match self {
            Self::Ping
            | Self::DonationAddress
            | Self::EstimateFee
            | Self::ScriptHashUnsubscribe
            | Self::ScriptPubKeyUnsubscribe
            | Self::OutpointUnsubscribe => 0.1,
            Self::Version | Self::Banner | Self::GetMerkle | Self::BlockHeaders => 0.5,
            Self::PeersSubscribe
            | Self::RelayFee
            | Self::MempoolInfo
            | Self::FeeHistogram
            | Self::MempoolRecent
            | Self::ScriptHashGetBalance
            | Self::ScriptPubKeyGetBalance
            | Self::ScriptHashListUnspent
            | Self::ScriptPubKeyListUnspent
            | Self::TransactionGet
            | Self::BroadcastPackage
            | Self::TestMempoolAccept => 1.0,
            // It has other servers asked.
            Self::AddPeer => 100.0,
            _ => 0.25,
        }
    }
}

impl Extension {
    /// What a request costs, beside its bytes.
    pub(crate) const fn cost(self) -> f64 {
        match self {
            Self::AddressGetBalance
            | Self::AddressListUnspent
            | Self::HeaderGet
            | Self::UtxoGetInfo
            | Self::DaemonPassthrough => 1.0,
            Self::AddressUnsubscribe | Self::HeadersUnsubscribe | Self::TransactionUnsubscribe => {
                0.1
            }
            _ => 0.25,
        }
    }
}

impl RpcError {
    /// What an error costs: a client that does not know the protocol is a worse guest than one that asks for what is not there.
    pub(crate) const fn cost(&self) -> f64 {
        match self {
            Self::InvalidJson | Self::NotUtf8 => 1_100.0,
            Self::InvalidRequest(_) | Self::UnknownMethod(_) | Self::InvalidParams(_) => 100.0,
            Self::BadRequest(_) | Self::HistoryTooLarge => 10.0,
            // Not the client's fault.
            Self::Node(_) | Self::Internal | Self::Later | Self::Timeout | Self::Excessive(_) => {
                1.0
            }
        }
    }
}

/// What one session has spent.
#[derive(Debug)]
pub(crate) struct Account {
    cost: f64,
    /// When `cost` was brought up to date.
    since: Instant,
    /// Bytes that are part of it.
    bytes: u64,
    group: Option<Arc<Group>>,
    /// How much of `cost` the group knows of.
    told: f64,
}

impl Account {
    fn new(group: Option<Arc<Group>>) -> Self {
        Self { cost: BEGINNING, since: Instant::now(), bytes: 0, group, told: 0.0 }
    }

    /// Adds a cost.
    pub(crate) fn charge(&mut self, cost: f64) {
        self.cost += cost;
    }

    /// Brings the costs up to date and tells how far they are from the soft limit (0) to the hard one (1).
    #[expect(clippy::cast_precision_loss, reason = "bytes and counts, far below 2^52")]
    pub(crate) fn weigh(&mut self, limits: &CostLimits, stats: &Stats) -> f64 {
        let now = Instant::now();
        let (soft, hard) = (f64::from(limits.soft), f64::from(limits.hard));
        let bytes = stats.recv_bytes.get() + stats.sent_bytes.get();
        self.cost +=
            bytes.saturating_sub(self.bytes) as f64 / f64::from(limits.bandwidth_unit.max(1));
        self.bytes = bytes;
        // As in ElectrumX: the whole limit in 10,000 seconds, less with many subscriptions.
        let subscriptions = stats.subscriptions.get() as f64;
        let elapsed = (now - self.since).as_secs_f64();
        self.cost = (self.cost - elapsed * hard / (10_000.0 + 5.0 * subscriptions)).max(0.0);
        self.since = now;
        let extra = match &self.group {
            Some(group) => {
                let mut sum = group.0.lock();
                sum.live += self.cost - self.told;
                self.told = self.cost;
                (sum.live + sum.retained(now, hard) - self.cost).max(0.0)
            }
            None => 0.0,
        };
        stats.cost.store(self.cost.to_bits(), Relaxed);
        stats.extra_cost.store(extra.to_bits(), Relaxed);
        ((self.cost + extra - soft) / (hard - soft).max(1.0)).max(0.0)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if let Some(group) = &self.group {
            let mut sum = group.0.lock();
            sum.sessions -= 1;
            sum.live = (sum.live - self.told).max(0.0);
            sum.retained += self.cost;
        }
    }
}

/// What the sessions of a subnet have spent.
#[derive(Debug)]
struct Group(Mutex<Sum>);

#[derive(Debug)]
struct Sum {
    sessions: usize,
    /// Of sessions that go on.
    live: f64,
    /// Of those that have ended, when it was last brought up to date.
    retained: f64,
    since: Instant,
}

impl Sum {
    /// Returns what is not forgiven yet of sessions that have ended: the whole limit is in 5,000 seconds.
    fn retained(&mut self, now: Instant, hard: f64) -> f64 {
        let elapsed = (now - self.since).as_secs_f64();
        self.retained = (self.retained - elapsed * hard / 5_000.0).max(0.0);
        self.since = now;
        self.retained
    }
}

/// Addresses that have the first bits in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Subnet {
    first: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// Returns the subnet of an address; `None` if it is one of a private network.
    fn of(address: IpAddr, limits: &CostLimits) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let is_own = v4.is_private() || v4.is_loopback() || v4.is_link_local();
                let prefix = limits.ipv4_prefix.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                let first = IpAddr::V4((v4.to_bits() & mask).into());
                (!is_own).then_some(Self { first, prefix })
            }
            IpAddr::V6(v6) => {
                let is_own = v6.is_unique_local() || v6.is_loopback() || v6.is_unicast_link_local();
                let prefix = limits.ipv6_prefix.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                let first = IpAddr::V6((v6.to_bits() & mask).into());
                (!is_own).then_some(Self { first, prefix })
            }
        }
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// Returns the name of the group that sessions from an address belong to.
pub(crate) fn group_name(address: IpAddr, limits: &CostLimits) -> Option<String> {
    Subnet::of(address, limits).map(|subnet| subnet.to_string())
}

/// All groups.
#[derive(Default, Debug)]
pub(crate) struct Groups(Mutex<HashMap<Subnet, Arc<Group>>>);

impl Groups {
    /// Opens an account for a session.
    pub(crate) fn open(&self, address: Option<IpAddr>, limits: &CostLimits) -> Account {
        let subnet = address.and_then(|address| Subnet::of(address, limits));
        let Some(subnet) = subnet.filter(|_| limits.are_set()) else { return Account::new(None) };
        let now = Instant::now();
        let mut groups = self.0.lock();
        // Twice as many as are left are looked through at most every so often.
        if groups.len() >= MANY_GROUPS && groups.len() == groups.capacity() {
            groups.retain(|_, group| {
                let mut sum = group.0.lock();
                sum.sessions > 0 || sum.retained(now, f64::from(limits.hard)) > 0.0
            });
        }
        let group = groups.entry(subnet).or_insert_with(|| {
            Arc::new(Group(Mutex::new(Sum { sessions: 0, live: 0.0, retained: 0.0, since: now })))
        });
        group.0.lock().sessions += 1;
        Account::new(Some(Arc::clone(group)))
    }

    pub(crate) fn infos(&self, limits: &CostLimits) -> Vec<GroupInfo> {
        let now = Instant::now();
        let groups = self.0.lock();
        let infos = groups.iter().map(|(subnet, group)| {
            let mut sum = group.0.lock();
            let retained = sum.retained(now, f64::from(limits.hard));
            let (sessions, cost) = (sum.sessions, sum.live + retained);
            GroupInfo { name: subnet.to_string(), sessions, cost, retained }
        });
        let mut infos: Vec<_> = infos.collect();
        infos.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        infos
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> CostLimits {
        CostLimits { soft: 100, hard: 1_100, ..CostLimits::default() }
    }

    #[test]
    fn addresses_are_grouped_unless_they_are_ones_own() {
        for (address, group) in [
            ("192.0.2.77", Some("192.0.2.0/24")),
            ("::ffff:192.0.2.77", Some("192.0.2.0/24")),
            ("2001:db8:1:2::3", Some("2001:db8:1::/48")),
            ("127.0.0.1", None),
            ("10.1.2.3", None),
            ("192.168.1.1", None),
            ("fd00::1", None),
            ("::1", None),
        ] {
            let name = group_name(address.parse().unwrap(), &limits());
            assert_eq!(name.as_deref(), group, "{address}");
        }
        let all = CostLimits { ipv4_prefix: 0, ipv6_prefix: 128, ..limits() };
        assert_eq!(group_name("8.8.8.8".parse().unwrap(), &all).as_deref(), Some("0.0.0.0/0"));
        assert_eq!(
            group_name("2001:db8::1".parse().unwrap(), &all).as_deref(),
            Some("2001:db8::1/128")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn costs_add_up_are_shared_and_are_forgiven() {
        let (groups, limits) = (Groups::default(), limits());
        let address = |last| Some(IpAddr::from([192, 0, 2, last]));
        let peer = crate::peer::PeerInfo { addr: None, transport: crate::peer::Transport::Tcp };
        let (stats, other_stats) = (Stats::new(peer), Stats::new(peer));
        let mut one = groups.open(address(1), &limits);
        let mut other = groups.open(address(2), &limits);
        assert_eq!(other.weigh(&limits, &other_stats), 0.0);
        one.charge(595.0);
        assert_eq!(one.weigh(&limits, &stats), (600.0 + 5.0 - 100.0) / 1_000.0);
        assert_eq!(other.weigh(&limits, &other_stats), (5.0 + 600.0 - 100.0) / 1_000.0);
        // Bytes cost as well.
        stats.recv_bytes.set(u64::from(limits.bandwidth_unit) * 300);
        stats.sent_bytes.set(u64::from(limits.bandwidth_unit) * 200);
        assert!(one.weigh(&limits, &stats) >= 1.0);
        // What has ended is not forgotten at once.
        drop(one);
        assert!(other.weigh(&limits, &other_stats) >= 1.0);
        assert_eq!(groups.infos(&limits).len(), 1);
        assert_eq!(groups.infos(&limits)[0].sessions, 1);
        tokio::time::advance(std::time::Duration::from_secs(5_000)).await;
        assert_eq!(other.weigh(&limits, &other_stats), 0.0);
        // Others are others.
        let mut third = groups.open(Some(IpAddr::from([198, 51, 100, 1])), &limits);
        assert_eq!(third.weigh(&limits, &other_stats), 0.0);
    }
}
