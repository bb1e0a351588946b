//! Who is connected, and who wants to hear of which script.
//!
//! # Correctness
//!
//! No client is waited for. What is posted to a session is one status for each subscribed script,
//! the newest, and the tip is a single shared value; so what a slow session has pending never
//! exceeds its subscriptions, and when it comes to read it gets the present state. A client that
//! takes nothing at all is dropped by its own session.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use electrumx_core::history::StatusHash;
use electrumx_core::{BlockId, HashX, TouchedScripts};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::close::CloseReason;
use crate::peer::PeerInfo;
use crate::reader::Stamp;
use crate::stats::{SessionInfo, Stats, Totals};

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
    scripts: Mutex<FxHashMap<HashX, Vec<Arc<Member>>>>,
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
    posted: Mutex<FxHashMap<HashX, Posted>>,
    pub(crate) wake: Notify,
}

/// A status on its way to a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posted {
    pub(crate) stamp: Stamp,
    pub(crate) status: Option<StatusHash>,
}

impl Member {
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

    /// Takes what was posted since the last time.
    pub(crate) fn take_posted(&self) -> FxHashMap<HashX, Posted> {
        std::mem::take(&mut *self.posted.lock())
    }

    fn post(&self, hashx: HashX, posted: Posted) {
        self.posted.lock().insert(hashx, posted);
        self.wake.notify_one();
    }
}

impl Hub {
    pub(crate) fn new(tip: Option<Arc<TipHeader>>) -> Self {
        Self { sessions: Mutex::default(), scripts: Mutex::default(), tip: watch::Sender::new(tip) }
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
            wake: Notify::new(),
        });
        sessions.members.insert(member.id, Arc::clone(&member));
        member
    }

    /// Removes a session and its subscriptions.
    pub(crate) fn leave<'a>(&self, id: u64, scripts: impl Iterator<Item = &'a HashX>) {
        let mut sessions = self.sessions.lock();
        if let Some(member) = sessions.members.remove(&id) {
            sessions.over.add(&member.stats);
        }
        drop(sessions);
        let mut subscribers = self.scripts.lock();
        for hashx in scripts {
            remove(&mut subscribers, hashx, id);
        }
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

    /// Subscribes a session, once however often it is called.
    pub(crate) fn subscribe(&self, hashx: HashX, member: &Arc<Member>) {
        let mut scripts = self.scripts.lock();
        let members = scripts.entry(hashx).or_insert_with(|| Vec::with_capacity(1));
        if members.iter().all(|other| other.id != member.id) {
            members.push(Arc::clone(member));
        }
    }

    pub(crate) fn unsubscribe(&self, hashx: &HashX, id: u64) {
        remove(&mut self.scripts.lock(), hashx, id);
    }

    /// Returns which of the touched scripts anyone subscribed to.
    pub(crate) fn subscribed(&self, touched: &TouchedScripts) -> Vec<HashX> {
        let scripts = self.scripts.lock();
        if touched.len() < scripts.len() {
            touched.iter().filter(|hashx| scripts.contains_key(*hashx)).copied().collect()
        } else {
            scripts.keys().filter(|hashx| touched.contains(*hashx)).copied().collect()
        }
    }

    /// Posts a script's status to its subscribers.
    pub(crate) fn post(&self, hashx: HashX, posted: Posted) {
        for member in self.scripts.lock().get(&hashx).into_iter().flatten() {
            member.post(hashx, posted);
        }
    }

    /// Ends the sessions that subscribed to a script whose status can no longer be told.
    pub(crate) fn close_subscribers(&self, hashx: &HashX, reason: CloseReason) {
        for member in self.scripts.lock().get(hashx).into_iter().flatten() {
            member.close(reason);
        }
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

fn remove(scripts: &mut FxHashMap<HashX, Vec<Arc<Member>>>, hashx: &HashX, id: u64) {
    if let Some(members) = scripts.get_mut(hashx) {
        members.retain(|member| member.id != id);
        if members.is_empty() {
            scripts.remove(hashx);
        }
    }
}
