//! Opening: from a directory to everything a store needs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use electrumx_core::{BlockId, StoreError};
use heed::MdbError;

use crate::base::Base;
use crate::create::create;
use crate::dir_lock::DirLock;
use crate::directory::{self, base_file, tip_file};
use crate::env::{self, Env};
use crate::identity::Identity;
use crate::meta::Meta;
use crate::open_error::OpenError;
use crate::options::Options;
use crate::room::is_no_room;
use crate::shared::Shared;
use crate::tables::{self, Tables};

#[cfg(test)]
mod tests;

pub(crate) fn open(
    dir: &Path,
    identity: &Identity,
    options: &Options,
) -> Result<Shared, OpenError> {
    directory::prepare(dir)?;
    let lock = Arc::new(DirLock::acquire(dir)?);
    let path = tip_file(dir);
    if !path.exists() {
        create(dir, identity, options)?;
    }
    let env = open_env(dir, &path, options)?;
    let engine = |action| move |error| engine_error(dir, action, error);
    // Slots of readers that were killed would pin old pages for ever.
    env.clear_stale_readers().map_err(engine("clear stale readers of"))?;

    let [meta] =
        tables::open(&env, [Tables::NAMES[0]]).map_err(engine("read"))?.ok_or_else(|| {
            let found = "its tip.mdb is an LMDB file of another program".into();
            OpenError::Foreign { dir: dir.into(), found }
        })?;
    let txn = env.read_txn().map_err(engine("read"))?;
    let meta = Meta::check(&txn, meta.db, dir, identity)?;
    drop(txn);
    let tables = tables::open(&env, Tables::NAMES)
        .map_err(engine("read"))?
        .ok_or_else(|| OpenError::Damaged { dir: dir.into(), what: "a table is missing".into() })?;
    let tables = Tables::new(tables);
    let base = meta.base.map(|base| open_base(dir, &meta, base)).transpose()?;
    directory::clean(dir, meta.base.map(|base| base.height))
        .map_err(|source| OpenError::Access { action: "tidy", path: dir.into(), source })?;
    let opened = Shared::new(env, tables, meta, base, dir, options.patience, lock);
    opened.map_err(|error| store_error(dir, error))
}

/// Opens the base that a tip tier names.
fn open_base(dir: &Path, meta: &Meta, tip: BlockId) -> Result<Arc<Base>, OpenError> {
    let path = base_file(dir, tip.height);
    if !path.is_file() {
        let what = format!("its base, {}, is missing", path.display());
        return Err(OpenError::Damaged { dir: dir.into(), what });
    }
    Base::open(&path, meta, tip).map_err(|error| store_error(dir, error))
}

pub(crate) fn open_env(dir: &Path, path: &Path, options: &Options) -> Result<Env, OpenError> {
    let bytes = options.map_bytes();
    env::open(path, bytes, options.max_views).map_err(|error| match error {
        heed::Error::Io(source) if source.kind() == io::ErrorKind::OutOfMemory => {
            OpenError::Map { bytes, source }
        }
        error if is_no_room(&error) => OpenError::Full { dir: dir.into() },
        heed::Error::Io(source) => OpenError::Access { action: "open", path: path.into(), source },
        heed::Error::Mdb(MdbError::Invalid | MdbError::VersionMismatch) => {
            OpenError::Foreign { dir: dir.into(), found: "its tip.mdb is not an LMDB file".into() }
        }
        error => engine_error(dir, "open", error),
    })
}

pub(crate) fn engine_error(dir: &Path, action: &'static str, error: heed::Error) -> OpenError {
    if is_no_room(&error) {
        return OpenError::Full { dir: dir.into() };
    }
    OpenError::Engine { action, dir: dir.into(), source: Box::new(error) }
}

fn store_error(dir: &Path, error: StoreError) -> OpenError {
    match error {
        StoreError::Corrupt { table, what } => {
            OpenError::Damaged { dir: dir.into(), what: format!("table {table}: {what}") }
        }
        error => OpenError::Engine { action: "read", dir: dir.into(), source: Box::new(error) },
    }
}
