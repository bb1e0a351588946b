//! The file of a base that is being built.

use std::fs;
use std::path::{Path, PathBuf};

use electrumx_core::StoreError;

use crate::base::{BaseFacts, BaseTables, open_tables};
use crate::create::slots_of;
use crate::directory::{BUILT_FILE, build_dir, remove};
use crate::env::{self, Env};
use crate::failure::{Failure, backend};
use crate::identity::Identity;
use crate::install::io_error;
use crate::meta::Meta;
use crate::room::is_no_room;
use crate::tables;

/// A base that is being built, in a folder of its own.
#[derive(Debug)]
pub(crate) struct BuildFile {
    pub(crate) env: Env,
    pub(crate) tables: BaseTables,
    /// The folder of the file and of what belongs to it.
    pub(crate) dir: PathBuf,
    pub(crate) path: PathBuf,
}

impl BuildFile {
    /// Begins anew: what was in the folder is removed.
    pub(crate) fn create(
        db_dir: &Path,
        identity: &Identity,
        meta: &Meta,
        map_bytes: usize,
    ) -> Result<Self, StoreError> {
        let dir = build_dir(db_dir);
        Self::discard(db_dir)?;
        fs::create_dir(&dir).map_err(|error| io_error("create a folder", &dir, error))?;
        let path = dir.join(BUILT_FILE);
        let failed = |error| Failure::from(error).into_store_error("create a base", &dir);
        let env = env::open(&path, map_bytes, 8).map_err(failed)?;
        let meta = Meta { base: None, ..*meta };
        let made =
            tables::create(&env, BaseTables::NAMES, |txn, table| meta.write(txn, table, identity));
        let tables = BaseTables::new(made.map_err(failed)?);
        Ok(Self { env, tables, dir, path })
    }

    /// Goes on with what is in the folder; `None` if that cannot be used for this database.
    pub(crate) fn resume(
        db_dir: &Path,
        meta: &Meta,
        map_bytes: usize,
    ) -> Result<Option<Self>, StoreError> {
        let dir = build_dir(db_dir);
        let path = dir.join(BUILT_FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let env = match env::open(&path, map_bytes, 8) {
            Ok(env) => env,
            Err(error) if is_no_room(&error) => {
                return Err(Failure::from(error).into_store_error("resume a build", &dir));
            }
            // Whatever is wrong with it: it can be made again.
            Err(_) => return Ok(None),
        };
        let Ok(tables) = open_tables(&env) else { return Ok(None) };
        let txn = env.read_txn().map_err(backend("read a base that was begun"))?;
        let is_ours = Meta::hashx_key_of(&txn, tables.meta)? == Some(meta.hashx_key);
        drop(txn);
        Ok(is_ours.then_some(Self { env, tables, dir, path }))
    }

    /// Removes a build folder with all that is in it.
    pub(crate) fn discard(db_dir: &Path) -> Result<(), StoreError> {
        let dir = build_dir(db_dir);
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error("remove an old build", &dir, error))
            }
            _ => Ok(()),
        }
    }

    /// Returns what the base says of itself if it is complete.
    pub(crate) fn facts(&self) -> Result<Option<BaseFacts>, StoreError> {
        let txn = self.env.read_txn().map_err(backend("read a base that was begun"))?;
        BaseFacts::read(&txn, &self.tables)
    }

    /// Closes the complete file and returns its path.
    pub(crate) fn close(self) -> Result<PathBuf, StoreError> {
        let Self { env, path, dir, .. } = self;
        env.prepare_for_closing().wait();
        remove(&slots_of(&path)).map_err(|error| io_error("remove reader slots", &dir, error))?;
        Ok(path)
    }
}
