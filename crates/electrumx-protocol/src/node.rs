//! The node port: what sessions need of the full node.

use std::future::Future;

use electrumx_core::TxPosition;
use electrumx_core::bitcoin::{BlockHash, Txid};
use serde_json::value::RawValue;

/// A full node, as sessions see it.
///
/// Implemented above this crate, over the node's RPC. Calls may be slow or fail at any time; a
/// session waits at most [`Limits::request_timeout`](crate::Limits::request_timeout) and then drops
/// the future. The service caches fee answers, so an implementation need not.
pub trait Node: Send + Sync + 'static {
    /// Hands a transaction (hex, as the client sent it) to the node: `sendrawtransaction`.
    ///
    /// Returns only after the [`Mempool`](electrumx_core::mempool::Mempool) view holds the accepted
    /// transaction (or has learned that it is confirmed), so that a client which asks for its
    /// history right after the reply sees it. Notifying other sessions is the caller's business, by
    /// [`Service::notify`](crate::Service::notify).
    ///
    /// # Errors
    /// [`NodeError::Rpc`] with the node's own words when it refuses: clients look for phrases in
    /// them.
    fn broadcast(&self, raw_tx: &str) -> impl Future<Output = Result<Txid, NodeError>> + Send;

    /// Hands a package of transactions (hex; child last) to the node: `submitpackage` (Core ≥ 28).
    ///
    /// Returns the node's answer unchanged, under the same condition as
    /// [`broadcast`](Self::broadcast).
    ///
    /// # Errors
    /// [`NodeError::Rpc`] when the node refuses the call as a whole; code −32601 when it does not
    /// know it.
    fn broadcast_package(
        &self,
        raw_txs: &[String],
    ) -> impl Future<Output = Result<Box<RawValue>, NodeError>> + Send;

    /// Asks the node whether it would take these transactions (hex): `testmempoolaccept`.
    ///
    /// Returns the node's answer unchanged.
    ///
    /// # Errors
    /// [`NodeError::Rpc`] when the node refuses the call as a whole.
    fn test_mempool_accept(
        &self,
        raw_txs: &[String],
    ) -> impl Future<Output = Result<Box<RawValue>, NodeError>> + Send;

    /// Returns the fee rate in BTC/kvB for confirmation within `blocks` (1..=1008), `None` when the
    /// node cannot tell: `estimatesmartfee`.
    ///
    /// # Errors
    /// When the node cannot be asked.
    fn estimate_fee(
        &self,
        blocks: u16,
        mode: Option<FeeMode>,
    ) -> impl Future<Output = Result<Option<f64>, NodeError>> + Send;

    /// Returns the node's static minimum relay fee rate in BTC/kvB: `relayfee` of `getnetworkinfo`.
    ///
    /// # Errors
    /// When the node cannot be asked.
    fn relay_fee(&self) -> impl Future<Output = Result<f64, NodeError>> + Send;

    /// Returns the node's mempool fee floors: `getmempoolinfo`.
    ///
    /// # Errors
    /// When the node cannot be asked.
    fn mempool_info(&self) -> impl Future<Output = Result<MempoolInfo, NodeError>> + Send;

    /// Returns a transaction's consensus serialisation: `getrawtransaction`, or any other way.
    ///
    /// `block` is the block that holds it, from the index; `None` for a mempool transaction.
    ///
    /// # Errors
    /// [`NodeError::Rpc`] with code −5 when the node has no such transaction (there).
    fn raw_transaction(
        &self,
        txid: &Txid,
        block: Option<BlockHash>,
    ) -> impl Future<Output = Result<Vec<u8>, NodeError>> + Send;

    /// Reads a confirmed transaction if that takes microseconds: it keeps a thread of the runtime. `None` when it does not, or when
    /// what is at that place of the block is another transaction.
    fn raw_transaction_at(
        &self,
        _txid: &Txid,
        _block: &BlockHash,
        _place: TxPosition,
    ) -> Option<Vec<u8>> {
        None
    }

    /// Returns the node's description of a transaction unchanged: `getrawtransaction` with
    /// verbosity 1.
    ///
    /// # Errors
    /// As for [`raw_transaction`](Self::raw_transaction).
    fn raw_transaction_verbose(
        &self,
        txid: &Txid,
        block: Option<BlockHash>,
    ) -> impl Future<Output = Result<Box<RawValue>, NodeError>> + Send;

    /// Returns the height of a block of the best chain; `None` when it is not in it: `getblockheader`.
    ///
    /// # Errors
    /// When the node cannot be asked.
    fn block_height(
        &self,
        _hash: &BlockHash,
    ) -> impl Future<Output = Result<Option<u32>, NodeError>> + Send {
        std::future::ready(Err(NodeError::Offline))
    }

    /// Calls a method of the node's RPC, which the operator allows; `params` is an array or an object. Returns the node's result
    /// unchanged.
    ///
    /// # Errors
    /// [`NodeError::Rpc`] when the node refuses.
    fn passthrough(
        &self,
        _method: &str,
        _params: Option<&RawValue>,
    ) -> impl Future<Output = Result<Box<RawValue>, NodeError>> + Send {
        std::future::ready(Err(NodeError::Offline))
    }

    /// Tells whether requests have to wait until [`settled`](Self::settled): somebody asked for a look at the
    /// node, and what it brings is not told yet. Asked before each request, so it must be cheap.
    fn is_settling(&self) -> bool {
        false
    }

    /// Waits for the end of that look, or for as long as it is worth waiting.
    fn settled(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Returns the node's version, for the banner: `getnetworkinfo`.
    ///
    /// # Errors
    /// When the node cannot be asked.
    fn version(&self) -> impl Future<Output = Result<NodeVersion, NodeError>> + Send;
}

/// Estimate mode of `estimatesmartfee`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FeeMode {
    /// `CONSERVATIVE`.
    Conservative,
    /// `ECONOMICAL`.
    Economical,
}

impl FeeMode {
    /// Returns the name the node's RPC uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Conservative => "CONSERVATIVE",
            Self::Economical => "ECONOMICAL",
        }
    }
}

/// Fee floors of the node's mempool, in BTC/kvB.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MempoolInfo {
    /// Dynamic floor to enter the mempool (`mempoolminfee`), at least `min_relay_tx_fee`.
    pub mempool_min_fee: f64,
    /// Static floor (`minrelaytxfee`).
    pub min_relay_tx_fee: f64,
    /// Step for replacements (`incrementalrelayfee`; old nodes have it in `getnetworkinfo` only).
    pub incremental_relay_fee: f64,
}

/// The node's version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeVersion {
    /// Like `29.1.0`.
    pub number: String,
    /// Like `/Satoshi:29.1.0/`.
    pub subversion: String,
}

/// Why the node gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The node answered with an error; its words are passed on to clients.
    #[error("{message}")]
    Rpc {
        /// Code of the node's RPC.
        code: i32,
        /// The node's words.
        message: String,
    },
    /// There is no node: the server serves what is on disk.
    #[error("this server has no node: it is in offline mode")]
    Offline,
    /// The node cannot be asked, or answered something that makes no sense.
    #[error("the node cannot be asked: {0}")]
    Unavailable(String),
}
