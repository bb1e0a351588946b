//! Who is connected, and who wants to hear of which script, outpoint or transaction.
//!
//! # Correctness
//!
//! No client is waited for. What is posted to a session is one state for each subscription, the
//! newest, and the tip is a single shared value; so what a slow session has pending never
//! exceeds its subscriptions, and when it comes to read it gets the present state. A client that
//! takes nothing at all is dropped by its own session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};

use electrumx_core::bitcoin::{OutPoint, Txid};
use electrumx_core::history::StatusHash;
use electrumx_core::{BlockId, HashX, Touched};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::close::CloseReason;
use crate::handover::Handover;
use crate::outpoint::OutputFacts;
use crate::peer::PeerInfo;
use crate::posting::Post;
use crate::reader::Stamp;
use crate::stats::{SessionInfo, Stats, Totals};
use crate::subscribers::{Members, Subscribers};
use crate::tx_height::TxHeight;

/// The tip as clients get it.
#[derive(Debug)]
pub(crate) struct TipHeader {
    pub(crate) id: BlockId,
    /// `{"hex":…,"height":…}`.
    pub(crate) json: Vec<u8>,
}

/// The registry of sessions.
#[derive(Debug)]
pub(crate) struct Hub {
    sessions: Mutex<Sessions>,
    pub(crate) scripts: Subscribers<FxHashMap<HashX, Members>>,
    pub(crate) outpoints: Subscribers<BTreeMap<OutPoint, Members>>,
    pub(crate) txs: Subscribers<BTreeMap<Txid, Members>>,
    tip: watch::Sender<Option<Arc<TipHeader>>>,
}

#[derive(Default, Debug)]
struct Sessions {
    last_id: u64,
    members: BTreeMap<u64, Arc<Member>>,
    /// Counts of the sessions that are over.
    over: Totals,
}

/// A session, as others see it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) stats: Stats,
    /// Cancelled when the session is to end.
    pub(crate) token: CancellationToken,
    reason: OnceLock<CloseReason>,
    posted: Mutex<Posts>,
    /// Whether anything is posted: seen without the lock, before each request.
    is_posted: AtomicBool,
    pub(crate) wake: Notify,
    /// Where parts of an answer are handed over.
    pub(crate) handover: Handover,
}

/// The state of something at a moment: on its way to a session, or told to it.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Posted<T> {
    pub(crate) stamp: Stamp,
    pub(crate) state: T,
}

/// The status of a script; `None` without history.
pub(crate) type PostedStatus = Posted<Option<StatusHash>>;

/// What was posted to a session.
#[derive(Default, Debug)]
pub(crate) struct Posts {
    pub(crate) scripts: FxHashMap<HashX, PostedStatus>,
    pub(crate) outpoints: BTreeMap<OutPoint, Posted<OutputFacts>>,
    pub(crate) txs: BTreeMap<Txid, Posted<TxHeight>>,
}

impl<T: PartialEq> Posted<T> {
    /// Takes a state over that was found at another moment, unless it is older; returns whether it is another state.
    pub(crate) fn replace(&mut self, news: Self) -> bool {
        if news.stamp <= self.stamp {
            return false;
        }
        let is_other = news.state != self.state;
        *self = news;
        is_other
    }
}

impl Member {
    /// Makes a session that nobody serves.
    #[cfg(test)]
    pub(crate) fn unserved() -> Arc<Self> {
        let peer = PeerInfo { addr: None, transport: crate::peer::Transport::Memory };
        Hub::new(None).join(peer, &CancellationToken::new())
    }

    /// Ends the session.
    pub(crate) fn close(&self, reason: CloseReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Returns why the session was told to end; it is the server that stops when nobody gave a
    /// reason.
    pub(crate) fn close_reason(&self) -> CloseReason {
        self.reason.get().copied().unwrap_or(CloseReason::Shutdown)
    }

    /// Notes a state that is to be told, in place of what was known of the same, and wakes the session.
    pub(crate) fn take_in(&self, post: Post) {
        let mut posted = self.posted.lock();
        match post {
            Post::Script(hashx, status) => drop(posted.scripts.insert(hashx, status)),
            Post::Outpoint(outpoint, facts) => drop(posted.outpoints.insert(outpoint, facts)),
            Post::Tx(txid, height) => drop(posted.txs.insert(txid, height)),
        }
        self.is_posted.store(true, SeqCst);
        drop(posted);
        self.wake.notify_one();
    }

    /// Takes what was posted since the last time, if anything was.
    pub(crate) fn take_posted(&self) -> Option<Posts> {
        if !self.is_posted.load(SeqCst) {
            return None;
        }
        let mut posted = self.posted.lock();
        self.is_posted.store(false, SeqCst);
        Some(std::mem::take(&mut *posted))
    }
}

impl Hub {
    pub(crate) fn new(tip: Option<Arc<TipHeader>>) -> Self {
        Self {
            sessions: Mutex::default(),
            scripts: Subscribers::default(),
            outpoints: Subscribers::default(),
            txs: Subscribers::default(),
            tip: watch::Sender::new(tip),
        }
    }

    /// Adds a session.
    pub(crate) fn join(&self, peer: PeerInfo, shutdown: &CancellationToken) -> Arc<Member> {
        let mut sessions = self.sessions.lock();
        sessions.last_id += 1;
        let member = Arc::new(Member {
            id: sessions.last_id,
            stats: Stats::new(peer),
            token: shutdown.child_token(),
            reason: OnceLock::new(),
            posted: Mutex::default(),
            is_posted: AtomicBool::new(false),
            wake: Notify::new(),
            handover: Handover::default(),
        });
        sessions.members.insert(member.id, Arc::clone(&member));
        member
    }

    /// Removes a session and its subscriptions.
    pub(crate) fn leave<'a>(
        &self,
        id: u64,
        scripts: impl Iterator<Item = &'a HashX>,
        outpoints: impl Iterator<Item = &'a OutPoint>,
        txs: impl Iterator<Item = &'a Txid>,
    ) {
        let mut sessions = self.sessions.lock();
        if let Some(member) = sessions.members.remove(&id) {
            sessions.over.add(&member.stats);
        }
        drop(sessions);
        scripts.for_each(|hashx| self.scripts.remove(*hashx, id));
        outpoints.for_each(|outpoint| self.outpoints.remove(*outpoint, id));
        txs.for_each(|txid| self.txs.remove(*txid, id));
    }

    /// Returns the counts of all sessions there ever were.
    pub(crate) fn totals(&self) -> Totals {
        let sessions = self.sessions.lock();
        let mut totals = sessions.over;
        for member in sessions.members.values() {
            totals.add(&member.stats);
        }
        totals
    }

    /// Returns which outpoints that anyone subscribed to may have another state now.
    pub(crate) fn touched_outpoints(&self, touched: &Touched) -> Vec<OutPoint> {
        let outpoints = self.outpoints.lock();
        if touched.txs.len() + touched.spent.len() >= outpoints.len() {
            let is_touched = |outpoint: &&OutPoint| {
                touched.txs.contains(&outpoint.txid) || touched.spent.contains(*outpoint)
            };
            return outpoints.keys().filter(is_touched).copied().collect();
        }
        let made = touched.txs.iter().flat_map(|&txid| {
            let all = OutPoint { txid, vout: 0 }..=OutPoint { txid, vout: u32::MAX };
            outpoints.range(all).map(|(outpoint, _)| *outpoint)
        });
        let spent = touched.spent.iter().filter(|outpoint| outpoints.contains_key(*outpoint));
        let found: BTreeSet<OutPoint> = made.chain(spent.copied()).collect();
        found.into_iter().collect()
    }

    /// Publishes the tip; sessions compare its hash with the one they told last.
    pub(crate) fn set_tip(&self, tip: Arc<TipHeader>) {
        self.tip.send_replace(Some(tip));
    }

    pub(crate) fn tip(&self) -> watch::Receiver<Option<Arc<TipHeader>>> {
        self.tip.subscribe()
    }

    pub(crate) fn infos(&self) -> Vec<SessionInfo> {
        let members: Vec<_> = self.sessions.lock().members.values().cloned().collect();
        members
            .iter()
            .map(|member| member.stats.info(member.id, member.token.is_cancelled()))
            .collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.sessions.lock().members.len()
    }

    pub(crate) fn member(&self, id: u64) -> Option<Arc<Member>> {
        self.sessions.lock().members.get(&id).cloned()
    }
}
