//! The hashes of a range of heights, one batch ahead.

use std::collections::VecDeque;
use std::ops::Range;

use bitcoin::BlockHash;
use electrumx_core::{Height, SourceError};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use crate::{Daemon, DaemonError};

/// Hashes asked for at once.
const BATCH: Height = 1000;

/// The hashes of a range of heights, one batch ahead.
pub(super) struct HashFeed {
    daemon: Daemon,
    /// Heights not asked for.
    rest: Range<Height>,
    pending: Option<AbortOnDropHandle<Result<Vec<BlockHash>, DaemonError>>>,
    /// Height of the first hash in `ready`.
    height: Height,
    ready: VecDeque<BlockHash>,
}

impl HashFeed {
    /// Asks for the hashes of a range, or of none if the only one is `known`.
    pub(super) fn new(daemon: Daemon, heights: Range<Height>, known: Option<BlockHash>) -> Self {
        let height = heights.start;
        let ready = VecDeque::from_iter(known);
        let mut feed = Self { daemon, rest: heights, pending: None, height, ready };
        if feed.ready.is_empty() {
            feed.ask();
        }
        feed
    }

    /// Returns the next hash; `None` at the end of the range or of the node's chain.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Result<Option<(Height, BlockHash)>, SourceError> {
        if self.ready.is_empty() {
            let Some(pending) = &mut self.pending else { return Ok(None) };
            let hashes = pending.await;
            self.pending = None;
            self.ready = hashes.map_err(gone)??.into();
            let asked = self.rest.start - self.height;
            if usize::try_from(asked).is_ok_and(|asked| asked == self.ready.len()) {
                self.ask();
            }
        }
        let Some(hash) = self.ready.pop_front() else { return Ok(None) };
        let height = self.height;
        self.height += 1;
        Ok(Some((height, hash)))
    }

    fn ask(&mut self) {
        if self.rest.is_empty() {
            return;
        }
        let to = self.rest.start.saturating_add(BATCH).min(self.rest.end);
        let heights = self.rest.start..to;
        self.rest.start = to;
        let daemon = self.daemon.clone();
        let task = tokio::spawn(async move { daemon.block_hashes(heights).await });
        self.pending = Some(AbortOnDropHandle::new(task));
    }
}

/// A task ended without a result: the runtime is being shut down, or the task panicked.
pub(super) fn gone(error: JoinError) -> SourceError {
    if error.is_cancelled() {
        return SourceError::Cancelled;
    }
    SourceError::Unavailable {
        what: "a fetching task failed".to_owned(),
        source: Some(error.into()),
    }
}
