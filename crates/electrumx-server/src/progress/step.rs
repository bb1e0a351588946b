//! The steps of bulk jobs, for people.

use std::time::{Duration, Instant};

use electrumx_core::processor::{BulkPhase, BulkProgress};

use super::meter::SyncProgress;

/// Says what a phase does.
#[must_use]
pub fn phase_name(phase: BulkPhase) -> &'static str {
    match phase {
        BulkPhase::Blocks => "copying headers and transaction ids",
        BulkPhase::Join => "joining outputs with their spends",
        BulkPhase::Scripts => "writing outputs by script",
        BulkPhase::Utxos => "writing unspent outputs",
        BulkPhase::Txids => "writing the index of transaction ids",
        BulkPhase::Switch => "changing to the new base",
    }
}

/// Measures the phase under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    phase: BulkPhase,
    began: Instant,
}

impl Step {
    /// Goes on with the phase of `before`, or begins another.
    pub(super) fn of(before: Option<Self>, phase: BulkPhase, now: Instant) -> Self {
        before.filter(|step| step.phase == phase).unwrap_or(Self { phase, began: now })
    }

    /// Says how far it is and how long it will take, as part of what was last known of the sync.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn progress(
        self,
        progress: &BulkProgress,
        last: SyncProgress,
        now: Instant,
    ) -> SyncProgress {
        let total = progress.total.max(1) as f64;
        let fraction = (progress.done as f64 / total).clamp(0.0, 1.0);
        let spent = now.duration_since(self.began).as_secs_f64();
        let left = spent / fraction * (1.0 - fraction);
        SyncProgress {
            step: phase_name(self.phase),
            fraction,
            blocks_per_sec: 0.0,
            txs_per_sec: 0.0,
            bytes_per_sec: 0.0,
            time_left: Duration::try_from_secs_f64(left).ok(),
            ..last
        }
    }
}
