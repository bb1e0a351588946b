//! The node's ZMQ feed, as the follower takes it.

use electrumx_core::BlockId;
use electrumx_daemon::{ZmqEvent, ZmqFeed};
use tokio::time::Instant;

use crate::mempool_view::{MempoolView, PoolEvent, Touched};

/// Most events worked on at once.
const BATCH: usize = 1_000;

/// The node's feed.
pub(super) struct Feed(ZmqFeed);

/// When the node is to be looked at.
#[derive(Clone, Copy)]
pub(super) enum Due {
    AsBefore,
    At(Instant),
    Now,
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
    pub(super) async fn take(
        &mut self,
        first: ZmqEvent,
        tip: Option<BlockId>,
        mempool: &MempoolView,
        touched: &mut Touched,
    ) -> Due {
        let mut due = Due::AsBefore;
        let mut changes = Vec::new();
        let mut event = Some(first);
        while let Some(now) = event {
            match now {
                ZmqEvent::Block => due = Due::Now,
                ZmqEvent::Added { txid, sequence } => {
                    changes.push(PoolEvent { txid, added: true, sequence });
                }
                ZmqEvent::Removed { txid, sequence } => {
                    changes.push(PoolEvent { txid, added: false, sequence });
                }
                ZmqEvent::Transaction => due = due.or_at(Instant::now()),
                // What it said before belongs to another count.
                ZmqEvent::Gap | ZmqEvent::Lost => {
                    changes.clear();
                    mempool.feed_is(now == ZmqEvent::Gap);
                    due = due.or_at(Instant::now());
                }
                _ => {}
            }
            event = if changes.len() < BATCH { self.0.try_next() } else { None };
        }
        if changes.is_empty() {
            return due;
        }
        let Some(tip) = tip.filter(|_| !matches!(due, Due::Now)) else {
            // With another block the mempool is listed, and these are in the listing.
            mempool.feed_is(true);
            return due;
        };
        match mempool.follow(tip, &changes, touched).await {
            Ok(None) => due,
            Ok(Some(at)) => due.or_at(at),
            Err(err) => {
                tracing::debug!("cannot follow the node's feed: {err:#}");
                mempool.feed_is(true);
                due.or_at(Instant::now())
            }
        }
    }
}

impl Due {
    fn or_at(self, at: Instant) -> Self {
        match self {
            Self::AsBefore => Self::At(at),
            Self::At(before) => Self::At(before.min(at)),
            Self::Now => Self::Now,
        }
    }
}
