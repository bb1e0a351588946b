//! The node's ZMQ publishers.

use serde::Deserialize;

use super::NO_METHOD;
use super::chain::present;
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

impl Daemon {
    /// Returns the node's ZMQ publishers (`getzmqnotifications`); none when it was built without. Bounded.
    ///
    /// # Errors
    /// When the node cannot be asked.
    pub async fn zmq_notifications(&self) -> Result<Vec<ZmqNotification>, DaemonError> {
        let list = self.call::<Vec<ZmqNotification>>("getzmqnotifications", [(); 0]).await;
        Ok(present(list, NO_METHOD)?.unwrap_or_default())
    }
}
