//! Folding the tip tier into a new base, while both are read and the tip is written.
//!
//! The new base is what a first sync up to that block would have made: the old base's rows and the tip's are
//! read in key order from one snapshot and merged. Nothing is read at random and nothing is sorted but the
//! transaction ids.

mod merge;

use std::time::Instant;

use electrumx_core::processor::{BulkPhase, BulkProgress, Observer};
use electrumx_core::{BlockId, ChainView as _, StoreError};

use self::merge::Merge;
use crate::build::BuildFile;
use crate::install::Successor;
use crate::room;
use crate::store::LmdbStore;
use crate::view::LmdbView;

/// So many blocks may be copied while no other can be appended.
const FEW: usize = 2;

/// How often blocks that came meanwhile are copied before others have to wait for it.
const ROUNDS: usize = 10;

/// How a compaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compaction {
    /// The base holds the blocks up to this one now.
    Done(BlockId),
    /// There is nothing to fold: the base holds all but the blocks to keep.
    Nothing,
    /// The observer has stopped it; nothing was changed.
    Stopped,
    /// A reorganisation went deeper than the blocks to keep meanwhile; nothing was changed.
    ChainChanged,
}

impl LmdbStore {
    /// Folds all but the last `keep` blocks into a new base, which then replaces the old one.
    ///
    /// Blocks in the base cannot be undone singly, so `keep` should be more than any reorganisation. The store is read and
    /// written as usual meanwhile.
    /// A crash leaves the old base or the new one.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`] when the disk has no room for both bases; when the disk or the index are
    /// bad. Nothing is changed then.
    pub fn compact(
        &self,
        keep: u32,
        observer: &mut impl Observer,
    ) -> Result<Compaction, StoreError> {
        let shared = self.shared();
        let view = LmdbView::open(&shared)?;
        let first = shared.origin().blocks;
        let target = view.tip().and_then(|tip| tip.height.checked_sub(keep));
        let Some(target) = target.filter(|target| *target >= first) else {
            return Ok(Compaction::Nothing);
        };
        let size = self.disk_bytes()?;
        room::check(&shared.dir, size)?;
        let map_bytes = self.options.map_bytes();
        let file = BuildFile::create(&shared.dir, &self.identity, &shared.meta, map_bytes)?;
        let merged = Merge::new(&file, &shared, &view, target)?.run(observer);
        drop(view);
        match merged {
            Ok(Some(tip)) => {
                let path = file.close()?;
                observer.bulk(&BulkProgress { phase: BulkPhase::Switch, done: 0, total: 1 });
                let outcome = self.succeed(Some((&path, tip))).and_then(|mut successor| {
                    let outcome = self.hand_over(&mut successor, tip, observer);
                    if !matches!(outcome, Ok(Compaction::Done(_))) {
                        successor.discard();
                    }
                    outcome
                });
                if outcome.is_err() {
                    let _ = BuildFile::discard(&shared.dir);
                }
                outcome
            }
            Ok(None) => {
                drop(file);
                BuildFile::discard(&shared.dir)?;
                Ok(Compaction::Stopped)
            }
            Err(error) => {
                drop(file);
                // What is left is removed by the next one at the latest.
                let _ = BuildFile::discard(&shared.dir);
                Err(error)
            }
        }
    }

    /// Copies the blocks above a new base whose last block is `tip`, and makes it the store's.
    fn hand_over(
        &self,
        successor: &mut Successor,
        tip: BlockId,
        observer: &mut impl Observer,
    ) -> Result<Compaction, StoreError> {
        // Copies what is there now. Returns how much was lacking; nothing if the new base is of another chain.
        let copy = |successor: &mut Successor| {
            let view = LmdbView::open(&self.shared())?;
            let is_ours = view.block_hash(tip.height)? == Some(tip.hash);
            is_ours.then(|| successor.catch_up(&view)).transpose()
        };
        // Others may come meanwhile, until those that came are few.
        for _ in 0..ROUNDS {
            if observer.should_stop() {
                return Ok(Compaction::Stopped);
            }
            match copy(successor)? {
                None => return Ok(Compaction::ChainChanged),
                Some(lacked) if lacked <= FEW => break,
                Some(_) => {}
            }
        }
        let mut writer = self.writer()?;
        let began = Instant::now();
        if copy(successor)?.is_none() {
            return Ok(Compaction::ChainChanged);
        }
        self.take_over(&mut writer, successor)?;
        tracing::debug!(held = ?began.elapsed(), "no block could be appended during the change");
        drop(writer);
        observer.bulk(&BulkProgress { phase: BulkPhase::Switch, done: 1, total: 1 });
        Ok(Compaction::Done(tip))
    }
}
