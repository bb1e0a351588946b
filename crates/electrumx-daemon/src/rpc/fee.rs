//! Fee estimates.

use serde::Deserialize;

use crate::{Daemon, DaemonError};

/// How careful an estimate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EstimateMode {
    /// Looks at a longer past; reacts slowly to falling fees.
    Conservative,
    /// Reacts faster.
    Economical,
}

impl EstimateMode {
    fn name(self) -> &'static str {
        match self {
            Self::Conservative => "CONSERVATIVE",
            Self::Economical => "ECONOMICAL",
        }
    }
}

impl Daemon {
    /// Estimates the fee rate in BTC/kvB for confirmation within `blocks` blocks (`estimatesmartfee`, 0.15); `None` when the node has
    /// not seen enough. Without a mode the node's default counts. Bounded.
    ///
    /// # Errors
    /// The node's own (-8: `blocks` out of range), or that it cannot be asked.
    pub async fn estimate_smart_fee(
        &self,
        blocks: u32,
        mode: Option<EstimateMode>,
    ) -> Result<Option<f64>, DaemonError> {
        const METHOD: &str = "estimatesmartfee";
        #[derive(Deserialize)]
        struct Estimate {
            feerate: Option<f64>,
        }
        let estimate: Estimate = match mode {
            Some(mode) => self.call(METHOD, (blocks, mode.name())).await?,
            None => self.call(METHOD, [blocks]).await?,
        };
        match estimate.feerate {
            Some(rate) if rate < 0.0 => {
                Err(DaemonError::invalid(METHOD, format!("fee rate {rate}")))
            }
            rate => Ok(rate),
        }
    }
}
