//! The operator's view: what `LocalRPC` reads and orders.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use electrumx_core::Index as _;
use electrumx_core::coin::{Bitcoin, Coin as _};
use electrumx_core::mempool::Mempool;
use electrumx_daemon::Daemon;
use electrumx_protocol::{GroupInfo, Service, SessionInfo};
use electrumx_storage::LmdbStore;
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::compactor::Compactor;
use crate::follower::Following;
use crate::local_rpc::{Group, Info, MempoolInfo, Phase, Session, State, Totals, cache_line};
use crate::node::ServerNode;
use crate::progress::LatestProgress;

/// Implements `LocalRPC`'s port over the components, as far as they exist yet.
pub(crate) struct Operator {
    pub(crate) coin: Bitcoin,
    pub(crate) daemon: Daemon,
    pub(crate) store: Arc<LmdbStore>,
    pub(crate) compactor: Arc<Compactor>,
    pub(crate) pool: Arc<RwLock<Mempool>>,
    pub(crate) following: watch::Receiver<Following>,
    pub(crate) progress: LatestProgress,
    /// Set once there is something to serve.
    pub(crate) service: OnceLock<Arc<Service<ServerNode>>>,
    /// Where wallets are served.
    pub(crate) services: Vec<String>,
    pub(crate) started: Instant,
    pub(crate) stop: CancellationToken,
}

impl Operator {
    fn phase(&self) -> Phase {
        let serving = self.following.borrow().caught_up;
        match self.service.get() {
            _ if self.stop.is_cancelled() => Phase::Stopping,
            None => Phase::Starting,
            Some(_) if serving => Phase::Serving,
            Some(_) => Phase::Syncing,
        }
    }

    /// What the sessions' caches hold, and how often that was asked for.
    fn caches(&self) -> Vec<(String, String)> {
        let stats = self.service.get().map(|service| service.cache_stats()).unwrap_or_default();
        stats.into_iter().map(|cache| (cache.name.to_owned(), cache_line(&cache))).collect()
    }

    fn mempool(&self) -> Option<MempoolInfo> {
        let pool = self.pool.read();
        pool.tip()?;
        let vbytes = pool.rates().values().sum();
        Some(MempoolInfo { txs: pool.len() as u64, vbytes })
    }
}

impl State for Operator {
    fn info(&self) -> Info {
        let chain = self.coin.chain();
        let view = self.store.view().ok();
        let tip = view.as_ref().and_then(|view| view.tip());
        let progress = self.progress.get();
        let totals = self.service.get().map(|service| service.totals()).unwrap_or_default();
        Info {
            version: concat!("ElectrumX-rs ", env!("CARGO_PKG_VERSION")).into(),
            coin: chain.coin.into(),
            net: chain.net.into(),
            daemon: self.daemon.url().map_or_else(|| "offline".into(), ToString::to_string),
            phase: self.phase(),
            daemon_height: match progress {
                Some(progress) => Some(progress.target),
                None => self.following.borrow().tip.map(|tip| tip.height),
            },
            db_height: tip.map(|tip| tip.height),
            db_tip: tip.map(|tip| tip.hash.to_string()),
            tx_count: view.map_or(0, |view| view.tx_count()),
            db_bytes: self.store.disk_bytes().ok(),
            mempool: self.mempool(),
            progress,
            totals: Totals { requests: totals.requests, txs_sent: totals.txs_sent },
            services: self.services.clone(),
            caches: self.caches(),
            uptime: self.started.elapsed(),
        }
    }

    fn sessions(&self) -> Vec<Session> {
        let sessions = self.service.get().map(|service| service.sessions()).unwrap_or_default();
        let group = |session: &SessionInfo| self.service.get()?.group_of(session);
        let rows = sessions.into_iter().map(|session| {
            let group = group(&session).unwrap_or_default();
            Session { group, ..row(session) }
        });
        rows.collect()
    }

    fn groups(&self) -> Vec<Group> {
        let groups = self.service.get().map(|service| service.groups()).unwrap_or_default();
        let row = |group: GroupInfo| Group {
            name: group.name,
            cost: group.cost,
            retained: group.retained,
        };
        groups.into_iter().map(row).collect()
    }

    fn disconnect(&self, id: u64) -> bool {
        self.service.get().is_some_and(|service| service.disconnect(id))
    }

    fn compact(&self) -> bool {
        self.compactor.start()
    }

    fn stop(&self) {
        self.stop.cancel();
    }
}

fn row(session: SessionInfo) -> Session {
    let closing = if session.closing { "C" } else { "" };
    Session {
        id: session.id,
        flags: format!("{}{closing}", session.peer.transport.letter()),
        peer: session.peer.to_string(),
        client: session.client,
        protocol: session.protocol.map(|version| version.to_string()).unwrap_or_default(),
        cost: session.cost,
        extra_cost: session.extra_cost,
        group: String::new(),
        requests: session.requests,
        errors: session.errors,
        pending: session.pending,
        txs_sent: session.txs_sent,
        subscriptions: session.subscriptions,
        recv_count: session.recv_count,
        recv_bytes: session.recv_bytes,
        sent_count: session.sent_count,
        sent_bytes: session.sent_bytes,
        age: session.age,
    }
}
