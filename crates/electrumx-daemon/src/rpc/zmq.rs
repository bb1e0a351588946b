//! The node's ZMQ publishers.

use bitcoin::Txid;
use serde::Deserialize;

use super::NO_METHOD;
use super::chain::present;
use super::values::HashHex;
use crate::{Daemon, DaemonError};

/// A ZMQ publisher of the node (`getzmqnotifications`, 0.17).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ZmqNotification {
    /// What it publishes: `pubhashblock`, `pubsequence`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Where, e.g. `tcp://127.0.0.1:28332`; the host is as the node binds it.
    pub address: String,
    /// Messages it keeps for a slow reader (0.19).
    #[serde(default)]
    pub hwm: u32,
}

/// The mempool's listing, with its place in the count of the feed's transactions.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SequencedMempool {
    /// The ids of all unconfirmed transactions, in no order.
    pub txids: Vec<Txid>,
    /// The number of the first event that is not in the listing.
    pub sequence: u64,
}

impl Daemon {
    /// Returns the ids of all unconfirmed transactions and the feed's number (`getrawmempool`, 0.21). Patient.
    ///
    /// # Errors
    /// When the work is cancelled or the reply makes no sense.
    pub async fn sequenced_mempool(&self) -> Result<SequencedMempool, DaemonError> {
        #[derive(Deserialize)]
        struct Wire {
            txids: Vec<HashHex>,
            mempool_sequence: u64,
        }
        let wire: Wire = self.call_patient("getrawmempool", (false, true)).await?;
        let txids = wire.txids.into_iter().map(Txid::from).collect();
        Ok(SequencedMempool { txids, sequence: wire.mempool_sequence })
    }

    /// Returns the node's ZMQ publishers (`getzmqnotifications`); none when it was built without. Bounded.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub async fn zmq_notifications(&self) -> Result<Vec<ZmqNotification>, DaemonError> {
        let list = self.call::<Vec<ZmqNotification>>("getzmqnotifications", [(); 0]).await;
        Ok(present(list, NO_METHOD)?.unwrap_or_default())
    }
}
