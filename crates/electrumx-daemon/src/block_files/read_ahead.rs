//! A thread that reads blocks ahead of the block processor.

use std::sync::Arc;
use std::thread::JoinHandle;

use electrumx_core::{RawBlock, SourceError};

use super::queue::Queue;

/// A range of blocks being read. Dropping it ends that.
#[derive(Debug)]
pub(super) struct ReadAhead {
    queue: Arc<Queue>,
    /// Gone when the end was told.
    thread: Option<JoinHandle<Result<(), SourceError>>>,
}

/// The thread's end of the queue.
#[derive(Debug)]
pub(super) struct Outlet(Arc<Queue>);

impl Outlet {
    /// Hands over the next block, when there is room; `false` when nobody wants it.
    pub(super) fn send(&self, block: RawBlock) -> bool {
        self.0.push(block)
    }
}

impl Drop for Outlet {
    /// However the thread ends, nobody must wait for it.
    fn drop(&mut self) {
        self.0.close();
    }
}

impl ReadAhead {
    /// Starts `work`, of which at most `limit` bytes of blocks wait.
    pub(super) fn start(
        limit: usize,
        work: impl FnOnce(&Outlet) -> Result<(), SourceError> + Send + 'static,
    ) -> Result<Self, SourceError> {
        let queue = Arc::new(Queue::new(limit));
        let outlet = Outlet(Arc::clone(&queue));
        let thread = std::thread::Builder::new()
            .name("block-files".into())
            .spawn(move || work(&outlet))
            .map_err(|error| SourceError::Files {
                what: "cannot start the thread that reads them".to_owned(),
                source: Some(error.into()),
            })?;
        Ok(Self { queue, thread: Some(thread) })
    }

    /// Returns the next block; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<RawBlock>, SourceError> {
        if let Some(block) = self.queue.pop() {
            return Ok(Some(block));
        }
        let Some(thread) = self.thread.take() else { return Ok(None) };
        let panicked = |_| SourceError::Files {
            what: "the thread that reads them panicked; this is a bug, please report the log"
                .to_owned(),
            source: None,
        };
        thread.join().map_err(panicked)?.map(|()| None)
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.queue.close();
    }
}
