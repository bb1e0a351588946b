//! A queue of blocks between two threads, bounded in bytes.

use std::collections::VecDeque;

use electrumx_core::RawBlock;
use parking_lot::{Condvar, Mutex};

/// A queue of blocks, bounded in bytes. A block larger than the bound passes alone.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    blocks: VecDeque<RawBlock>,
    bytes: usize,
    /// Whether one of both sides is gone.
    closed: bool,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds a block as soon as there is room; `false` when nobody will take it.
    pub(super) fn push(&self, block: RawBlock) -> bool {
        let mut state = self.state.lock();
        while !state.closed && state.bytes > 0 && state.bytes + block.bytes.len() > self.limit {
            self.changed.wait(&mut state);
        }
        if state.closed {
            return false;
        }
        state.bytes += block.bytes.len();
        state.blocks.push_back(block);
        drop(state);
        self.changed.notify_one();
        true
    }

    /// Takes the next block, waiting for it; `None` when there will be none.
    pub(super) fn pop(&self) -> Option<RawBlock> {
        let mut state = self.state.lock();
        loop {
            if let Some(block) = state.blocks.pop_front() {
                state.bytes -= block.bytes.len();
                drop(state);
                self.changed.notify_one();
                return Some(block);
            }
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// No block will be added, or taken that is not in the queue.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn block(height: u32, size: usize) -> RawBlock {
        RawBlock { height, bytes: vec![0; size] }
    }

    #[test]
    fn blocks_come_in_order_and_no_more_wait_than_allowed() {
        let queue = Arc::new(Queue::new(100));
        let pushed = Arc::new(AtomicUsize::new(0));
        let (theirs, count) = (Arc::clone(&queue), Arc::clone(&pushed));
        let thread = std::thread::spawn(move || {
            // Every tenth is larger than all that may wait.
            for height in 0..1000 {
                let size = if height % 10 == 9 { 150 } else { 40 };
                count.fetch_add(size, Ordering::SeqCst);
                assert!(theirs.push(block(height, size)));
            }
            theirs.close();
        });
        let mut taken = 0;
        for height in 0..1000 {
            let block = queue.pop().unwrap();
            assert_eq!(block.height, height);
            taken += block.bytes.len();
            // What was counted waits, or is just about to.
            assert!(pushed.load(Ordering::SeqCst) - taken <= 150 + 150);
        }
        assert_eq!(queue.pop(), None);
        thread.join().unwrap();
    }

    #[test]
    fn a_closed_queue_takes_nothing() {
        let queue = Arc::new(Queue::new(100));
        assert!(queue.push(block(0, 80)));
        let theirs = Arc::clone(&queue);
        let thread = std::thread::spawn(move || theirs.push(block(1, 80)));
        queue.close();
        assert!(!thread.join().unwrap());
    }
}
