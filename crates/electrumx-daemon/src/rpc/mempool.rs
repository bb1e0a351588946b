//! The node's mempool.

use bitcoin::Txid;
use serde::Deserialize;

use super::values::HashHex;
use crate::{Daemon, DaemonError};

/// State of the node's mempool (`getmempoolinfo`, 0.10).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct MempoolInfo {
    /// Number of transactions.
    pub size: u64,
    /// Their virtual size in vbytes.
    pub bytes: u64,
    /// Sum of their fees in BTC (23); `None` with older nodes.
    pub total_fee: Option<f64>,
    /// Whether the node has read back the mempool of its last run (0.21): until then it lacks
    /// transactions that it will have in a moment.
    #[serde(default = "loaded")]
    pub loaded: bool,
    /// Fee rate below which the node accepts nothing now, in BTC/kvB (0.12).
    #[serde(rename = "mempoolminfee")]
    pub min_fee: f64,
    /// Fee rate below which the node never relays, in BTC/kvB (0.16); `None` with older nodes.
    #[serde(rename = "minrelaytxfee")]
    pub min_relay_fee: Option<f64>,
    /// Smallest step of the fee rate for a replacement, in BTC/kvB (24); `None` with older nodes.
    #[serde(rename = "incrementalrelayfee")]
    pub incremental_relay_fee: Option<f64>,
}

/// Old nodes do not say so.
fn loaded() -> bool {
    true
}

impl Daemon {
    /// Returns the ids of all unconfirmed transactions (`getrawmempool`), in no order. Patient.
    ///
    /// # Errors
    /// When the work is cancelled or the reply makes no sense.
    pub async fn raw_mempool(&self) -> Result<Vec<Txid>, DaemonError> {
        let hashes: Vec<HashHex> = self.call_patient("getrawmempool", [false]).await?;
        Ok(hashes.into_iter().map(Txid::from).collect())
    }

    /// Returns the state of the mempool (`getmempoolinfo`). Bounded.
    ///
    /// # Errors
    /// When the node cannot be asked or the reply makes no sense.
    pub async fn mempool_info(&self) -> Result<MempoolInfo, DaemonError> {
        let info: MempoolInfo = self.call("getmempoolinfo", [(); 0]).await?;
        let fees = [Some(info.min_fee), info.min_relay_fee, info.incremental_relay_fee];
        if fees.iter().flatten().all(|fee| *fee >= 0.0) {
            Ok(info)
        } else {
            Err(DaemonError::invalid("getmempoolinfo", "a negative fee"))
        }
    }
}
