//! Answers about fees, kept for a while.

use std::future::Future;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::node::{FeeMode, MempoolInfo, NodeError};
use crate::stats::CacheStats;

/// How long a node's settings are good for, as in ElectrumX.
pub(crate) const SETTING_LIFETIME: Duration = Duration::from_secs(60);

/// How long the state of its mempool is: the fee floor rises while it is full.
pub(crate) const STATE_LIFETIME: Duration = Duration::from_millis(500);

/// What the node said about fees.
#[derive(Default, Debug)]
pub(crate) struct Fees {
    estimates: Mutex<Estimates>,
    pub(crate) relay_fee: Kept<f64>,
    pub(crate) mempool_info: Kept<MempoolInfo>,
}

#[derive(Default, Debug)]
struct Estimates {
    /// How often the tip changed: an answer from before is not kept.
    epoch: u64,
    rates: FxHashMap<(u16, Option<FeeMode>), Option<f64>>,
    hits: u64,
    misses: u64,
}

impl Fees {
    /// Returns an estimate in BTC/kvB, asking the node once for each bucket and tip; `None` when
    /// the node cannot tell or cannot be asked.
    pub(crate) async fn estimate(
        &self,
        bucket: u16,
        mode: Option<FeeMode>,
        ask: impl Future<Output = Result<Option<f64>, NodeError>>,
    ) -> Option<f64> {
        let epoch = {
            let mut estimates = self.estimates.lock();
            if let Some(rate) = estimates.rates.get(&(bucket, mode)).copied() {
                estimates.hits += 1;
                return rate;
            }
            estimates.misses += 1;
            estimates.epoch
        };
        match ask.await {
            Ok(rate) => {
                let mut estimates = self.estimates.lock();
                if estimates.epoch == epoch {
                    estimates.rates.insert((bucket, mode), rate);
                }
                rate
            }
            Err(error) => {
                tracing::debug!(%error, "no fee estimate");
                None
            }
        }
    }

    pub(crate) fn stats(&self) -> CacheStats {
        let estimates = self.estimates.lock();
        CacheStats {
            name: "fee estimates",
            hits: estimates.hits,
            misses: estimates.misses,
            entries: estimates.rates.len(),
            bytes: estimates.rates.capacity() * size_of::<((u16, Option<FeeMode>), Option<f64>)>(),
        }
    }

    /// Forgets the estimates. Call when the tip changed, before clients learn of it: they ask again
    /// then.
    pub(crate) fn tip_changed(&self) {
        let mut estimates = self.estimates.lock();
        estimates.epoch += 1;
        estimates.rates.clear();
    }
}

/// The confirmation target that stands for `blocks`: ElectrumX's buckets, which bound the cache and
/// what the node is asked.
pub(crate) fn bucket(blocks: u64) -> u16 {
    match u16::try_from(blocks).unwrap_or(u16::MAX) {
        0 => 1,
        near @ (1..=12 | 25) => near,
        near @ 13..=48 => near & !1,
        far @ 49..=1008 => far / 24 * 24,
        _ => 1008,
    }
}

/// A value and when it was learned.
#[derive(Debug)]
pub(crate) struct Kept<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Kept<T> {
    /// Returns the value if it is younger than `lifetime`.
    fn fresh(&self, lifetime: Duration) -> Option<T> {
        let kept = self.0.lock();
        let (since, value) = kept.as_ref()?;
        (since.elapsed() < lifetime).then(|| value.clone())
    }

    fn set(&self, value: T) {
        *self.0.lock() = Some((Instant::now(), value));
    }

    /// Returns the value, asking for it when it is older than `lifetime`. When the node does not answer an old value
    /// is better than none: fee floors hardly ever change.
    pub(crate) async fn get(
        &self,
        lifetime: Duration,
        ask: impl Future<Output = Result<T, NodeError>>,
    ) -> Result<T, NodeError> {
        if let Some(value) = self.fresh(lifetime) {
            return Ok(value);
        }
        match ask.await {
            Ok(value) => {
                self.set(value.clone());
                Ok(value)
            }
            Err(error) => self.fresh(Duration::MAX).ok_or(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn targets_fall_into_the_buckets_of_electrumx() {
        for (blocks, expected) in [
            (0, 1),
            (1, 1),
            (12, 12),
            (13, 12),
            (25, 25),
            (26, 26),
            (27, 26),
            (48, 48),
            (49, 48),
            (144, 144),
            (1007, 984),
            (1008, 1008),
            (1009, 1008),
            (u64::MAX, 1008),
        ] {
            assert_eq!(bucket(blocks), expected, "{blocks}");
        }
    }
}
