//! Rates and estimates from single blocks.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use electrumx_core::coin::{Chain, Network};
use electrumx_core::processor::Progress;

use super::mainnet;
use crate::local_rpc::{duration, thousands};

/// Time between two samples.
const SAMPLE: Duration = Duration::from_secs(1);

/// Samples kept: rates are over the last minute.
const SAMPLES: usize = 60;

/// A pause after which rates begin anew: the node had no block to give.
const PAUSE: Duration = Duration::from_secs(30);

/// The step that all syncs have.
pub(super) const BLOCKS: &str = "indexing blocks";

/// Where a sync stands.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SyncProgress {
    /// What is being done; fraction and time are of this alone.
    pub step: &'static str,
    /// The last block indexed.
    pub height: u32,
    /// The node's height.
    pub target: u32,
    /// How much of the work is done, from 0 to 1: by transactions on Bitcoin's main network (estimated), elsewhere by
    /// blocks.
    pub fraction: f64,
    /// Blocks a second, over the last minute as all rates.
    pub blocks_per_sec: f64,
    /// Transactions a second.
    pub txs_per_sec: f64,
    /// Bytes of blocks a second.
    pub bytes_per_sec: f64,
    /// Estimated time to the target, at this rate.
    pub time_left: Option<Duration>,
}

/// Measures a sync, block by block. It knows no clock: each call says what time it is.
#[derive(Debug)]
pub struct Meter {
    chain: &'static Chain,
    samples: VecDeque<Sample>,
    bytes: u64,
    last_seen: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    height: u32,
    txs: u64,
    bytes: u64,
}

impl Meter {
    /// Creates a meter.
    #[must_use]
    pub fn new(chain: &'static Chain) -> Self {
        Self { chain, samples: VecDeque::with_capacity(SAMPLES + 1), bytes: 0, last_seen: None }
    }

    /// Notes a block. Returns where the sync stands when a second has passed since the last time it did.
    pub fn advanced(&mut self, progress: &Progress, now: Instant) -> Option<SyncProgress> {
        self.bytes += progress.block_bytes as u64;
        let height = progress.tip.height;
        let pause = self.last_seen.is_some_and(|last| now.duration_since(last) > PAUSE);
        // A lower height follows a reorg.
        let unwound = self.samples.back().is_some_and(|last| height <= last.height);
        if pause || unwound {
            self.samples.clear();
        }
        self.last_seen = Some(now);
        let sample = Sample { at: now, height, txs: progress.tx_count, bytes: self.bytes };
        if self.samples.back().is_some_and(|last| now.duration_since(last.at) < SAMPLE) {
            return None;
        }
        let first = self.samples.front().copied();
        self.samples.push_back(sample);
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
        first.map(|first| self.measure(first, sample, progress.target))
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn measure(&self, first: Sample, last: Sample, target: u32) -> SyncProgress {
        let secs = last.at.duration_since(first.at).as_secs_f64();
        let rate = |from: u64, to: u64| to.saturating_sub(from) as f64 / secs;
        let blocks_per_sec = rate(first.height.into(), last.height.into());
        let txs_per_sec = rate(first.txs, last.txs);
        let (done, total, per_sec) = if self.chain.network == Network::Mainnet {
            (last.txs as f64, mainnet::txs_up_to(target), txs_per_sec)
        } else {
            (f64::from(last.height) + 1.0, f64::from(target) + 1.0, blocks_per_sec)
        };
        SyncProgress {
            step: BLOCKS,
            height: last.height,
            target,
            fraction: if total > 0.0 { (done / total).clamp(0.0, 1.0) } else { 1.0 },
            blocks_per_sec,
            txs_per_sec,
            bytes_per_sec: rate(first.bytes, last.bytes),
            // At a rate of zero there is no estimate.
            time_left: Duration::try_from_secs_f64((total - done).max(0.0) / per_sec).ok(),
        }
    }
}

impl fmt::Display for SyncProgress {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are small")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.step != BLOCKS {
            write!(f, "{}, {:.1} %", self.step, (self.fraction * 100.0).min(99.9))?;
            return match self.time_left {
                Some(left) => write!(f, ", {} left", duration(left)),
                None => Ok(()),
            };
        }
        write!(
            f,
            "height {} of {} ({:.1} %), {} blocks/s, {} txs/s, {:.1} MB/s",
            thousands(self.height.into()),
            thousands(self.target.into()),
            // Not done is not 100 %.
            (self.fraction * 100.0).min(if self.height < self.target { 99.9 } else { 100.0 }),
            thousands(self.blocks_per_sec.round() as u64),
            thousands(self.txs_per_sec.round() as u64),
            self.bytes_per_sec / 1e6,
        )?;
        match self.time_left {
            Some(left) => write!(f, ", {} left", duration(left)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
