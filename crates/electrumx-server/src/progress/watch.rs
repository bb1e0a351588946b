//! Progress of long jobs in the log.

use std::time::{Duration, Instant};

use electrumx_core::processor::{BulkPhase, BulkProgress, Observer};
use tokio_util::sync::CancellationToken;

use crate::local_rpc::thousands;

/// Watches a bulk job: logs now and then how far it is, and stops it.
#[derive(Debug)]
pub(crate) struct JobWatch<'a> {
    last: Instant,
    /// Time between two lines.
    every: Duration,
    /// Says what is counted in a phase.
    what: fn(BulkPhase) -> String,
    stop: &'a CancellationToken,
}

impl<'a> JobWatch<'a> {
    pub(crate) fn new(
        every: Duration,
        what: fn(BulkPhase) -> String,
        stop: &'a CancellationToken,
    ) -> Self {
        Self { last: Instant::now(), every, what, stop }
    }
}

impl Observer for JobWatch<'_> {
    fn should_stop(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn bulk(&mut self, progress: &BulkProgress) {
        if self.last.elapsed() >= self.every {
            self.last = Instant::now();
            let BulkProgress { phase, done, total } = *progress;
            let (done, total) = (thousands(done), thousands(total));
            tracing::info!("{} {done} of {total}", (self.what)(phase));
        }
    }
}
