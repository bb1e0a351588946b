//! A node that answers as it is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::mempool::{Mempool, MempoolTx};
use electrumx_protocol::{FeeMode, MempoolInfo, Node, NodeError, NodeVersion, RawValue};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

/// What happens while the node is being asked.
pub(crate) type Event = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(crate) struct FakeNode {
    /// Transactions by id and the block they are in.
    pub(crate) txs: Mutex<HashMap<(Txid, Option<BlockHash>), &'static str>>,
    /// What a broadcast of this hex brings about.
    pub(crate) accepts: Mutex<HashMap<String, (Txid, MempoolTx)>>,
    pub(crate) mempool: Mutex<Arc<RwLock<Mempool>>>,
    pub(crate) package: Mutex<Option<Result<&'static str, NodeError>>>,
    /// The answer to `testmempoolaccept`.
    pub(crate) accept_answer: Mutex<Option<String>>,
    pub(crate) down: Mutex<bool>,
    pub(crate) estimates: AtomicUsize,
    /// Called before a transaction is looked up: what happens meanwhile.
    pub(crate) meanwhile: Mutex<Option<Event>>,
    /// Whether a look at the node is under way.
    pub(crate) settling: watch::Sender<bool>,
}

impl FakeNode {
    fn up(&self) -> Result<(), NodeError> {
        if *self.down.lock() { Err(NodeError::Unavailable("it is down".into())) } else { Ok(()) }
    }

    fn find(&self, txid: &Txid, block: Option<BlockHash>) -> Result<&'static str, NodeError> {
        self.up()?;
        if let Some(meanwhile) = self.meanwhile.lock().take() {
            meanwhile();
        }
        let message = "No such mempool transaction. Use -txindex or provide a block hash to enable \
                       blockchain transaction queries. Use gettransaction for wallet transactions.";
        let missing = || NodeError::Rpc { code: -5, message: message.into() };
        self.txs.lock().get(&(*txid, block)).copied().ok_or_else(missing)
    }
}

pub(crate) fn rpc_error(code: i32, message: &str) -> NodeError {
    NodeError::Rpc { code, message: message.into() }
}

impl Node for FakeNode {
    fn is_settling(&self) -> bool {
        *self.settling.borrow()
    }

    async fn settled(&self) {
        let _ = self.settling.subscribe().wait_for(|settling| !settling).await;
    }

    async fn broadcast(&self, raw_tx: &str) -> Result<Txid, NodeError> {
        self.up()?;
        let accepted = self.accepts.lock().get(raw_tx).cloned();
        let decode_failed = "TX decode failed. Make sure the tx has at least one input.";
        let (txid, tx) = accepted.ok_or_else(|| rpc_error(-22, decode_failed))?;
        let mempool = Arc::clone(&self.mempool.lock());
        mempool.write().insert(vec![(txid, tx)]);
        Ok(txid)
    }

    async fn broadcast_package(&self, raw_txs: &[String]) -> Result<Box<RawValue>, NodeError> {
        self.up()?;
        if raw_txs.is_empty() {
            return Err(rpc_error(-8, "Array must contain between 1 and 25 transactions"));
        }
        let answer = self
            .package
            .lock()
            .clone()
            .unwrap_or_else(|| Err(rpc_error(-32601, "Method not found")))?;
        Ok(RawValue::from_string(answer.to_owned()).unwrap())
    }

    async fn test_mempool_accept(&self, raw_txs: &[String]) -> Result<Box<RawValue>, NodeError> {
        self.up()?;
        let answer = self.accept_answer.lock().clone();
        let refusal = || rpc_error(-8, "Array must contain between 1 and 25 transactions.");
        let answer = answer.filter(|_| !raw_txs.is_empty()).ok_or_else(refusal)?;
        Ok(RawValue::from_string(answer).unwrap())
    }

    async fn estimate_fee(
        &self,
        blocks: u16,
        mode: Option<FeeMode>,
    ) -> Result<Option<f64>, NodeError> {
        self.up()?;
        self.estimates.fetch_add(1, Relaxed);
        match mode {
            Some(FeeMode::Conservative) => Ok(Some(0.0002)),
            Some(FeeMode::Economical) => Ok(Some(1e-5)),
            None => Ok((blocks < 100).then(|| f64::from(blocks))),
        }
    }

    async fn relay_fee(&self) -> Result<f64, NodeError> {
        self.up()?;
        Ok(1e-5)
    }

    async fn mempool_info(&self) -> Result<MempoolInfo, NodeError> {
        self.up()?;
        Ok(MempoolInfo {
            mempool_min_fee: 2e-5,
            min_relay_tx_fee: 1e-5,
            incremental_relay_fee: 1e-6,
        })
    }

    async fn raw_transaction(
        &self,
        txid: &Txid,
        block: Option<BlockHash>,
    ) -> Result<Vec<u8>, NodeError> {
        self.find(txid, block).map(|text| text.as_bytes().to_vec())
    }

    async fn raw_transaction_verbose(
        &self,
        txid: &Txid,
        block: Option<BlockHash>,
    ) -> Result<Box<RawValue>, NodeError> {
        let text = self.find(txid, block)?;
        Ok(RawValue::from_string(format!("{{\n  \"hex\": \"{text}\"\n}}")).unwrap())
    }

    async fn passthrough(
        &self,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<Box<RawValue>, NodeError> {
        self.up()?;
        if method == "refused" {
            return Err(rpc_error(-8, "Block height out of range"));
        }
        let params = params.map_or("none", RawValue::get);
        Ok(RawValue::from_string(format!("{{\"of\":\n[\"{method}\", {params:?} ]}}")).unwrap())
    }

    async fn version(&self) -> Result<NodeVersion, NodeError> {
        self.up()?;
        Ok(NodeVersion { number: "29.5.0".into(), subversion: "/Satoshi:29.5.0/".into() })
    }
}
