//! What a new view sees, and how many views there are.
//!
//! # Correctness
//!
//! A view is an LMDB snapshot and the [`Chain`] that belongs to it. The two are matched by transaction
//! id: the writer announces the chain of the coming transaction *before* it commits, so whichever
//! snapshot a view gets, its chain is already here and no view ever waits for a commit. Snapshots are
//! taken under the lock, so at most one commit can happen meanwhile.
//!
//! To begin a transaction costs as much as a short read, so snapshots of the last commit that nobody uses any more are kept for
//! the next view. They go when there is a later commit, since LMDB cannot use pages anew that a snapshot shows, and before
//! anything that needs there to be none.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use electrumx_core::StoreError;

use crate::chain::Chain;
use crate::snapshot::Snapshot;

/// Most snapshots that are kept: views are short, and there are not many threads that read at a time.
const KEPT: usize = 32;

/// Chains of the last commit and of the one under way, and a count of open views.
#[derive(Debug)]
pub(crate) struct Published {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    current: (usize, Arc<Chain>),
    next: Option<(usize, Arc<Chain>)>,
    views: usize,
    /// Of the last commit, and used by no view.
    idle: Vec<Snapshot>,
    closed: bool,
    lost: bool,
}

/// The snapshots did not go away in time.
#[derive(Debug, thiserror::Error)]
#[error("{0} views are still open")]
pub(crate) struct ViewsOpen(usize);

impl Published {
    pub(crate) fn new(txn_id: usize, chain: Chain) -> Self {
        let current = (txn_id, Arc::new(chain));
        let idle = Vec::new();
        let state = State { current, next: None, views: 0, idle, closed: false, lost: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// No invariant spans a panic, so a poisoned lock is as good as any.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the chain of the last commit.
    pub(crate) fn chain(&self) -> Arc<Chain> {
        Arc::clone(&self.lock().current.1)
    }

    /// Returns a snapshot with its chain, which `open` opens if none is at hand; [`leave`](Self::leave) must follow.
    pub(crate) fn enter(
        &self,
        open: impl FnOnce() -> Result<Snapshot, StoreError>,
    ) -> Result<(Snapshot, Arc<Chain>), StoreError> {
        let closed = |state: &mut State| state.closed;
        let state = self.changed.wait_while(self.lock(), closed);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.lost {
            return Err(StoreError::Poisoned);
        }
        let snapshot = match state.idle.pop() {
            Some(snapshot) => snapshot,
            None => open()?,
        };
        let known = [Some(&state.current), state.next.as_ref()];
        let chain = known.into_iter().flatten().find(|(id, _)| *id == snapshot.id());
        let Some((_, chain)) = chain else {
            let what = format!("transaction {} is not of this process", snapshot.id());
            return Err(StoreError::Corrupt { table: "meta", what });
        };
        let chain = Arc::clone(chain);
        state.views += 1;
        Ok((snapshot, chain))
    }

    /// Takes a snapshot back and counts its view out.
    pub(crate) fn leave(&self, snapshot: Snapshot) {
        let mut state = self.lock();
        if !state.closed && snapshot.id() == state.current.0 && state.idle.len() < KEPT {
            state.idle.push(snapshot);
        } else {
            // It must have ended before its view is counted out.
            drop(snapshot);
        }
        state.views -= 1;
        // Waking is a system call, so only if somebody waits for the last view.
        if state.views == 0 && state.closed {
            self.changed.notify_all();
        }
    }

    /// Returns how many snapshots are kept for later views.
    #[cfg(test)]
    pub(crate) fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    /// Makes known which chain the transaction about to be committed belongs to.
    pub(crate) fn announce(&self, txn_id: usize, chain: Arc<Chain>) {
        self.lock().next = Some((txn_id, chain));
    }

    /// Ends what [`announce`](Self::announce) began.
    pub(crate) fn conclude(&self, committed: bool) {
        let mut state = self.lock();
        let next = state.next.take();
        if let (true, Some(next)) = (committed, next) {
            state.current = next;
            state.idle.clear();
        }
    }

    /// Runs `change` while there is no view; views asked for meanwhile wait.
    ///
    /// When `change` returns false, no view is possible any more.
    pub(crate) fn without_views<T>(
        &self,
        patience: Duration,
        change: impl FnOnce() -> (T, bool),
    ) -> Result<T, ViewsOpen> {
        let mut state = self.lock();
        state.closed = true;
        state.idle.clear();
        let some = |state: &mut State| state.views > 0;
        let waited = self.changed.wait_timeout_while(state, patience, some);
        (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let result = if state.views > 0 {
            Err(ViewsOpen(state.views))
        } else {
            let (value, usable) = change();
            state.lost |= !usable;
            Ok(value)
        };
        state.closed = false;
        self.changed.notify_all();
        result
    }

    /// Waits until there is no view and tells whether that was reached.
    pub(crate) fn wait_for_views(&self, patience: Duration) -> bool {
        self.without_views(patience, || ((), true)).is_ok()
    }
}
