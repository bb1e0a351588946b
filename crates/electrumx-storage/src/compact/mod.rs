//! Folding the tip tier into a new base, while both are read and the tip is written.
//!
//! The new base is what a first sync up to that block would have made: the old base's rows and the tip's are
//! read in key order from one snapshot and merged. Nothing is read at random and nothing is sorted but the
//! transaction ids.

mod merge;

use electrumx_core::processor::Observer;
use electrumx_core::{BlockId, ChainView as _, StoreError};

use self::merge::Merge;
use crate::build::BuildFile;
use crate::room;
use crate::store::LmdbStore;
use crate::view::LmdbView;

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
    /// written as usual meanwhile; only blocks are not appended while those to keep are copied at the end.
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
                let mut writer = self.writer()?;
                if LmdbView::open(&self.shared())?.block_hash(tip.height)? != Some(tip.hash) {
                    BuildFile::discard(&shared.dir)?;
                    return Ok(Compaction::ChainChanged);
                }
                self.install(&mut writer, Some((&path, tip)))?;
                Ok(Compaction::Done(tip))
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
}
