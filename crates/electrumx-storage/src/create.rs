//! Creating a tip tier.
//!
//! It is made under another name and renamed when it is complete, so that a `tip.mdb` is never half a
//! database, whatever happens.

use std::path::{Path, PathBuf};

use crate::directory::{install, new_file, remove, tip_file};
use crate::env::Env;
use crate::identity::Identity;
use crate::meta::Meta;
use crate::open::{engine_error, open_env};
use crate::open_error::OpenError;
use crate::options::Options;
use crate::room::{clarify, says_no_room};
use crate::tables::{self, Tables};

/// Creates an empty tip tier and makes it the directory's.
pub(crate) fn create(dir: &Path, identity: &Identity, options: &Options) -> Result<(), OpenError> {
    let meta = Meta::draw(options).map_err(|error| OpenError::Random(Box::new(error)))?;
    let (env, _, path) = create_new(dir, identity, options, &meta)?;
    env.prepare_for_closing().wait();
    let access = access(dir);
    install(dir, &path).map_err(&access)?;
    remove(&slots_of(&path)).map_err(access)
}

/// Creates an empty tip tier under a new name, open and with all tables; nothing is left of it when that fails.
pub(crate) fn create_new(
    dir: &Path,
    identity: &Identity,
    options: &Options,
    meta: &Meta,
) -> Result<(Env, Tables, PathBuf), OpenError> {
    let path = new_file(dir).map_err(access(dir))?;
    let make = || {
        let env = open_env(dir, &path, options)?;
        let made =
            tables::create(&env, Tables::NAMES, |txn, table| meta.write(txn, table, identity));
        let made = made.map_err(|error| engine_error(dir, "create", clarify(error, &path)))?;
        Ok((env, Tables::new(made)))
    };
    let (env, tables) = make().inspect_err(|_| {
        // Otherwise the next opening does it.
        let _ = remove(&path).and_then(|()| remove(&slots_of(&path)));
    })?;
    Ok((env, tables, path))
}

/// Returns the path of the reader slots of an LMDB file.
pub(crate) fn slots_of(path: &Path) -> PathBuf {
    let mut slots = path.as_os_str().to_owned();
    slots.push("-lock");
    slots.into()
}

fn access(dir: &Path) -> impl Fn(std::io::Error) -> OpenError {
    move |source| match source {
        source if says_no_room(&source) => OpenError::Full { dir: dir.into() },
        source => OpenError::Access { action: "create", path: tip_file(dir), source },
    }
}
