//! Transactions handed to the node.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bitcoin::{Transaction, Txid};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::values::{BytesHex, HashHex};
use super::{ALREADY_MINED, NO_METHOD};
use crate::client::Style;
use crate::transport::Failure;
use crate::{Daemon, DaemonError};

/// What became of a package (`submitpackage`, 26).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PackageResult {
    /// Whether all its transactions are in the mempool.
    pub success: bool,
    /// The transactions that the node has now as they were handed over.
    pub accepted: Vec<Txid>,
    /// The transactions that are not in the mempool, with the node's reason. A node older than 28 may name neither here nor
    /// above those it did not look at.
    pub rejected: Vec<RejectedTx>,
    /// The node's reply as it came.
    pub raw: Box<RawValue>,
}

/// A transaction of a package that the node did not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedTx {
    /// Its id.
    pub txid: Txid,
    /// The node's reason.
    pub error: String,
}

/// Whether the node would take a transaction (`testmempoolaccept`, 0.17).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MempoolAccept {
    /// Its id.
    pub txid: Txid,
    /// Whether it would; `false` too for those of a package that were not looked at any more.
    pub allowed: bool,
    /// The node's reason if not.
    pub reject_reason: Option<String>,
}

impl Daemon {
    /// Hands a transaction to the node, which relays it (`sendrawtransaction`). Bounded.
    ///
    /// A lost reply leaves open whether the node took it. It is then handed over again, which is harmless: a node that has it in its mempool
    /// relays it once more, one that has it in a block says so, and both count as success. If the node stays away the result
    /// is [`DaemonError::Unavailable`], and the outcome is unknown.
    ///
    /// # Errors
    /// The node's reason to reject it (-22, -25, -26, -27), or that the node cannot be asked.
    pub async fn send_raw_transaction(&self, tx_hex: &str) -> Result<Txid, DaemonError> {
        const METHOD: &str = "sendrawtransaction";
        let params = &self.params(METHOD, [tx_hex])?;
        // Tries that the node may have acted on without our knowing.
        let doubts = &AtomicUsize::new(0);
        let reply = self.run(Style::Bounded, |node| async move {
            doubts.fetch_add(1, Ordering::Relaxed);
            let reply = node.call::<Box<RawValue>>(METHOD, params).await;
            if !matches!(&reply, Err(Failure::Down(trouble)) if trouble.leaves_outcome_open()) {
                doubts.fetch_sub(1, Ordering::Relaxed);
            }
            reply
        });
        match reply.await {
            Ok(reply) => parse::<HashHex>(METHOD, &reply).map(Txid::from),
            Err(error)
                if error.code() == Some(ALREADY_MINED) && doubts.load(Ordering::Relaxed) > 0 =>
            {
                let bytes = BytesHex::parse(tx_hex).0.unwrap_or_default();
                let tx = bitcoin::consensus::deserialize::<Transaction>(&bytes);
                tx.map(|tx| tx.compute_txid()).map_err(|_| error)
            }
            Err(error) => Err(error),
        }
    }

    /// Hands a package, parents before their child, to the node (`submitpackage`, 26). Bounded. It is
    /// handed over again after a lost reply; transactions that the node has by then count as taken.
    ///
    /// # Errors
    /// The node's own, or that it cannot be asked. -32601: the node is older.
    pub async fn submit_package(&self, txs_hex: &[&str]) -> Result<PackageResult, DaemonError> {
        const METHOD: &str = "submitpackage";
        #[derive(Deserialize)]
        struct Wire {
            package_msg: String,
            #[serde(rename = "tx-results")]
            tx_results: BTreeMap<String, Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            txid: HashHex,
            error: Option<String>,
            /// Of the transaction that is in the mempool in its place, with another witness.
            #[serde(rename = "other-wtxid")]
            other: Option<IgnoredAny>,
        }
        let raw: Box<RawValue> = self.request(Style::Bounded, METHOD, [txs_hex]).await?;
        let wire: Wire = parse(METHOD, &raw)?;
        let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
        for Entry { txid, error, other } in wire.tx_results.into_values() {
            match error {
                Some(error) => rejected.push(RejectedTx { txid: txid.into(), error }),
                None if other.is_none() => accepted.push(txid.into()),
                None => {}
            }
        }
        Ok(PackageResult { success: wire.package_msg == "success", accepted, rejected, raw })
    }

    /// Asks whether the node would take these transactions (`testmempoolaccept`, 0.17; several that depend on each other: 22).
    /// `None` when the node has no such method. Bounded.
    ///
    /// # Errors
    /// The node's own, or that it cannot be asked.
    pub async fn test_mempool_accept(
        &self,
        txs_hex: &[&str],
    ) -> Result<Option<Vec<MempoolAccept>>, DaemonError> {
        #[derive(Deserialize)]
        struct Wire {
            txid: HashHex,
            #[serde(default)]
            allowed: bool,
            #[serde(rename = "reject-reason", alias = "package-error")]
            reject_reason: Option<String>,
        }
        let results = self.call::<Vec<Wire>>("testmempoolaccept", [txs_hex]).await;
        let Some(results) = super::chain::present::<Vec<Wire>, Vec<Wire>>(results, NO_METHOD)?
        else {
            return Ok(None);
        };
        let accepts = results.into_iter().map(|wire| MempoolAccept {
            txid: wire.txid.into(),
            allowed: wire.allowed,
            reject_reason: wire.reject_reason,
        });
        Ok(Some(accepts.collect()))
    }
}

fn parse<'a, T: Deserialize<'a>>(method: &str, reply: &'a RawValue) -> Result<T, DaemonError> {
    serde_json::from_str(reply.get()).map_err(|error| DaemonError::invalid(method, error))
}
