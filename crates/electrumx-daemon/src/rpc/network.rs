//! The node's software and its relay policy.

use serde::Deserialize;

use crate::{Daemon, DaemonError};

/// The node's software and its relay policy (`getnetworkinfo`, 0.9.2).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NetworkInfo {
    /// Version as a number: 290500 is 29.5.0.
    pub version: u32,
    /// Version as the node tells its peers, e.g. `/Satoshi:29.0.0/`.
    pub subversion: String,
    /// Fee rate below which the node never relays, in BTC/kvB.
    pub relay_fee: f64,
    /// Service bits it offers its peers; bit 0 is a full chain, bit 10 a pruned one.
    pub local_services: u64,
    /// Warnings about the network and the node. One text before Bitcoin Core 28, a list since.
    pub warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Wire {
    version: u32,
    subversion: String,
    relayfee: f64,
    #[serde(default)]
    localservices: String,
    #[serde(default)]
    warnings: Warnings,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Warnings {
    One(String),
    Many(Vec<String>),
}

impl Default for Warnings {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Daemon {
    /// Returns what the node runs and relays (`getnetworkinfo`). Bounded.
    ///
    /// # Errors
    /// When the node cannot be asked or the reply makes no sense.
    pub async fn network_info(&self) -> Result<NetworkInfo, DaemonError> {
        let wire: Wire = self.call("getnetworkinfo", [(); 0]).await?;
        if wire.relayfee < 0.0 {
            return Err(DaemonError::invalid("getnetworkinfo", "a negative relay fee"));
        }
        let mut warnings = match wire.warnings {
            Warnings::One(text) => vec![text],
            Warnings::Many(texts) => texts,
        };
        warnings.retain(|text| !text.is_empty());
        Ok(NetworkInfo {
            version: wire.version,
            subversion: wire.subversion,
            relay_fee: wire.relayfee,
            local_services: u64::from_str_radix(&wire.localservices, 16).unwrap_or(0),
            warnings,
        })
    }

    /// Returns the fee rate below which the node never relays, in BTC/kvB (`getnetworkinfo`). Bounded.
    ///
    /// # Errors
    /// When the node cannot be asked or the reply makes no sense.
    pub async fn relay_fee(&self) -> Result<f64, DaemonError> {
        Ok(self.network_info().await?.relay_fee)
    }
}
