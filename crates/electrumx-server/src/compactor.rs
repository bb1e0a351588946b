//! Folds the tip of the index into its base, in the background, when it has grown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use electrumx_core::Height;
use electrumx_storage::{Compaction, LmdbStore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::env::Env;
use crate::progress::{JobWatch, phase_name};

/// Time between two lines of the log.
const LINE: Duration = Duration::from_secs(10);

/// Looks at the size of the tip, and compacts the index.
#[derive(Debug)]
pub(crate) struct Compactor {
    store: Arc<LmdbStore>,
    /// Blocks that stay in the tip.
    keep: Height,
    /// Growth of the tip after which it is folded; none is never.
    least_bytes: Option<u64>,
    /// Size of the tip after the last attempt: what has to stay in it, or all if it failed.
    left_bytes: AtomicU64,
    running: AtomicBool,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Compactor {
    pub(crate) fn new(env: &Env, store: Arc<LmdbStore>, stop: CancellationToken) -> Arc<Self> {
        let (keep, least_bytes) = (env.reorg_limit, env.compact_bytes);
        let (left_bytes, running) = (AtomicU64::new(0), AtomicBool::new(false));
        let tasks = TaskTracker::new();
        Arc::new(Self { store, keep, least_bytes, left_bytes, running, tasks, stop })
    }

    /// Starts a compaction if the tip has grown enough to be worth it.
    pub(crate) fn look(self: &Arc<Self>) {
        if let Some(least) = self.least_bytes
            && self.is_worth_it(least)
        {
            self.start();
        }
    }

    /// To write a base that is large for a tip that is small would be a waste, and so would be to try again before
    /// the tip has grown as much again.
    fn is_worth_it(&self, least: u64) -> bool {
        let Ok((base, tip)) = self.store.tier_bytes() else { return false };
        tip >= self.left_bytes.load(Ordering::Acquire).saturating_add(least.max(base / 8))
    }

    /// Starts a compaction unless one is running; tells whether it did.
    pub(crate) fn start(self: &Arc<Self>) -> bool {
        if self.stop.is_cancelled() || self.running.swap(true, Ordering::AcqRel) {
            return false;
        }
        let this = Arc::clone(self);
        self.tasks.spawn_blocking(move || {
            this.run();
            let left = this.store.tier_bytes().map_or(0, |(_, tip)| tip);
            this.left_bytes.store(left, Ordering::Release);
            this.running.store(false, Ordering::Release);
        });
        true
    }

    fn run(&self) {
        let began = Instant::now();
        tracing::info!("compacting the index");
        let what = |phase| format!("compacting the index: {},", phase_name(phase));
        let mut watch = JobWatch::new(LINE, what, &self.stop);
        match self.store.compact(self.keep, &mut watch) {
            Ok(Compaction::Done(tip)) => {
                tracing::info!(
                    "the index is compact up to block {tip}, in {:.0?}",
                    began.elapsed()
                );
            }
            Ok(Compaction::Nothing) => tracing::info!("there is nothing to compact"),
            Ok(Compaction::Stopped) => {}
            Ok(Compaction::ChainChanged) => {
                tracing::info!("not compacted: the chain was reorganised meanwhile");
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the index is not compacted");
            }
        }
    }

    /// Waits for the end of what is running, after `stop` was cancelled.
    pub(crate) async fn join(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
