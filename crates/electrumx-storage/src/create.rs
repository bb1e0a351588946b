//! Creating a database.
//!
//! It is made under another name and renamed when it is complete, so that a `tip.mdb` is never half a
//! database, whatever happens.

use std::path::Path;

use heed::CommitOrAbort;

use crate::directory::{install_new_file, new_file, tip_file};
use crate::identity::Identity;
use crate::meta::{CreateError, Meta};
use crate::open::{all, engine_error, open_env};
use crate::open_error::OpenError;
use crate::options::Options;
use crate::room::{clarify, says_no_room};
use crate::tables::Tables;

/// Creates all tables and `meta`.
pub(crate) fn create(dir: &Path, identity: &Identity, options: &Options) -> Result<(), OpenError> {
    let access = |action| {
        move |source| match source {
            source if says_no_room(&source) => OpenError::Full { dir: dir.into() },
            source => OpenError::Access { action, path: tip_file(dir), source },
        }
    };
    let path = new_file(dir).map_err(access("create"))?;
    let env = open_env(dir, &path, options)?;
    let txn = env.write_txn().map_err(|error| engine_error(dir, "create", error))?;
    let created = env.create_databases_and_commit(txn, |opener, txn| {
        let handles = all(Tables::NAMES.map(|name| opener.create_database(txn, Some(name))))?;
        Meta::create(txn, handles[0], identity, options)?;
        Ok::<_, CreateError>(CommitOrAbort::<_, ()>::Commit(handles))
    });
    created.map_err(|error| match error {
        CreateError::Random(error) => OpenError::Random(Box::new(error)),
        CreateError::Engine(error) => engine_error(dir, "create", clarify(error, &path)),
    })?;
    env.prepare_for_closing().wait();
    install_new_file(dir).map_err(access("create"))
}
