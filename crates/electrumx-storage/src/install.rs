//! Switching to another base: one rename.
//!
//! # Correctness
//!
//! A new tip tier that names the base is made beside the old one, with all that is above the base, and is
//! renamed over it. Before that rename the old tip tier is complete and names the old base; after it the
//! new one is. What a crash leaves over, [`directory::clean`](crate::directory::clean) removes at the next
//! opening.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use electrumx_core::{BlockId, ChainView as _, StoreError};

use crate::base::Base;
use crate::create::{create_new, slots_of};
use crate::directory::{self, base_file};
use crate::failure::backend;
use crate::meta::Meta;
use crate::open_error::OpenError;
use crate::room::says_no_room;
use crate::shared::Shared;
use crate::store::{LmdbStore, Writer};
use crate::view::LmdbView;

/// Blocks that are copied to a new tip tier in one transaction.
const BATCH: usize = 64;

/// Another base and the tip tier above it, complete but for the last blocks, and not yet the store's.
#[derive(Debug)]
pub(crate) struct Successor {
    shared: Arc<Shared>,
    /// The file of the tip tier, under the name it has until it is the store's.
    file: PathBuf,
    writer: Writer,
}

impl LmdbStore {
    /// Makes a complete base file the store's, or does without one, and keeps the blocks above it. The
    /// file is moved. Whoever calls it holds the writer's lock.
    pub(crate) fn install(
        &self,
        writer: &mut Writer,
        base: Option<(&Path, BlockId)>,
    ) -> Result<(), StoreError> {
        let mut successor = self.succeed(base)?;
        if base.is_some() {
            successor.catch_up(&LmdbView::open(&self.shared())?)?;
        }
        self.take_over(writer, &successor)
    }

    /// Makes an empty tip tier above a complete base file, which is moved; it is moved back when that fails.
    pub(crate) fn succeed(&self, base: Option<(&Path, BlockId)>) -> Result<Successor, StoreError> {
        let Some((built, tip)) = base else { return self.succeed_above(None) };
        let dir = &self.shared().dir;
        let path = base_file(dir, tip.height);
        fs::rename(built, &path).map_err(|error| io_error("name the new base", dir, error))?;
        self.succeed_above(Some((&path, tip))).inspect_err(|_| {
            // Otherwise the next opening does it.
            let _ = fs::rename(&path, built);
        })
    }

    fn succeed_above(&self, base: Option<(&Path, BlockId)>) -> Result<Successor, StoreError> {
        let old = self.shared();
        let dir = &old.dir;
        let meta = Meta { base: base.map(|(_, tip)| tip), ..old.meta };
        let opened = base.map(|(path, tip)| Base::open(path, &meta, tip)).transpose()?;
        let made = create_new(dir, &self.identity, &self.options, &meta);
        let (env, tables, file) = made.map_err(|error| match error {
            OpenError::Full { dir } => StoreError::Full { path: dir.display().to_string() },
            error => StoreError::Backend { action: "create a tip tier", source: Box::new(error) },
        })?;
        let lock = Arc::clone(&old.lock);
        let shared = Shared::new(env, tables, meta, opened, dir, old.patience, lock)?;
        Ok(Successor { shared: Arc::new(shared), file, writer: Writer::default() })
    }

    /// Makes a successor that has all blocks the store's state. Whoever calls it holds the writer's lock.
    pub(crate) fn take_over(
        &self,
        _lock: &mut Writer,
        successor: &Successor,
    ) -> Result<(), StoreError> {
        let old = self.shared();
        let dir = &old.dir;
        let io = |action| move |error| io_error(action, dir, error);
        directory::install(dir, &successor.file).map_err(io("rename the new tip tier"))?;
        self.switch(Arc::clone(&successor.shared));
        if let Some(old_base) = &old.base
            && old.meta.base != successor.shared.meta.base
        {
            // Views may still read it; the file goes when the last of them does.
            directory::remove(&old_base.path).map_err(io("remove the old base"))?;
        }
        Ok(())
    }
}

impl Successor {
    /// Copies what it lacks of the blocks above the base, and drops those that the store no longer has. Returns how many it
    /// lacked. The store's chain must have the base's last block.
    pub(crate) fn catch_up(&mut self, store: &LmdbView) -> Result<usize, StoreError> {
        let own = LmdbView::open(&self.shared)?;
        let end = own.tip().map_or(0, |tip| tip.height + 1);
        let mut next = end;
        while next > self.shared.origin().blocks
            && own.block_hash(next - 1)? != store.block_hash(next - 1)?
        {
            next -= 1;
        }
        drop(own);
        if next < end {
            self.writer.unwind(&self.shared, next)?;
        }
        let wanted = store.tip().map_or(0, |tip| tip.height + 1);
        let lacked = wanted.saturating_sub(next) as usize;
        while next < wanted {
            let mut blocks = Vec::with_capacity(BATCH);
            while next < wanted && blocks.len() < BATCH {
                blocks.push(store.delta(next)?);
                next += 1;
            }
            self.writer.append(&self.shared, &blocks)?;
        }
        Ok(lacked)
    }

    /// Removes the files of one that is not to be the store.
    pub(crate) fn discard(self) {
        let base = self.shared.base.as_ref().map(|base| base.path.clone());
        for path in [slots_of(&self.file), self.file].into_iter().chain(base) {
            // What is left is removed at the next opening.
            let _ = directory::remove(&path);
        }
    }
}

/// Wraps an error of the file system.
pub(crate) fn io_error(action: &'static str, dir: &Path, error: std::io::Error) -> StoreError {
    if says_no_room(&error) {
        return StoreError::Full { path: dir.display().to_string() };
    }
    backend(action)(heed::Error::Io(error))
}
