//! The node as sessions see it: the daemon's RPC, and the mempool view kept in step with broadcasts.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use electrumx_core::bitcoin::consensus::encode::deserialize_hex;
use electrumx_core::bitcoin::{BlockHash, Transaction, Txid};
use electrumx_core::{Touched, TxPosition};
use electrumx_daemon::{Daemon, DaemonError, EstimateMode};
use electrumx_protocol::{FeeMode, MempoolInfo, Node, NodeError, NodeVersion, RawValue};
use tokio::sync::{Notify, mpsc, watch};

use crate::hold::Hold;
use crate::mempool_view::{Broadcast, MempoolView};
use crate::tx_files::TxFiles;

/// Longest wait for a broadcast transaction to enter the mempool view by a whole round.
const ENTER_TIMEOUT: Duration = Duration::from_secs(2);

/// Fee floors of nodes too old to tell, in BTC/kvB: the defaults of their time.
const OLD_MIN_RELAY_FEE: f64 = 0.000_01;

/// What the node says of a transaction it does not have (`getrawtransaction`); clients know the words.
const NO_SUCH_TX: &str =
    "No such mempool or blockchain transaction. Use gettransaction for wallet transactions.";

/// Implements the protocol's node port.
pub(crate) struct ServerNode {
    daemon: Daemon,
    mempool: Arc<MempoolView>,
    follower: FollowerHandle,
    files: Option<TxFiles>,
}

/// What the rest of the server tells the follower, and hears from it.
#[derive(Clone)]
pub(crate) struct FollowerHandle {
    /// Asks for a look at the node now.
    pub(crate) poke: Arc<Notify>,
    /// What accepted broadcasts touched, to be notified.
    pub(crate) accepted: mpsc::UnboundedSender<Touched>,
    /// How many rounds were begun and finished.
    pub(crate) rounds: watch::Receiver<u64>,
    /// Whether sessions have to wait for a look.
    pub(crate) hold: Arc<Hold>,
}

impl ServerNode {
    /// Makes a node of its client, and of the block files as far as they are at hand.
    pub(crate) fn new(
        daemon: Daemon,
        mempool: Arc<MempoolView>,
        follower: FollowerHandle,
        files: Option<TxFiles>,
    ) -> Self {
        Self { daemon, mempool, follower, files }
    }

    /// Makes accepted transactions visible, at once if possible, else by a whole round.
    async fn enter<'a>(&self, broadcast: Broadcast, raw_txs: impl Iterator<Item = &'a str>) {
        let entered = match raw_txs.map(decode_hex).collect::<Option<Vec<_>>>() {
            Some(raws) => self.mempool.accept(&broadcast, raws).await,
            None => Ok(None),
        };
        drop(broadcast);
        match entered {
            Ok(Some(touched)) => {
                // The receiver is gone only when the server is stopping.
                let _ = self.follower.accepted.send(touched);
            }
            Ok(None) => self.wait_for_round().await,
            Err(err) => {
                tracing::warn!("a broadcast transaction is not shown at once: {err:#}");
                self.wait_for_round().await;
            }
        }
    }

    /// Waits for a round that began after now: the next but one to finish.
    async fn wait_for_round(&self) {
        let mut rounds = self.follower.rounds.clone();
        let wanted = *rounds.borrow_and_update() + 2;
        let finished = async {
            while *rounds.borrow_and_update() < wanted {
                self.follower.poke.notify_one();
                if rounds.changed().await.is_err() {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(ENTER_TIMEOUT, finished).await;
    }
}

/// Puts a call's future on the heap: it is some 10 KB large and rare, and would otherwise be a part
/// of every session's own.
fn boxed<'a, T>(
    call: impl Future<Output = T> + Send + 'a,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(call)
}

impl Node for ServerNode {
    async fn broadcast(&self, raw_tx: &str) -> Result<Txid, NodeError> {
        let broadcast = self.mempool.begin_broadcast();
        let txid = boxed(self.daemon.send_raw_transaction(raw_tx)).await.map_err(node_error)?;
        boxed(self.enter(broadcast, std::iter::once(raw_tx))).await;
        Ok(txid)
    }

    async fn broadcast_package(&self, raw_txs: &[String]) -> Result<Box<RawValue>, NodeError> {
        let txs: Vec<&str> = raw_txs.iter().map(String::as_str).collect();
        let broadcast = self.mempool.begin_broadcast();
        let result = boxed(self.daemon.submit_package(&txs)).await.map_err(node_error)?;
        // Some may be in though others are not.
        let is_in = |raw: &&str| {
            let tx = deserialize_hex::<Transaction>(raw);
            tx.is_ok_and(|tx| result.accepted.contains(&tx.compute_txid()))
        };
        let accepted: Vec<&str> = txs.into_iter().filter(is_in).collect();
        if !accepted.is_empty() {
            boxed(self.enter(broadcast, accepted.into_iter())).await;
        }
        Ok(result.raw)
    }

    async fn test_mempool_accept(&self, raw_txs: &[String]) -> Result<Box<RawValue>, NodeError> {
        boxed(self.daemon.call("testmempoolaccept", [raw_txs])).await.map_err(node_error)
    }

    async fn estimate_fee(
        &self,
        blocks: u16,
        mode: Option<FeeMode>,
    ) -> Result<Option<f64>, NodeError> {
        let mode = mode.map(|mode| match mode {
            FeeMode::Conservative => EstimateMode::Conservative,
            FeeMode::Economical => EstimateMode::Economical,
        });
        boxed(self.daemon.estimate_smart_fee(u32::from(blocks), mode)).await.map_err(node_error)
    }

    async fn relay_fee(&self) -> Result<f64, NodeError> {
        boxed(self.daemon.relay_fee()).await.map_err(node_error)
    }

    async fn mempool_info(&self) -> Result<MempoolInfo, NodeError> {
        let info = boxed(self.daemon.mempool_info()).await.map_err(node_error)?;
        let min_relay_tx_fee = info.min_relay_fee.unwrap_or(OLD_MIN_RELAY_FEE);
        let incremental_relay_fee = info.incremental_relay_fee.unwrap_or(OLD_MIN_RELAY_FEE);
        Ok(MempoolInfo { mempool_min_fee: info.min_fee, min_relay_tx_fee, incremental_relay_fee })
    }

    async fn raw_transaction(
        &self,
        txid: &Txid,
        block: Option<BlockHash>,
    ) -> Result<Vec<u8>, NodeError> {
        if let Some((files, block)) = self.files.as_ref().zip(block)
            && let Some(raw) = boxed(files.transaction(*txid, block)).await
        {
            return Ok(raw);
        }
        let raw =
            boxed(self.daemon.raw_transaction(txid, block.as_ref())).await.map_err(node_error)?;
        raw.ok_or_else(|| NodeError::Rpc { code: -5, message: NO_SUCH_TX.to_owned() })
    }

    fn raw_transaction_at(
        &self,
        txid: &Txid,
        block: &BlockHash,
        place: TxPosition,
    ) -> Option<Vec<u8>> {
        self.files.as_ref()?.at_once(txid, block, place)
    }

    async fn raw_transaction_verbose(
        &self,
        txid: &Txid,
        block: Option<BlockHash>,
    ) -> Result<Box<RawValue>, NodeError> {
        boxed(self.daemon.raw_transaction_verbose(txid, block.as_ref())).await.map_err(node_error)
    }

    async fn block_height(&self, hash: &BlockHash) -> Result<Option<u32>, NodeError> {
        #[derive(serde::Deserialize)]
        struct Header {
            height: u32,
            /// −1 for a block that is not in the best chain.
            confirmations: i64,
        }
        match boxed(self.daemon.call::<Header>("getblockheader", [hash.to_string()])).await {
            Ok(header) => Ok((header.confirmations >= 0).then_some(header.height)),
            Err(DaemonError::Rpc { code: -5, .. }) => Ok(None),
            Err(error) => Err(node_error(error)),
        }
    }

    async fn passthrough(
        &self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, NodeError> {
        let answer = match params {
            Some(params) => boxed(self.daemon.call(method, params)).await,
            None => boxed(self.daemon.call(method, [(); 0])).await,
        };
        answer.map_err(node_error)
    }

    fn is_settling(&self) -> bool {
        self.follower.hold.is_on()
    }

    async fn settled(&self) {
        self.follower.hold.released().await;
    }

    async fn version(&self) -> Result<NodeVersion, NodeError> {
        let info = boxed(self.daemon.network_info()).await.map_err(node_error)?;
        Ok(NodeVersion { number: version_text(info.version), subversion: info.subversion })
    }
}

/// Core's version number is 10000 times the major version, and so on: 290200 is 29.2.0.
fn version_text(version: u32) -> String {
    format!("{}.{}.{}", version / 10_000, version / 100 % 100, version % 100)
}

fn node_error(err: DaemonError) -> NodeError {
    match err {
        DaemonError::Rpc { code, message, .. } => NodeError::Rpc { code, message },
        DaemonError::NoNode => NodeError::Offline,
        other => NodeError::Unavailable(format!("{:#}", anyhow::Error::from(other))),
    }
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    electrumx_core::bitcoin::hex::FromHex::from_hex(text).ok()
}
