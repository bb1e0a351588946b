//! How long others wait for a compaction.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use electrumx_core::{Height, Index as _, Store as _};
use electrumx_storage::LmdbStore;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_micros(200);

/// The longest time that opening a view, and that a write, had to wait.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Waits {
    reader: Duration,
    writer: Duration,
}

/// Looks all the time.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<anyhow::Result<Waits>>,
}

impl Waits {
    /// Begins to look.
    pub(super) fn watch(store: Arc<LmdbStore>) -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut waits = Self::default();
            while !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                drop(store.view()?);
                waits.reader = waits.reader.max(began.elapsed());
                let began = Instant::now();
                // There is nothing above that to remove, but it must be its turn to find out.
                store.unwind_to(Some(Height::MAX))?;
                waits.writer = waits.writer.max(began.elapsed());
                thread::sleep(PAUSE);
            }
            Ok(waits)
        });
        Watch { stop, thread }
    }
}

impl Watch {
    /// Ends, and tells.
    pub(super) fn end(self) -> anyhow::Result<Waits> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reader, writer } = self;
        write!(f, "during the compaction a view waited {reader:.1?} at most, a write {writer:.1?}")
    }
}
