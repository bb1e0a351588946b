//! How many are let in.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Longest time from accepting a connection to its session. Ten seconds are many round trips even through Tor.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Most connections that have steps to go. Well below the open files that
/// [`SessionLimits`](crate::env::SessionLimits) sets aside for what is no session.
const MAX_HANDSHAKES: usize = 200;

/// Counts sessions, and connections on their way to be one.
#[derive(Debug)]
pub(super) struct Gate {
    places: Arc<Semaphore>,
    waiting: Mutex<Waiting>,
}

#[derive(Default, Debug)]
struct Waiting {
    last_id: u64,
    /// By age, the oldest first.
    by_id: BTreeMap<u64, CancellationToken>,
}

/// The right to take the steps to a session.
#[derive(Debug)]
pub(super) struct Handshake {
    gate: Arc<Gate>,
    id: u64,
    evicted: CancellationToken,
}

impl Gate {
    pub(super) fn new(max_sessions: usize) -> Self {
        let places = Arc::new(Semaphore::new(max_sessions.min(Semaphore::MAX_PERMITS)));
        Self { places, waiting: Mutex::default() }
    }

    /// Tells whether there is no place for another session at the moment.
    pub(super) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    /// Takes a place, if there is one. There is no queue: it would only grow.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Lets a connection take its steps; when too many do, the oldest loses its right.
    pub(super) fn handshake(self: &Arc<Self>) -> Handshake {
        let evicted = CancellationToken::new();
        let mut waiting = self.waiting.lock();
        if waiting.by_id.len() >= MAX_HANDSHAKES
            && let Some((_, oldest)) = waiting.by_id.pop_first()
        {
            oldest.cancel();
        }
        waiting.last_id += 1;
        let id = waiting.last_id;
        waiting.by_id.insert(id, evicted.clone());
        Handshake { gate: Arc::clone(self), id, evicted }
    }
}

impl Handshake {
    /// Takes the steps, as long as there is time.
    pub(super) async fn take<T>(
        &self,
        steps: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            () = self.evicted.cancelled() => bail!("made room for newer connections"),
            taken = timeout(DEADLINE, steps) => taken.context("took too long")?,
        }
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.gate.waiting.lock().by_id.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted() {
        let gate = Gate::new(2);
        let (first, second) = (gate.place(), gate.place());
        assert!(first.is_some() && second.is_some() && gate.is_full() && gate.place().is_none());
        drop(first);
        assert!(!gate.is_full() && gate.place().is_some());
        assert!(Gate::new(0).place().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room_and_the_slow_are_dropped() {
        let gate = Arc::new(Gate::new(1));
        let all: Vec<_> = (0..=MAX_HANDSHAKES).map(|_| gate.handshake()).collect();
        let never = std::future::pending::<anyhow::Result<()>>;
        let error = all[0].take(never()).await.unwrap_err();
        assert!(error.to_string().contains("made room"), "{error}");
        assert_eq!(all[1].take(async { Ok(7) }).await.unwrap(), 7);
        let error = all[1].take(never()).await.unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
        assert!(!gate.is_full(), "those who wait hold no place");
        drop(all);
        assert!(gate.waiting.lock().by_id.is_empty());
    }
}
