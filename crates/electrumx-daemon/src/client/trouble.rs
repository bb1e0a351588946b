//! Log lines about a node that does not answer: one at the start, one at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::{debug, info, warn};

use crate::transport::{Node, Trouble};

/// Log lines about nodes that do not answer.
#[derive(Debug, Default)]
pub(super) struct TroubleLog {
    active: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    since: Option<Instant>,
    /// The kinds that were logged since then, a bit each.
    kinds: u8,
    last_line: Option<Instant>,
}

/// Trouble that comes and goes is not logged more often than this.
const QUIET: Duration = Duration::from_secs(60);

impl TroubleLog {
    /// A node failed and is tried again, or another one is.
    pub(super) fn begin(&self, trouble: &Trouble, node: &Node) {
        self.active.store(true, Ordering::Relaxed);
        let mut state = self.state.lock();
        let now = Instant::now();
        let fresh = state.since.is_none();
        state.since.get_or_insert(now);
        let flapping = fresh && state.last_line.is_some_and(|line| now - line < QUIET);
        if flapping || state.kinds & trouble.kind() != 0 {
            debug!(node = %node.url, "the node {}", trouble.reason());
            return;
        }
        state.kinds |= trouble.kind();
        state.last_line = Some(now);
        warn!(
            node = %node.url,
            "the node {}; {}; trying again until it answers", trouble.reason(), trouble.hint(node)
        );
    }

    /// A node answered.
    pub(super) fn end(&self, node: &Node) {
        if !self.active.swap(false, Ordering::Relaxed) {
            return;
        }
        let mut state = self.state.lock();
        let since = state.since.take();
        if std::mem::take(&mut state.kinds) != 0 {
            let secs = since.map_or(0, |since| since.elapsed().as_secs());
            info!(node = %node.url, secs, "the node answers again");
        }
    }
}
