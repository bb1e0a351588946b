//! How many bytes of blocks are on their way or wait.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Bytes of blocks on their way (estimated) and waiting (known).
///
/// Only the fetching task adds; the processor's thread takes away what it has received.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    waiting: AtomicUsize,
    freed: Notify,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, waiting: AtomicUsize::new(0), freed: Notify::new() }
    }

    /// Whether a block may be asked for beside those on their way, each assumed to have `estimate` bytes. One always may when there is
    /// nothing else.
    pub(super) fn has_room(&self, on_their_way: usize, estimate: usize) -> bool {
        let waiting = self.waiting.load(Ordering::Acquire);
        let total = (on_their_way + 1).saturating_mul(estimate).saturating_add(waiting);
        (on_their_way == 0 && waiting == 0) || total <= self.limit
    }

    /// A block was put into the queue.
    pub(super) fn add(&self, bytes: usize) {
        self.waiting.fetch_add(bytes, Ordering::AcqRel);
    }

    /// The processor has taken a block.
    pub(super) fn take(&self, bytes: usize) {
        self.waiting.fetch_sub(bytes, Ordering::AcqRel);
        self.freed.notify_one();
    }

    /// Waits until the processor has taken a block since the last wait.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}

/// What the next block is assumed to have: the largest of the recent ones, which fades.
#[derive(Debug)]
pub(super) struct Estimate(usize);

impl Estimate {
    /// Unknown blocks are assumed to be full.
    pub(super) fn new() -> Self {
        Self(4 << 20)
    }

    pub(super) fn see(&mut self, bytes: usize) {
        self.0 = bytes.max(self.0 - self.0 / 8);
    }

    pub(super) fn bytes(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_larger_than_the_bound_passes_alone() {
        let budget = Budget::new(10);
        assert!(budget.has_room(0, 100));
        assert!(!budget.has_room(1, 100));
        budget.add(100);
        assert!(!budget.has_room(0, 1));
        budget.take(100);
        assert!(budget.has_room(0, 100));
    }

    #[test]
    fn blocks_on_their_way_count_with_their_estimate() {
        let budget = Budget::new(10);
        budget.add(4);
        assert!(budget.has_room(1, 3));
        assert!(!budget.has_room(2, 3));
    }

    #[test]
    fn the_estimate_follows_growth_at_once_and_shrinks_slowly() {
        let mut estimate = Estimate::new();
        for _ in 0..200 {
            estimate.see(100);
        }
        assert!(estimate.bytes() < 110);
        estimate.see(5000);
        assert_eq!(estimate.bytes(), 5000);
        estimate.see(100);
        assert_eq!(estimate.bytes(), 4375);
    }
}
