//! Progress in the log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use electrumx_core::BlockId;
use electrumx_core::coin::Chain;
use electrumx_core::processor::{BulkProgress, Observer, Progress};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::bar;
use super::meter::{Meter, SyncProgress};
use super::step::Step;
use crate::local_rpc::thousands;

/// Time between two lines.
const LINE: Duration = Duration::from_secs(5);

/// Time between two lines above a bar, which says the same.
const LINE_ABOVE_BAR: Duration = Duration::from_secs(60);

/// Watches the block processor: logs progress and reorgs, and stops it.
///
/// A line at most every five seconds while many blocks are indexed, and one when the node's tip is reached. On a terminal a bar
/// moves instead, and lines are rare.
#[derive(Debug)]
pub struct ProgressReporter {
    meter: Meter,
    latest: LatestProgress,
    /// When this run of blocks began, and its first height.
    began: Option<(Instant, u32)>,
    last_line: Option<Instant>,
    step: Option<Step>,
    has_bar: bool,
    stop: CancellationToken,
}

/// Where the sync stands, for others to read.
#[derive(Debug, Clone, Default)]
pub struct LatestProgress(Arc<Mutex<Option<SyncProgress>>>);

impl LatestProgress {
    /// Returns where the sync stands; `None` when there is none, or it has just begun.
    #[must_use]
    pub fn get(&self) -> Option<SyncProgress> {
        *self.0.lock()
    }

    fn set(&self, progress: Option<SyncProgress>) {
        *self.0.lock() = progress;
    }
}

impl ProgressReporter {
    /// Creates a reporter. The processor is told to stop once `stop` is cancelled.
    #[must_use]
    pub fn new(chain: &'static Chain, stop: CancellationToken) -> Self {
        Self {
            meter: Meter::new(chain),
            latest: LatestProgress::default(),
            began: None,
            last_line: None,
            step: None,
            has_bar: false,
            stop,
        }
    }

    /// Returns a handle to the latest progress.
    #[must_use]
    pub fn latest(&self) -> LatestProgress {
        self.latest.clone()
    }

    /// Notes where the sync stands; `None` when it is over.
    fn set(&mut self, progress: Option<SyncProgress>) {
        self.latest.set(progress);
        match progress {
            Some(progress) => self.has_bar = bar::show(&progress),
            None => bar::clear(),
        }
    }

    /// Tells whether a line is due.
    fn is_due(&self, since: Instant, now: Instant) -> bool {
        now.duration_since(since) >= if self.has_bar { LINE_ABOVE_BAR } else { LINE }
    }

    /// Notes a block, and returns the line that is due.
    fn line(&mut self, progress: &Progress, now: Instant) -> Option<String> {
        let height = progress.tip.height;
        let &mut (began, first) = self.began.get_or_insert((now, height));
        if let Some(measured) = self.meter.advanced(progress, now) {
            self.set(Some(measured));
        }
        if height >= progress.target {
            self.set(None);
            (self.began, self.step) = (None, None);
            self.last_line = None;
            let blocks = u64::from(height.saturating_sub(first)) + 1;
            let took = now.duration_since(began);
            return Some(if blocks == 1 {
                format!(
                    "block {} indexed: {} bytes",
                    thousands(height.into()),
                    thousands(progress.block_bytes as u64)
                )
            } else {
                let (height, blocks) = (thousands(height.into()), thousands(blocks));
                format!("indexed up to height {height}: {blocks} blocks in {took:.1?}")
            });
        }
        let since = self.last_line.unwrap_or(began);
        if !self.is_due(since, now) {
            return None;
        }
        self.last_line = Some(now);
        let memory = rss_bytes().map(|b| format!(", {} MB of memory", b / 1_000_000));
        let progress = self.latest.get()?;
        Some(format!("indexing: {progress}{}", memory.unwrap_or_default()))
    }
}

impl Observer for ProgressReporter {
    fn should_stop(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn advanced(&mut self, progress: &Progress) {
        if let Some(line) = self.line(progress, Instant::now()) {
            tracing::info!("{line}");
        }
    }

    fn bulk(&mut self, progress: &BulkProgress) {
        let now = Instant::now();
        let step = Step::of(self.step, progress.phase, now);
        self.step = Some(step);
        let last = self.latest.get().unwrap_or_default();
        let measured = step.progress(progress, last, now);
        // With the last unit the job may be over.
        self.set((progress.done < progress.total).then_some(measured));
        if self.last_line.is_none_or(|last| self.is_due(last, now)) {
            self.last_line = Some(now);
            tracing::info!("indexing: {measured}");
        }
    }

    fn reorganised(&mut self, fork: Option<BlockId>, depth: u32) {
        let fork = fork.map_or_else(|| "nothing".to_owned(), |fork| format!("block {fork}"));
        tracing::info!("the chain is reorganised: {depth} blocks are undone, back to {fork}");
    }
}

impl Drop for ProgressReporter {
    /// A sync that was stopped or has failed leaves no bar behind.
    fn drop(&mut self) {
        bar::clear();
    }
}

/// Memory of this process that is in use (resident), where the system tells.
fn rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use electrumx_core::bitcoin::BlockHash;
    use electrumx_core::bitcoin::hashes::Hash as _;
    use electrumx_core::coin::{Bitcoin, Coin as _, Network};

    use super::*;

    #[test]
    fn lines_are_rare_and_the_end_is_told() {
        let chain = Bitcoin::new(Network::Signet).chain();
        let mut reporter = ProgressReporter::new(chain, CancellationToken::new());
        let latest = reporter.latest();
        let start = Instant::now();
        let mut lines = Vec::new();
        for height in 0..=300 {
            let tip = BlockId { height, hash: BlockHash::all_zeros() };
            let progress = Progress { tip, target: 300, tx_count: 0, block_bytes: 1000 };
            let now = start + Duration::from_millis(100) * height;
            lines.extend(reporter.line(&progress, now));
            assert_eq!(latest.get().is_some(), (10..300).contains(&height), "{height}");
        }
        // 30 seconds: at 5, 10, ... 25, and the end.
        assert_eq!(lines.len(), 6, "{lines:#?}");
        assert!(
            lines[0].starts_with("indexing: height 50 of 300 (16.9 %), 10 blocks/s"),
            "{lines:#?}"
        );
        assert_eq!(lines[5], "indexed up to height 300: 301 blocks in 30.0s");

        let tip = BlockId { height: 301, hash: BlockHash::all_zeros() };
        let progress = Progress { tip, target: 301, tx_count: 0, block_bytes: 1234 };
        let line = reporter.line(&progress, start + Duration::from_secs(600));
        assert_eq!(line.unwrap(), "block 301 indexed: 1,234 bytes");
    }

    #[test]
    fn the_processor_is_stopped_by_the_token() {
        let stop = CancellationToken::new();
        let reporter = ProgressReporter::new(Bitcoin::new(Network::Regtest).chain(), stop.clone());
        assert!(!reporter.should_stop());
        stop.cancel();
        assert!(reporter.should_stop());
    }
}
