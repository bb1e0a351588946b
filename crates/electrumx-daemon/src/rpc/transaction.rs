//! Single transactions.

use bitcoin::{BlockHash, Txid};
use serde_json::value::RawValue;

use super::NOT_FOUND;
use super::chain::present;
use super::values::BytesHex;
use crate::client::Style;
use crate::{Daemon, DaemonError};

const METHOD: &str = "getrawtransaction";

/// Transactions asked for in one request; fewer where the reply would become too large.
const BATCH: usize = 100;

impl Daemon {
    /// Returns a transaction (`getrawtransaction`); `None` when the node does not find it. Bounded.
    ///
    /// Without `block` the node looks in its mempool, and in its `txindex` if it has one; with it, in that block (0.16).
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub async fn raw_transaction(
        &self,
        txid: &Txid,
        block: Option<&BlockHash>,
    ) -> Result<Option<Vec<u8>>, DaemonError> {
        let params = (txid.to_string(), false, block.map(ToString::to_string));
        let reply = match block {
            Some(_) => self.request::<BytesHex>(Style::Bounded, METHOD, params).await,
            None => self.request(Style::Bounded, METHOD, (params.0, params.1)).await,
        };
        match present(reply, NOT_FOUND)? {
            Some(BytesHex(Ok(tx))) => Ok(Some(tx)),
            Some(BytesHex(Err(what))) => Err(DaemonError::invalid(METHOD, what)),
            None => Ok(None),
        }
    }

    /// Returns the node's description of a transaction (`getrawtransaction` verbose) as it came. Bounded.
    ///
    /// # Errors
    /// The node's own (-5: not found), or that it cannot be asked.
    pub async fn raw_transaction_verbose(
        &self,
        txid: &Txid,
        block: Option<&BlockHash>,
    ) -> Result<Box<RawValue>, DaemonError> {
        let txid = txid.to_string();
        match block {
            Some(block) => self.call(METHOD, (txid, true, block.to_string())).await,
            None => self.call(METHOD, (txid, true)).await,
        }
    }

    /// Returns many transactions, mostly of the mempool, in the order of `txids`; `None` where the node does not find one.
    /// Patient, in batches.
    ///
    /// # Errors
    /// When the work is cancelled or a reply makes no sense.
    pub async fn raw_transactions(
        &self,
        txids: &[Txid],
    ) -> Result<Vec<Option<Vec<u8>>>, DaemonError> {
        let mut txs = Vec::with_capacity(txids.len());
        let mut size = BATCH;
        while let Some(rest) = txids.get(txs.len()..).filter(|rest| !rest.is_empty()) {
            let batch = &rest[..rest.len().min(size)];
            let params = batch.iter().map(|txid| (txid.to_string(), false));
            let replies = match self.call_batch(METHOD, params).await {
                Err(DaemonError::TooLarge { .. }) if batch.len() > 1 => {
                    size = batch.len() / 2;
                    continue;
                }
                replies => replies?,
            };
            for reply in replies {
                let tx = reply.and_then(|reply| {
                    let digits = serde_json::from_str::<BytesHex>(reply.get());
                    digits
                        .map_err(|error| error.to_string())
                        .and_then(|digits| digits.0)
                        .map_err(|what| DaemonError::invalid(METHOD, what))
                });
                txs.push(present(tx, NOT_FOUND)?);
            }
        }
        Ok(txs)
    }
}
