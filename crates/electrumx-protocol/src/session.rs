//! One client's state, and how its messages are answered.
//!
//! # Correctness: no stale status
//!
//! A client must end up with the status of the present state, told once: of scripts and, likewise,
//! of outpoints and transactions. A subscription is
//! registered with the [`Hub`](crate::hub::Hub) first, then its status is read and answered. Let S
//! be the snapshot it is read from, and R a round of [`Service::notify`] for a change C that
//! touches the script.
//!
//! - R looks up subscribers before the registration: C was complete before R began, so before S,
//!   and the answer has it.
//! - R looks up subscribers after it: R's status is posted to this session. It is told only after
//!   the answer, because the session looks at what was posted between requests. If R's snapshot has
//!   the smaller [`Stamp`], S shows the same or a later state, and R's status is dropped. Otherwise
//!   it is told if it differs from the one in the answer.
//!
//! Posted statuses of one script replace each other in the order of rounds, which is the order of
//! their stamps.

use std::collections::{BTreeMap, btree_map, hash_map};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use electrumx_core::HashX;
use electrumx_core::bitcoin::{BlockHash, OutPoint, Txid};
use rustc_hash::FxHashMap;
use tokio::sync::watch;

use crate::close::CloseReason;
use crate::costs::{Account, LONG_READ};
use crate::error::RpcError;
use crate::handlers;
use crate::hub::{Member, Posted, PostedStatus, Posts, TipHeader};
use crate::json;
use crate::jsonrpc::{self, Misfit, NULL_ID, Request};
use crate::node::Node;
use crate::outpoint::{OutputFacts, OutputStatus};
use crate::service::Service;
use crate::tx_height::{self, TxHeight};
use crate::version::ProtocolVersion;

/// A connected client.
pub(crate) struct Session<N: Node> {
    pub(crate) service: Arc<Service<N>>,
    pub(crate) member: Arc<Member>,
    /// What `server.version` agreed on, if it was called.
    pub(crate) agreed: Option<ProtocolVersion>,
    pub(crate) headers: Option<HeaderSubscription>,
    pub(crate) scripts: FxHashMap<HashX, Subscription>,
    pub(crate) outpoints: BTreeMap<OutPoint, OutpointSubscription>,
    pub(crate) txs: BTreeMap<Txid, TxSubscription>,
    /// What was taken of the posted states and is to be told: scripts first, then outpoints.
    posted_scripts: hash_map::IntoIter<HashX, PostedStatus>,
    posted_outpoints: btree_map::IntoIter<OutPoint, Posted<OutputFacts>>,
    posted_txs: btree_map::IntoIter<Txid, Posted<TxHeight>>,
    /// Set when the connection is to end after the answer.
    pub(crate) ending: Option<CloseReason>,
    /// Bytes of the present answer that were handed over already.
    handed_over: usize,
    account: Account,
    /// Costs that are yet to be added to the account.
    surcharge: AtomicU32,
}

/// The subscription to the tip.
#[derive(Debug)]
pub(crate) struct HeaderSubscription {
    pub(crate) tip: watch::Receiver<Option<Arc<TipHeader>>>,
    /// The tip told last.
    pub(crate) told: BlockHash,
    /// Whether a tip was seen that is to be told.
    is_due: bool,
}

impl HeaderSubscription {
    /// Creates a subscription to what is published after `tip` was looked at. Whatever was published before may be older
    /// than the tip that was answered.
    pub(crate) fn new(tip: watch::Receiver<Option<Arc<TipHeader>>>, told: BlockHash) -> Self {
        Self { tip, told, is_due: false }
    }

    /// Tells whether another tip was published since the last call.
    fn is_due(&mut self) -> bool {
        let is_due = std::mem::take(&mut self.is_due);
        is_due || self.tip.has_changed().unwrap_or(false)
    }
}

/// The subscription to a script.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// The method it was made by, which is that of its notifications.
    pub(crate) method: &'static str,
    /// The script hash as the client spells it: Electrum drops a server that spells it otherwise.
    pub(crate) spelled: Box<str>,
    /// The status told last.
    pub(crate) told: PostedStatus,
}

/// The subscription to an outpoint.
#[derive(Clone, Debug)]
pub(crate) struct OutpointSubscription {
    /// The transaction id as the client spells it.
    pub(crate) spelled: Box<str>,
    /// The index as the client wrote it.
    pub(crate) index: u64,
    /// Whether the client takes its script for one that cannot be spent.
    pub(crate) cannot_be_spent: bool,
    /// The state told last.
    pub(crate) told: Posted<OutputStatus>,
}

/// The subscription to a transaction, beyond the protocol.
#[derive(Clone, Debug)]
pub(crate) struct TxSubscription {
    /// The transaction id as the client spells it.
    pub(crate) spelled: Box<str>,
    /// The height told last.
    pub(crate) told: Posted<TxHeight>,
}

impl<N: Node> Session<N> {
    pub(crate) fn new(service: Arc<Service<N>>, member: Arc<Member>) -> Self {
        let address = member.stats.peer.addr.map(|addr| addr.ip());
        Self {
            account: service.groups.open(address, &service.config.costs),
            service,
            member,
            agreed: None,
            headers: None,
            scripts: FxHashMap::default(),
            outpoints: BTreeMap::new(),
            txs: BTreeMap::new(),
            posted_scripts: FxHashMap::default().into_iter(),
            posted_outpoints: BTreeMap::new().into_iter(),
            posted_txs: BTreeMap::new().into_iter(),
            ending: None,
            handed_over: 0,
            surcharge: AtomicU32::new(0),
        }
    }

    /// Returns the version in force: 1.4 for clients that never ask.
    pub(crate) fn version(&self) -> ProtocolVersion {
        self.agreed.unwrap_or(self.service.config.protocol_min)
    }

    /// Refuses one subscription more than a session may have.
    pub(crate) fn check_subscriptions(&self) -> Result<(), RpcError> {
        let max = self.service.config.limits.max_subscriptions;
        if self.subscriptions() < max {
            return Ok(());
        }
        let text = format!("more than {} subscriptions", json::grouped(max as u64));
        Err(RpcError::Excessive(text))
    }

    /// Brings the count that others see up to date.
    pub(crate) fn count_subscriptions(&self) {
        self.member.stats.subscriptions.set(self.subscriptions() as u64);
    }

    fn subscriptions(&self) -> usize {
        self.scripts.len() + self.outpoints.len() + self.txs.len()
    }

    /// Hands over what there is of the answer, and waits until the client took enough of what it got before.
    pub(crate) async fn hand_over(&mut self, out: &mut Vec<u8>) {
        self.handed_over += out.len();
        self.member.handover.give(out).await;
    }

    /// Refuses to make the answer, which has `out` so far, longer than allowed.
    pub(crate) fn check_room(&self, out: &[u8], more: usize) -> Result<(), RpcError> {
        let limit = self.service.config.limits.max_send_bytes;
        if self.handed_over + out.len() + more <= limit {
            return Ok(());
        }
        let text = format!("response too large (over {} bytes)", json::grouped(limit as u64));
        Err(RpcError::InvalidRequest(text.into()))
    }

    /// Adds the cost of a request.
    pub(crate) fn charge(&mut self, cost: f64) {
        self.account.charge(cost);
    }

    /// Adds the cost of reading a long history.
    pub(crate) fn charge_long_read(&self) {
        self.surcharge.fetch_add(LONG_READ, Relaxed);
    }

    /// Waits as long as the session has to for what it has spent, or marks it as ending.
    async fn weigh(&mut self) {
        let costs = &self.service.config.costs;
        if !costs.are_set() {
            return;
        }
        self.account.charge(f64::from(self.surcharge.swap(0, Relaxed)));
        let weight = self.account.weigh(costs, &self.member.stats);
        if weight >= 1.0 {
            self.ending = Some(CloseReason::Excessive);
        } else if weight > 0.0 {
            tokio::time::sleep(costs.request_sleep.mul_f64(weight)).await;
        }
    }

    /// Answers a line, if it wants an answer: appends it to `out`, which is empty, with its line
    /// end.
    pub(crate) async fn answer(&mut self, line: &[u8], out: &mut Vec<u8>) {
        self.handed_over = 0;
        self.weigh().await;
        match std::str::from_utf8(line) {
            Err(_) => self.refuse(RpcError::NotUtf8, NULL_ID, out),
            Ok(text) => match text.trim_ascii_start().as_bytes().first() {
                None => {} // A blank line: ignored.
                Some(b'[') => self.batch(text, out).await,
                Some(_) => self.single(text, out).await,
            },
        }
        if self.handed_over > 0 || !out.is_empty() {
            out.push(b'\n');
        }
    }

    async fn batch(&mut self, text: &str, out: &mut Vec<u8>) {
        let elements = match jsonrpc::batch(text, self.service.config.limits.max_batch) {
            Ok(Some(elements)) => elements,
            Ok(None) => return self.refuse_batch(text, out),
            Err(error) => return self.refuse(error, NULL_ID, out),
        };
        if elements.is_empty() {
            return self.refuse(RpcError::InvalidRequest("batch is empty".into()), NULL_ID, out);
        }
        self.member.stats.pending.set(elements.len() as u64);
        self.look_ahead(elements.iter().map(|element| element.get()));
        let mut is_empty = true;
        for element in elements {
            let (start, handed_over) = (out.len(), self.handed_over);
            out.push(if is_empty { b'[' } else { b',' });
            if !is_empty && self.ending.is_none() {
                self.weigh().await;
            }
            self.single(element.get(), out).await;
            if self.handed_over == handed_over && out.len() == start + 1 {
                out.truncate(start);
            } else {
                is_empty = false;
            }
            if self.ending == Some(CloseReason::Unfinished) {
                return;
            }
        }
        self.member.stats.pending.set(0);
        if !is_empty {
            out.push(b']');
        }
    }

    /// Refuses a batch that is too long: each element by its own id, since a lone error leaves
    /// clients waiting.
    fn refuse_batch(&mut self, text: &str, out: &mut Vec<u8>) {
        let limits = &self.service.config.limits;
        let error =
            RpcError::InvalidRequest(format!("Batch limit exceeded: {}", limits.max_batch).into());
        let split = jsonrpc::each_element(text, |element| {
            let id = match Request::parse(element.get()) {
                Ok(Request { id: Some(id), .. }) | Err(Misfit { id, .. }) => id,
                Ok(Request { id: None, .. }) => return,
            };
            // Beyond the longest answer nobody is waiting for the rest.
            if out.len() < limits.max_send_bytes {
                out.push(if out.is_empty() { b'[' } else { b',' });
                jsonrpc::error(out, &error, id);
            }
        });
        if split.is_ok() && !out.is_empty() {
            out.push(b']');
        }
        if out.len() >= limits.max_send_bytes {
            out.clear();
            jsonrpc::error(out, &error, NULL_ID);
            self.ending = Some(CloseReason::TooLong);
        }
        self.account.charge(error.cost());
        self.member.stats.requests.add(1);
        self.member.stats.errors.add(1);
    }

    /// Answers one request at the end of `out`; appends nothing for a notification.
    async fn single(&mut self, text: &str, out: &mut Vec<u8>) {
        let Request { id, method, params } = match Request::parse(text) {
            Ok(request) => request,
            Err(Misfit { id, error }) => return self.refuse(error, id, out),
        };
        // Clients have nothing to notify servers of but, from 1.7 on, `server.ping`, which is noise:
        // nothing is done, nothing answered.
        let Some(id) = id else { return };
        if self.ending == Some(CloseReason::Excessive) {
            return self.refuse(RpcError::Excessive("try again later".into()), id, out);
        }
        if self.agreed.is_none()
            && self.service.config.strict_version_first
            && method != "server.version"
        {
            self.ending = Some(CloseReason::VersionNotFirst);
            let error = RpcError::bad_request("use server.version to identify client");
            return self.refuse(error, id, out);
        }
        let (start, handed_over) = (out.len(), self.handed_over);
        jsonrpc::begin_result(out);
        let result = handlers::call(self, &method, params, out).await;
        if self.handed_over > handed_over {
            // Its length was checked before.
            self.member.stats.requests.add(1);
            match result {
                Ok(()) => jsonrpc::end_result(out, id),
                Err(_) => self.ending = Some(CloseReason::Unfinished),
            }
            return;
        }
        if let Err(error) = result {
            out.truncate(start);
            self.refuse(error, id, out);
        } else {
            self.member.stats.requests.add(1);
            jsonrpc::end_result(out, id);
        }
        // In a batch the answers before this one count as well.
        if let Err(error) = self.check_room(out, 0) {
            out.truncate(start);
            jsonrpc::error(out, &error, id);
            self.member.stats.errors.add(1);
        }
    }

    /// Answers with an error.
    pub(crate) fn refuse(&mut self, error: RpcError, id: &str, out: &mut Vec<u8>) {
        self.member.stats.requests.add(1);
        self.member.stats.errors.add(1);
        self.account.charge(error.cost());
        jsonrpc::error(out, &error, id);
    }

    /// Waits until there may be something for [`notifications`](Self::notifications).
    pub(crate) async fn notified(&mut self) {
        if self.has_posts() {
            return;
        }
        let Self { headers, member, .. } = self;
        let tip_changed = async {
            let changed = match headers {
                Some(headers) => {
                    let changed = headers.tip.changed().await.is_ok();
                    headers.is_due |= changed;
                    changed
                }
                None => false,
            };
            // Without a subscription there is nothing to wait for. The sender lives as long as the
            // service.
            if !changed {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tip_changed => {}
            () = member.wake.notified() => {}
        }
    }

    /// Appends what is to be told now, header first, until `out` holds `limit` bytes. Returns how
    /// many messages.
    pub(crate) fn notifications(&mut self, out: &mut Vec<u8>, limit: usize) -> u64 {
        let mut count = 0;
        loop {
            // Before the tip is looked at: what is posted with a tip comes after it.
            if !self.has_posts()
                && let Some(Posts { scripts, outpoints, txs }) = self.member.take_posted()
            {
                self.posted_scripts = scripts.into_iter();
                self.posted_outpoints = outpoints.into_iter();
                self.posted_txs = txs.into_iter();
            }
            // It waits neither for room nor for what is left of older states.
            count += u64::from(self.tell_tip(out));
            if out.len() >= limit {
                return count;
            }
            let told = if let Some((hashx, posted)) = self.posted_scripts.next() {
                self.scripts.get_mut(&hashx).is_some_and(|script| script.tell(posted, out))
            } else if let Some((outpoint, posted)) = self.posted_outpoints.next() {
                let subscription = self.outpoints.get_mut(&outpoint);
                subscription.is_some_and(|known| known.tell(posted, out))
            } else if let Some((txid, posted)) = self.posted_txs.next() {
                self.txs.get_mut(&txid).is_some_and(|known| known.tell(posted, out))
            } else {
                return count;
            };
            count += u64::from(told);
        }
    }

    fn has_posts(&self) -> bool {
        self.posted_scripts.len() + self.posted_outpoints.len() + self.posted_txs.len() > 0
    }

    /// Tells the tip if it is news; returns whether it was.
    fn tell_tip(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(headers) = &mut self.headers else { return false };
        if !headers.is_due() {
            return false;
        }
        let tip = headers.tip.borrow_and_update();
        let Some(tip) = tip.as_ref().filter(|tip| tip.id.hash != headers.told) else {
            return false;
        };
        headers.told = tip.id.hash;
        jsonrpc::notification(out, "blockchain.headers.subscribe", |out| {
            out.extend_from_slice(&tip.json);
        });
        true
    }
}

impl Subscription {
    /// Tells a posted status if it is news; returns whether it was.
    fn tell(&mut self, posted: PostedStatus, out: &mut Vec<u8>) -> bool {
        if !self.told.replace(posted) {
            return false;
        }
        jsonrpc::notification(out, self.method, |out| {
            json::string(out, &self.spelled);
            out.push(b',');
            json::status(out, self.told.state.as_ref());
        });
        true
    }
}

impl OutpointSubscription {
    /// Tells a posted state if it is news; returns whether it was.
    fn tell(&mut self, posted: Posted<OutputFacts>, out: &mut Vec<u8>) -> bool {
        let state = posted.state.status(self.cannot_be_spent);
        if !self.told.replace(Posted { stamp: posted.stamp, state }) {
            return false;
        }
        jsonrpc::notification(out, "blockchain.outpoint.subscribe", |out| {
            json::string(out, &self.spelled);
            out.push(b',');
            json::integer(out, self.index);
            out.push(b',');
            self.told.state.write(out);
        });
        true
    }
}

impl TxSubscription {
    /// Tells a posted height if it is news; returns whether it was.
    fn tell(&mut self, posted: Posted<TxHeight>, out: &mut Vec<u8>) -> bool {
        if !self.told.replace(posted) {
            return false;
        }
        jsonrpc::notification(out, "blockchain.transaction.subscribe", |out| {
            json::string(out, &self.spelled);
            out.push(b',');
            tx_height::write(out, self.told.state);
        });
        true
    }
}

impl<N: Node> Drop for Session<N> {
    fn drop(&mut self) {
        let Self { service, member, scripts, outpoints, txs, .. } = self;
        service.hub.leave(member.id, scripts.keys(), outpoints.keys(), txs.keys());
    }
}
