//! What all sessions share.

use std::sync::Arc;

use electrumx_core::mempool::Mempool;
use electrumx_core::{Changes, Index, StoreError};
use parking_lot::RwLock;

use crate::config::ServiceConfig;
use crate::node::Node;
use crate::stats::SessionInfo;

/// The Electrum service: index, mempool view and node, and the sessions that are served from them.
#[derive(Debug)]
pub struct Service<N> {
    node: Arc<N>,
}

impl<N: Node> Service<N> {
    /// Creates the service.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn new(
        index: Arc<dyn Index>,
        mempool: Arc<RwLock<Mempool>>,
        node: Arc<N>,
        config: ServiceConfig,
    ) -> Result<Self, StoreError> {
        let _ = (index, mempool, config);
        Ok(Self { node })
    }

    /// Tells subscribed sessions what changed.
    ///
    /// Call it after every change, once index **and** mempool view hold it: also after the first catch-up, after a
    /// broadcast was accepted, and after a reorg. Calls are carried out one after another. It never waits for a client.
    ///
    /// # Errors
    /// When the index cannot be read; call again with the same changes to make up for it.
    pub async fn notify(&self, changes: Changes) -> Result<(), StoreError> {
        let _ = (changes, &self.node);
        std::future::ready(()).await;
        Ok(())
    }

    /// Returns the sessions, oldest first.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        Vec::new()
    }

    /// Returns how many sessions there are.
    #[must_use]
    pub fn session_count(&self) -> usize {
        0
    }

    /// Returns how many script subscriptions all sessions have together.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        0
    }

    /// Ends a session; `false` when there is none of this number.
    pub fn disconnect(&self, id: u64) -> bool {
        let _ = id;
        false
    }
}
