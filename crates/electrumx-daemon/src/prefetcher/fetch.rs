//! The task that fetches a range of blocks.

use std::ops::Range;
use std::sync::Arc;

use bitcoin::BlockHash;
use electrumx_core::{Height, RawBlock, SourceError};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::task::AbortOnDropHandle;

use super::PrefetchConfig;
use super::budget::{Budget, Estimate};
use super::hashes::{HashFeed, gone};
use crate::Daemon;

/// Fetches `heights` in order into `queue`, which is bounded by `budget` and not by its length. If the hash of the first is `known`
/// there are no others.
///
/// Ends early, without an error, where the node's chain ends or has changed, and when nobody listens any more.
pub(super) async fn fetch(
    daemon: Daemon,
    heights: Range<Height>,
    known: Option<BlockHash>,
    config: PrefetchConfig,
    budget: Arc<Budget>,
    queue: UnboundedSender<RawBlock>,
) -> Result<(), SourceError> {
    let mut hashes = HashFeed::new(daemon.clone(), heights, known);
    let mut on_their_way = FuturesOrdered::new();
    let mut estimate = Estimate::new();
    let mut more = true;
    loop {
        while more
            && on_their_way.len() < config.parallel.max(1)
            && budget.has_room(on_their_way.len(), estimate.bytes())
        {
            let Some((height, hash)) = hashes.next().await? else {
                more = false;
                break;
            };
            let daemon = daemon.clone();
            let block = async move { daemon.raw_block(&hash).await.map(|block| (height, block)) };
            on_their_way.push_back(AbortOnDropHandle::new(tokio::spawn(block)));
        }
        if !more && on_their_way.is_empty() {
            return Ok(());
        }
        tokio::select! {
            Some(block) = on_their_way.next(), if !on_their_way.is_empty() => {
                let (height, block) = block.map_err(gone)??;
                // Not known any more: the chain changed, and what follows has changed with it.
                let Some(bytes) = block else { return Ok(()) };
                estimate.see(bytes.len());
                budget.add(bytes.len());
                if queue.send(RawBlock { height, bytes }).is_err() {
                    return Ok(());
                }
            }
            () = budget.freed() => {}
        }
    }
}
