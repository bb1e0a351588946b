//! The first sync of a long chain: in bulk, before the block processor takes over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use electrumx_core::coin::{Bitcoin, Coin as _, Network};
use electrumx_core::processor::{Observer, ProcessError};
use electrumx_core::{BlockSource, Height, Index as _};
use electrumx_storage::{BulkOptions, FirstSync as Ended, LmdbStore, first_sync};

use crate::env::Env;
use crate::local_rpc::thousands;

/// Time between two lines while the node is waited for.
const LINE: Duration = Duration::from_secs(60);

/// Bytes of a block, about, where files do not say: what main network has on average.
const BLOCK: u64 = 800_000;

/// Decides whether a first sync is done in bulk, and does it.
#[derive(Debug)]
pub(crate) struct FirstSync {
    coin: Bitcoin,
    store: Arc<LmdbStore>,
    options: BulkOptions,
    /// Blocks that are left to the block processor, since they may be undone.
    keep: Height,
    /// Shorter chains are left to it altogether.
    least: Height,
    last_line: Option<Instant>,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begun {
    /// The block processor goes on, from where the index is.
    GoOn,
    /// The node is not ready: look again later.
    Wait,
}

impl FirstSync {
    pub(crate) fn new(env: &Env, store: Arc<LmdbStore>, chain_bytes: Option<u64>) -> Self {
        let options = BulkOptions {
            budget_bytes: env.cache_bytes,
            chain_bytes,
            temp_dir: env.temp_dir.clone(),
            ..BulkOptions::default()
        };
        let (keep, least) = (env.reorg_limit, env.bulk_blocks);
        Self { coin: env.coin, store, options, keep, least, last_line: None }
    }

    /// Fills an index that is empty, if the chain is long.
    pub(crate) fn run<B: BlockSource>(
        &mut self,
        source: &mut B,
        observer: &mut impl Observer,
    ) -> Result<Begun, ProcessError> {
        if self.store.view()?.tip().is_some() {
            return Ok(Begun::GoOn);
        }
        let node = source.tip()?;
        let target = node.id.height.checked_sub(self.keep);
        let Some(target) = target.filter(|target| *target >= self.least) else {
            return Ok(Begun::GoOn);
        };
        // Block by block it would take many times as long, and slow the node down. Regtest nodes always say they are
        // syncing when their last block is old.
        if node.syncing && self.coin.chain().network != Network::Regtest {
            if self.last_line.is_none_or(|last| last.elapsed() >= LINE) {
                let height = thousands(node.id.height.into());
                tracing::info!("waiting for the node's own first sync, which is at block {height}");
                self.last_line = Some(Instant::now());
            }
            return Ok(Begun::Wait);
        }
        let mut options = self.options.clone();
        options.chain_bytes.get_or_insert(u64::from(target) * BLOCK);
        tracing::info!(
            "first sync, in bulk: blocks 0 to {} of {}",
            thousands(target.into()),
            thousands(node.id.height.into()),
        );
        let began = Instant::now();
        match first_sync(&self.store, &self.coin, source, target, &options, observer)? {
            Ended::Done(tip) => {
                tracing::info!("first sync done up to block {tip} in {:.0?}", began.elapsed());
            }
            Ended::Stopped => {}
            // Not block by block: the next look begins anew in bulk.
            Ended::ChainChanged => {
                tracing::info!("the chain has changed; the first sync begins anew");
                return Ok(Begun::Wait);
            }
        }
        Ok(Begun::GoOn)
    }
}
