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

/// The node's feed.
pub(super) struct Feed(ZmqFeed);

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
    pub(super) fn new(feed: ZmqFeed) -> Self {
        Self(feed)
    }

    /// Waits for an event, for ever if there is no feed. Cancel-safe.
    pub(super) async fn next(&mut self) -> ZmqEvent {
        self.0.next().await
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
        let until = Instant::now() + ONE_BY_ONE;
        let mut taken = self.take_batch(first, tip, mempool, touched).await;
        while taken.is_last_removed && !mempool.agrees_with_node().await {
            let Ok(event) = tokio::time::timeout_at(until, self.0.next()).await else { break };
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
                    self.0.recent().clear();
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
            event = if changes.len() < BATCH { self.0.try_next() } else { None };
        }
        let Some(last) = changes.last() else { return Taken { due, is_last_removed: false } };
        let is_last_removed = !last.added;
        let Some(tip) = tip.filter(|_| !matches!(due, Due::Now)) else {
            // With another block the mempool is listed, and these are in the listing.
            mempool.feed_is(true);
            return Taken { due, is_last_removed: false };
        };
        match mempool.follow(tip, &changes, self.0.recent(), touched).await {
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
