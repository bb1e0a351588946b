//! The first sync of a whole chain: stream, partition, join, append.
//!
//! Outputs wait in memory for their spending; most are spent soon, and their entries are finished then. What memory
//! cannot hold is spilled and joined at the end, partition by partition; no step reads at random from what
//! is larger than memory. See ADR 0009.

mod arena;
mod build;
mod checkpoint;
mod join;
mod options;
mod outlets;
mod outpoint;
mod pages;
mod parse;
mod plan;
mod scan;
mod shard;
mod slot;
mod snapshot;
mod table;
mod tables;

use std::path::Path;

use electrumx_core::coin::Coin;
use electrumx_core::processor::{BulkPhase, BulkProgress, Observer, ProcessError};
use electrumx_core::{BlockId, BlockSource, Height, Index as _, StoreError};

pub use self::options::BulkOptions;

use self::build::Build;
use self::checkpoint::Stage;
use self::scan::Scanned;
use crate::build::BuildFile;
use crate::store::LmdbStore;

/// How a stage ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Done,
    Stopped,
}

/// How a first sync ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstSync {
    /// The store holds the blocks up to this one as its base.
    Done(BlockId),
    /// The observer has stopped it; it goes on from about here the next time.
    Stopped,
    /// The source's chain has changed below the target: try again.
    ChainChanged,
}

/// Fills an empty store with the blocks up to `target` of the source's chain, many times faster than one by one.
///
/// Blocks up to `target` cannot be undone singly later, so it should be deeper than any reorganisation.
/// What a crash or a stop interrupted is gone on with, if the source still has that chain.
///
/// # Errors
/// When the source, the blocks or the disk are bad. The store is as empty as before then; what can be gone
/// on with is kept.
pub fn first_sync<C: Coin, B: BlockSource>(
    store: &LmdbStore,
    coin: &C,
    source: &mut B,
    target: Height,
    options: &BulkOptions,
    observer: &mut impl Observer,
) -> Result<FirstSync, ProcessError> {
    if let Some(tip) = store.view()?.tip() {
        return Ok(FirstSync::Done(tip));
    }
    if let Some(tip) = install_complete(store, source, observer)? {
        return Ok(FirstSync::Done(tip));
    }
    let mut build = Build::open(store, options, target)?;
    if let Some(tip) = build.load_chain()?.tip()
        && source.block_hash(tip.height)? != Some(tip.hash)
    {
        tracing::info!("the chain has changed since an earlier first sync; it begins anew");
        drop(build);
        BuildFile::discard(&store.shared().dir)?;
        build = Build::open(store, options, target)?;
    }
    let done = run(&mut build, coin, source, observer);
    match done {
        Ok(Some(tip)) => {
            let path = build.close()?;
            install(store, &path, tip, observer)?;
            Ok(FirstSync::Done(tip))
        }
        Ok(None) => Ok(FirstSync::Stopped),
        Err(ProcessError::NotExtending { .. }) => {
            drop(build);
            BuildFile::discard(&store.shared().dir)?;
            Ok(FirstSync::ChainChanged)
        }
        Err(error) => Err(error),
    }
}

/// Runs the stages that are left; `None` when stopped.
fn run<C: Coin, B: BlockSource>(
    build: &mut Build<'_>,
    coin: &C,
    source: &mut B,
    observer: &mut impl Observer,
) -> Result<Option<BlockId>, ProcessError> {
    if build.stage == Stage::Scan {
        match build.scan(coin, source, observer)? {
            Scanned::All => build.begin_join()?,
            Scanned::Stopped => return Ok(None),
            Scanned::ChainChanged => {
                return Err(ProcessError::NotExtending { height: build.target });
            }
        }
    }
    if build.stage == Stage::Join && build.join(observer)? == Ended::Stopped {
        return Ok(None);
    }
    if build.stage == Stage::Scripts && build.write_scripts(observer)? == Ended::Stopped {
        return Ok(None);
    }
    if build.stage == Stage::Utxos && build.write_utxos(observer)? == Ended::Stopped {
        return Ok(None);
    }
    Ok(build.write_txids(observer)?)
}

/// Installs a base that was complete when a crash came.
fn install_complete<B: BlockSource>(
    store: &LmdbStore,
    source: &mut B,
    observer: &mut impl Observer,
) -> Result<Option<BlockId>, ProcessError> {
    let shared = store.shared();
    let file = BuildFile::resume(&shared.dir, &shared.meta, store.options.map_bytes())?;
    let Some(file) = file else { return Ok(None) };
    let Some(facts) = file.facts()? else { return Ok(None) };
    if source.block_hash(facts.tip.height)? != Some(facts.tip.hash) {
        return Ok(None);
    }
    let path = file.close()?;
    install(store, &path, facts.tip, observer)?;
    Ok(Some(facts.tip))
}

/// Makes a complete base the store's.
fn install(
    store: &LmdbStore,
    path: &Path,
    tip: BlockId,
    observer: &mut impl Observer,
) -> Result<(), StoreError> {
    observer.bulk(&BulkProgress { phase: BulkPhase::Switch, done: 0, total: 1 });
    store.install(&mut *store.writer()?, Some((path, tip)))?;
    observer.bulk(&BulkProgress { phase: BulkPhase::Switch, done: 1, total: 1 });
    Ok(())
}
