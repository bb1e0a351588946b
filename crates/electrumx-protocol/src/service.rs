//! What all sessions share.

use std::fmt;
use std::future::Future;
use std::num::NonZero;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::available_parallelism;
use std::time::Duration;

use electrumx_core::bitcoin::blockdata::constants::ChainHash;
use electrumx_core::bitcoin::{Address, Network, OutPoint, ScriptBuf};
use electrumx_core::mempool::Mempool;
use electrumx_core::{BlockId, BlockTouches, ChainView, Changes, HashX, Index, StoreError};
use parking_lot::RwLock;
use tokio::task::{JoinError, JoinSet};

use crate::close::CloseReason;
use crate::config::ServiceConfig;
use crate::costs::{self, Groups};
use crate::error::RpcError;
use crate::fees::Fees;
use crate::handlers;
use crate::hub::{Hub, Posted, PostedStatus, TipHeader};
use crate::json;
use crate::node::{Node, NodeError};
use crate::outpoint::OutputFacts;
use crate::posting::{Post, Posting};
use crate::reader::{Effort, Reader};
use crate::script::unconfirmed_txs;
use crate::stats::{CacheStats, GroupInfo, SessionInfo, Totals};
use crate::version::ProtocolVersion;

/// Most scripts, outpoints or transactions whose states are computed from one snapshot when notifying: bounds how long it is
/// open.
const NOTIFY_CHUNK: usize = 256;
/// How long a tip is held back for what is to be told along with it.
const TOGETHER: Duration = Duration::from_millis(20);

/// Fewer are not worth a further thread.
const LEAST_CHUNK: usize = 32;

/// So few are read where the round runs, if that takes little.
const FEW: usize = 4;

/// Reads states from one snapshot.
type Read<K, T> = fn(&Reader, Effort, &[K]) -> Result<Vec<T>, StoreError>;

/// The Electrum service: index, mempool view and node, and the sessions that are served from them.
///
/// Give each connection to [`serve`](crate::serve()), and tell of each change by
/// [`notify`](Self::notify).
pub struct Service<N> {
    pub(crate) node: Arc<N>,
    pub(crate) config: ServiceConfig,
    /// The answer to `server.features`.
    pub(crate) features: Vec<u8>,
    /// The same, as it is from 1.7 on.
    pub(crate) features_1_7: Vec<u8>,
    pub(crate) reader: Arc<Reader>,
    pub(crate) fees: Fees,
    pub(crate) hub: Hub,
    pub(crate) groups: Groups,
    /// Whether a subscriber was answered another tip than the announced one.
    pub(crate) was_ahead: AtomicBool,
    /// Whether the tree over all headers was filled for the first time.
    was_filled: AtomicBool,
    /// How many reads run at once for one purpose. Asked once: the system reads files for the answer.
    pub(crate) cores: usize,
    /// Held while notifying, so that rounds follow one another.
    round: tokio::sync::Mutex<()>,
}

impl<N: Node> Service<N> {
    /// Creates the service.
    ///
    /// The tip of the index is what clients are told until the first [`notify`](Self::notify).
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn new(
        index: Arc<dyn Index>,
        mempool: Arc<RwLock<Mempool>>,
        node: Arc<N>,
        config: ServiceConfig,
    ) -> Result<Self, StoreError> {
        let reader = Arc::new(Reader::new(index, mempool, &config)?);
        let view = reader.view()?;
        let tip = match view.tip() {
            Some(tip) => tip_header(&*view, tip)?.map(Arc::new),
            None => None,
        };
        Ok(Self {
            node,
            features: handlers::server::features(&config, ProtocolVersion::V1_6),
            features_1_7: handlers::server::features(&config, ProtocolVersion::V1_7),
            config,
            reader,
            fees: Fees::default(),
            hub: Hub::new(tip),
            groups: Groups::default(),
            was_ahead: AtomicBool::new(false),
            was_filled: AtomicBool::new(false),
            cores: available_parallelism().map_or(1, NonZero::get),
            round: tokio::sync::Mutex::default(),
        })
    }

    /// Tells the caches that the index was brought to `tip`, lastly by these blocks.
    ///
    /// Call it right after, with [`Synced::blocks`](electrumx_core::processor::Synced::blocks), and
    /// from one task only. Answers are right without it, but histories and statuses are then read
    /// anew once the tip is another than at the start.
    pub fn advance(&self, tip: BlockId, blocks: &[BlockTouches]) {
        self.reader.scripts().advance(tip, blocks);
    }

    /// Tells subscribed sessions what changed.
    ///
    /// Call it after every change, once index **and** mempool view hold it: also after the first
    /// catch-up, after a broadcast was accepted, and after a reorg. Calls are carried out one after
    /// another. It never waits for a client.
    ///
    /// The tip is announced if the index still has it, and the status of every touched script that
    /// anyone subscribed to is computed, once, from the index's present state, which may already be
    /// a later one than `changes` speaks of; then likewise the states of touched outpoints and transactions. A session hears of the
    /// tip first, and of all that is known soon in one go.
    ///
    /// # Errors
    /// When the index cannot be read; call again with the same changes to make up for it.
    pub async fn notify(&self, changes: &Changes) -> Result<(), StoreError> {
        let _round = self.round.lock().await;
        let posting = Posting::held();
        let mut posts = pin!(self.post(changes, &posting));
        if let Ok(posted) = tokio::time::timeout(TOGETHER, &mut posts).await {
            posted?;
            return self.announce_tip(changes).await;
        }
        self.announce_tip(changes).await?;
        posting.let_go();
        posts.await
    }

    /// Computes the states of what is touched, and posts them to the subscribers.
    async fn post(&self, changes: &Changes, posting: &Posting) -> Result<(), StoreError> {
        let hub = &self.hub;
        let touched = &changes.touched;
        let scripts = hub.scripts.among(&touched.scripts);
        self.in_chunks(&scripts, statuses, |(hashx, posted)| {
            hub.scripts.each(&hashx, |member| match posted {
                Some(status) => posting.post(member, Post::Script(hashx, status)),
                None => member.close(CloseReason::HistoryTooLarge),
            });
        })
        .await?;
        let outpoints = hub.touched_outpoints(touched);
        self.in_chunks(
            &outpoints,
            |reader, _, outpoints| states(reader, outpoints),
            |(outpoint, posted)| {
                let post = Post::Outpoint(outpoint, posted);
                hub.outpoints.each(&outpoint, |member| posting.post(member, post));
            },
        )
        .await?;
        let txs = hub.txs.among(&touched.txs);
        self.in_chunks(
            &txs,
            |reader, _, txids| reader.tx_heights(txids),
            |(txid, posted)| {
                let post = Post::Tx(txid, posted);
                hub.txs.each(&txid, |member| posting.post(member, post));
            },
        )
        .await
    }

    /// Reads states, many on all cores, and hands on each chunk as it is done.
    async fn in_chunks<K: Copy + Send + 'static, T: Send + 'static>(
        &self,
        keys: &[K],
        read: Read<K, T>,
        mut take: impl FnMut(T),
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        if keys.len() <= FEW
            && let Some(Ok(done)) =
                self.reader.at_once(|reader| Ok(read(reader, Effort::Little, keys)?))
        {
            done.into_iter().for_each(take);
            return Ok(());
        }
        let cores = self.cores;
        let size = keys.len().div_ceil(cores).clamp(LEAST_CHUNK, NOTIFY_CHUNK);
        let mut chunks = keys.chunks(size);
        let mut running = JoinSet::new();
        loop {
            while running.len() < cores
                && let Some(chunk) = chunks.next()
            {
                let (reader, chunk) = (Arc::clone(&self.reader), chunk.to_vec());
                running.spawn_blocking(move || read(&reader, Effort::Whole, &chunk));
            }
            let Some(done) = running.join_next().await else { return Ok(()) };
            done.unwrap_or_else(|error| Err(unfinished(error)))?.into_iter().for_each(&mut take);
        }
    }

    async fn announce_tip(&self, changes: &Changes) -> Result<(), StoreError> {
        if !self.was_filled.swap(true, SeqCst) {
            self.fill_header_merkle();
        }
        let tip = changes.tip;
        let told = self.hub.tip().borrow().as_ref().map(|told| told.id);
        // A tip that only a subscriber was told may be gone again.
        let was_ahead = self.was_ahead.swap(false, SeqCst);
        if told == Some(tip) && !was_ahead {
            return Ok(());
        }
        let header = self.blocking(move |reader| tip_header(&*reader.view()?, tip)).await;
        let header = header.inspect_err(|_| self.was_ahead.store(was_ahead, SeqCst))?;
        // A tip that is gone was reorganised away meanwhile; the reorg's own round announces the
        // new one.
        if let Some(header) = header {
            if told != Some(tip) {
                self.fees.tip_changed();
            }
            self.hub.set_tip(Arc::new(header));
            self.fill_header_merkle();
        }
        Ok(())
    }

    /// Nobody waits for it: until it is done proofs take longer.
    fn fill_header_merkle(&self) {
        let reader = Arc::clone(&self.reader);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = reader.fill_header_merkle() {
                tracing::warn!(%error, "the tree over all headers cannot be filled");
            }
        });
    }

    /// Runs a read for the server itself: outside the clients' share of the pool and without time
    /// limit.
    async fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let reader = Arc::clone(&self.reader);
        let done = tokio::task::spawn_blocking(move || read(&reader)).await;
        done.unwrap_or_else(|error| Err(unfinished(error)))
    }

    /// Waits for the node, but not for ever.
    pub(crate) async fn ask<T>(
        &self,
        call: impl Future<Output = Result<T, NodeError>>,
    ) -> Result<T, NodeError> {
        let limit = self.config.limits.request_timeout;
        tokio::time::timeout(limit, call)
            .await
            .unwrap_or_else(|_| Err(NodeError::Unavailable("it does not answer".into())))
    }

    /// Returns the sessions, oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        self.hub.infos()
    }

    /// Returns the groups of sessions that share their costs, by name.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupInfo> {
        self.groups.infos(&self.config.costs)
    }

    /// Returns the name of the group that a session belongs to, if it shares its costs.
    #[must_use]
    pub fn group_of(&self, session: &SessionInfo) -> Option<String> {
        let costs = &self.config.costs;
        let address = session.peer.addr.filter(|_| costs.are_set())?;
        costs::group_name(address.ip(), costs)
    }

    /// Returns the script that an address of this chain's network stands for; `None` for other texts, and on chains of other coins.
    pub(crate) fn script_of(&self, address: &str) -> Option<ScriptBuf> {
        let chain = ChainHash::from_genesis_block_hash(self.config.genesis_hash);
        let network = Network::try_from(chain).ok()?;
        let address = address.parse::<Address<_>>().ok()?.require_network(network).ok()?;
        Some(address.script_pubkey())
    }

    /// Returns what all sessions did so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.hub.totals()
    }

    /// Returns how many sessions there are.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.hub.len()
    }

    /// Returns how many subscriptions of scripts, outpoints and transactions all sessions have together.
    #[must_use]
    pub fn subscription_count(&self) -> u64 {
        self.hub.infos().iter().map(|session| session.subscriptions).sum()
    }

    /// Returns how the caches fare: statuses, histories (with unspent outputs), blocks' merkle trees (with their transaction
    /// ids), headers, the tree over all headers, fee estimates.
    #[must_use]
    pub fn cache_stats(&self) -> Vec<CacheStats> {
        let mut stats = self.reader.cache_stats();
        stats.push(self.fees.stats());
        stats
    }

    /// Ends a session; `false` when there is none of this number.
    pub fn disconnect(&self, id: u64) -> bool {
        let member = self.hub.member(id);
        if let Some(member) = &member {
            member.close(CloseReason::Disconnected);
        }
        member.is_some()
    }

    /// Returns the settings.
    #[must_use]
    pub fn config(&self) -> &ServiceConfig {
        &self.config
    }
}

impl<N> fmt::Debug for Service<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("sessions", &self.hub.len()).finish_non_exhaustive()
    }
}

impl RpcError {
    /// The error for a server that has nothing indexed yet.
    pub(crate) fn no_blocks() -> Self {
        Self::bad_request("the server has no blocks yet")
    }
}

/// Renders the header of `tip`; `None` when it is not in the chain.
pub(crate) fn tip_header(
    view: &dyn ChainView,
    tip: BlockId,
) -> Result<Option<TipHeader>, StoreError> {
    if view.block_hash(tip.height)? != Some(tip.hash) {
        return Ok(None);
    }
    let (mut raw, mut lengths) = (Vec::new(), Vec::new());
    view.headers(tip.height, 1, &mut raw, &mut lengths)?;
    let mut header = b"{\"hex\":".to_vec();
    json::hex(&mut header, &raw);
    header.extend_from_slice(b",\"height\":");
    json::integer(&mut header, tip.height);
    header.push(b'}');
    Ok(Some(TipHeader { id: tip, json: header }))
}

/// The error for a read that did not come to its end.
fn unfinished(error: JoinError) -> StoreError {
    StoreError::Backend { action: "read for notifications", source: error.into() }
}

/// Computes statuses from one snapshot; `None` for a history that is too large.
fn statuses(
    reader: &Reader,
    effort: Effort,
    scripts: &[HashX],
) -> Result<Vec<(HashX, Option<PostedStatus>)>, StoreError> {
    let snapshot = reader.whole_snapshot(|mempool, view| {
        let unconfirmed = scripts.iter().map(|hashx| unconfirmed_txs(mempool, view, hashx));
        unconfirmed.collect::<Result<Vec<_>, _>>()
    })?;
    let mut statuses = Vec::with_capacity(scripts.len());
    for (hashx, unconfirmed) in scripts.iter().zip(snapshot.unconfirmed) {
        let posted = match reader.status(effort, &*snapshot.view, hashx, &unconfirmed) {
            Ok(state) => Some(Posted { stamp: snapshot.stamp, state }),
            Err(StoreError::TooMany { .. }) if effort == Effort::Whole => None,
            Err(error) => return Err(error),
        };
        statuses.push((*hashx, posted));
    }
    Ok(statuses)
}

/// Reads the states of outpoints from one snapshot.
fn states(
    reader: &Reader,
    outpoints: &[OutPoint],
) -> Result<Vec<(OutPoint, Posted<OutputFacts>)>, StoreError> {
    let snapshot = reader.whole_snapshot(|mempool, view| {
        let facts =
            outpoints.iter().map(|outpoint| OutputFacts::read(mempool, view, outpoint, None));
        facts.collect::<Result<Vec<_>, _>>()
    })?;
    let stamp = snapshot.stamp;
    let states = snapshot.unconfirmed.into_iter().map(|state| Posted { stamp, state });
    Ok(outpoints.iter().copied().zip(states).collect())
}
