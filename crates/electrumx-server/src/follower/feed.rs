//! The node's ZMQ feed, as the follower takes it.

use std::time::Duration;

use electrumx_core::BlockId;
use electrumx_daemon::{ZmqEvent, ZmqFeed};
use tokio::time::Instant;

use crate::mempool_view::{MempoolView, PoolEvent, Touched};

/// Most events worked on at once.
const BATCH: usize = 1_000;

/// How long what the node has done at once may take to be told one by one.
const ONE_BY_ONE: Duration = Duration::from_millis(250);

/// Events come thick if those before them came no longer ago.
const THICK: Duration = Duration::from_millis(4);

/// How long more of them are gathered then: to wake for each costs several times what there is to do.
const GATHERING: Duration = Duration::from_millis(2);

/// The node's feed.
pub(super) struct Feed {
    events: ZmqFeed,
    /// When the last events were taken over.
    last: Instant,
}

/// When the node is to be looked at.
#[derive(Clone, Copy)]
pub(super) enum Due {
    AsBefore,
    At(Instant),
    Now,
}

/// Events that were taken over.
struct Taken {
    due: Due,
    /// Whether the last of them was a transaction that left, so that more may belong to it.
    is_last_removed: bool,
}

impl Feed {
    pub(super) fn new(events: ZmqFeed) -> Self {
        Self { events, last: Instant::now() }
    }

    /// Waits for an event, for ever if there is no feed. Cancel-safe.
    pub(super) async fn next(&mut self) -> ZmqEvent {
        self.events.next().await
    }

    /// Takes over an event and all that wait behind it, on top of `tip`, which sessions know.
    ///
    /// A replacement is told as what leaves, one by one, and then what comes: a state in between is no state of
    /// the node's mempool, so the rest of it is waited for.
    pub(super) async fn take(
        &mut self,
        first: ZmqEvent,
        tip: Option<BlockId>,
        mempool: &MempoolView,
        touched: &mut Touched,
    ) -> Due {
        let now = Instant::now();
        let until = now + ONE_BY_ONE;
        let is_thick = now - std::mem::replace(&mut self.last, now) < THICK;
        if is_thick && first != ZmqEvent::Block {
            // The thread sleeps, and not this task alone, or each packet would wake it.
            std::thread::sleep(GATHERING);
            tokio::task::yield_now().await;
        }
        let mut taken = self.take_batch(first, tip, mempool, touched).await;
        while taken.is_last_removed && !mempool.agrees_with_node().await {
            let Ok(event) = tokio::time::timeout_at(until, self.events.next()).await else { break };
            let before = taken.due;
            taken = self.take_batch(event, tip, mempool, touched).await;
            taken.due = taken.due.or(before);
        }
        taken.due
    }

    async fn take_batch(
        &mut self,
        first: ZmqEvent,
        tip: Option<BlockId>,
        mempool: &MempoolView,
        touched: &mut Touched,
    ) -> Taken {
        let mut due = Due::AsBefore;
        let mut changes = Vec::new();
        let mut event = Some(first);
        while let Some(now) = event {
            match now {
                ZmqEvent::Block => {
                    due = Due::Now;
                    self.events.recent().clear();
                }
                ZmqEvent::Added { txid, sequence } => {
                    changes.push(PoolEvent { txid, added: true, sequence });
                }
                ZmqEvent::Removed { txid, sequence } => {
                    changes.push(PoolEvent { txid, added: false, sequence });
                }
                ZmqEvent::Transaction => due = due.or(Due::At(Instant::now())),
                // What it said before belongs to another count.
                ZmqEvent::Gap | ZmqEvent::Lost => {
                    changes.clear();
                    mempool.feed_is(now == ZmqEvent::Gap);
                    due = due.or(Due::At(Instant::now()));
                }
                _ => {}
            }
            event = if changes.len() < BATCH { self.events.try_next() } else { None };
        }
        let Some(last) = changes.last() else { return Taken { due, is_last_removed: false } };
        let is_last_removed = !last.added;
        let Some(tip) = tip.filter(|_| !matches!(due, Due::Now)) else {
            // With another block the mempool is listed, and these are in the listing.
            mempool.feed_is(true);
            return Taken { due, is_last_removed: false };
        };
        match mempool.follow(tip, &changes, self.events.recent(), touched).await {
            Ok(None) => Taken { due, is_last_removed },
            Ok(Some(at)) => Taken { due: due.or(Due::At(at)), is_last_removed: false },
            Err(err) => {
                tracing::debug!("cannot follow the node's feed: {err:#}");
                mempool.feed_is(true);
                Taken { due: due.or(Due::At(Instant::now())), is_last_removed: false }
            }
        }
    }
}

impl Due {
    /// The earlier of two.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now, _) | (_, Self::Now) => Self::Now,
            (Self::AsBefore, due) | (due, Self::AsBefore) => due,
            (Self::At(one), Self::At(two)) => Self::At(one.min(two)),
        }
    }
}
