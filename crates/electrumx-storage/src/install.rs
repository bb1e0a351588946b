//! Switching to another base: one rename.
//!
//! # Correctness
//!
//! A new tip tier that names the base is made beside the old one, with all that is above the base, and is
//! renamed over it. Before that rename the old tip tier is complete and names the old base; after it the
//! new one is. What a crash leaves over, [`directory::clean`](crate::directory::clean) removes at the next
//! opening.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use electrumx_core::{BlockId, ChainView as _, StoreError};

use crate::base::Base;
use crate::create::create_new;
use crate::directory::{self, base_file};
use crate::failure::backend;
use crate::meta::Meta;
use crate::room::says_no_room;
use crate::shared::Shared;
use crate::store::{LmdbStore, Writer};
use crate::view::LmdbView;

/// Blocks that are copied to a new tip tier in one transaction.
const BATCH: usize = 64;

impl LmdbStore {
    /// Makes a complete base file the store's, or does without one, and keeps the blocks above it. The
    /// file is moved.
    pub(crate) fn install(
        &self,
        writer: &mut Writer,
        base: Option<(&Path, BlockId)>,
    ) -> Result<(), StoreError> {
        let old = self.shared();
        let dir = &old.dir;
        let io = |action| move |error| io_error(action, dir, error);
        let meta = Meta { base: base.map(|(_, tip)| tip), ..old.meta };
        let opened = match base {
            Some((built, tip)) => {
                let path = base_file(dir, tip.height);
                fs::rename(built, &path).map_err(io("name the new base"))?;
                Some(Base::open(&path, &meta, tip)?)
            }
            None => None,
        };
        let made = create_new(dir, &self.identity, &self.options, &meta);
        let (env, tables, new_file) = made.map_err(|error| StoreError::Backend {
            action: "create a tip tier",
            source: Box::new(error),
        })?;
        let lock = Arc::clone(&old.lock);
        let new = Shared::new(env, tables, meta, opened, dir, old.patience, lock)?;
        if base.is_some() {
            copy_above(writer, &old, &new)?;
        }
        directory::install(dir, &new_file).map_err(io("rename the new tip tier"))?;
        self.switch(new);
        if let Some(old_base) = &old.base
            && old.meta.base != meta.base
        {
            // Views may still read it; the file goes when the last of them does.
            directory::remove(&old_base.path).map_err(io("remove the old base"))?;
        }
        Ok(())
    }
}

/// Copies the blocks of the old tip tier that are not in the new base.
fn copy_above(writer: &mut Writer, old: &Arc<Shared>, new: &Shared) -> Result<(), StoreError> {
    let view = LmdbView::open(old)?;
    let Some(tip) = view.tip() else { return Ok(()) };
    let mut next = new.origin().blocks;
    while next <= tip.height {
        let mut blocks = Vec::with_capacity(BATCH);
        while next <= tip.height && blocks.len() < BATCH {
            blocks.push(view.delta(next)?);
            next += 1;
        }
        writer.append(new, &blocks)?;
    }
    Ok(())
}

/// Wraps an error of the file system.
pub(crate) fn io_error(action: &'static str, dir: &Path, error: std::io::Error) -> StoreError {
    if says_no_room(&error) {
        return StoreError::Full { path: dir.display().to_string() };
    }
    backend(action)(heed::Error::Io(error))
}
