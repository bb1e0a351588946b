//! The database directory.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder};
use std::path::Path;

use crate::dir_lock::LOCK_FILE;
use crate::open_error::OpenError;

/// The file of the tip tier; LMDB keeps `tip.mdb-lock` (reader slots) beside it.
pub(crate) const TIP_FILE: &str = "tip.mdb";

/// Creates the directory unless it exists, and refuses one that holds something else.
pub(crate) fn prepare(dir: &Path) -> Result<(), OpenError> {
    let access = |action| move |source| OpenError::Access { action, path: dir.into(), source };
    create(dir).map_err(access("create"))?;
    let mut first_foreign = None;
    for entry in fs::read_dir(dir).map_err(access("read"))? {
        let name = entry.map_err(access("read"))?.file_name();
        if name == OsStr::new(TIP_FILE) {
            return Ok(());
        }
        if name != OsStr::new(LOCK_FILE) && name != OsStr::new("lost+found") {
            first_foreign.get_or_insert(name);
        }
    }
    match first_foreign {
        None => Ok(()),
        Some(name) => Err(OpenError::Foreign {
            dir: dir.into(),
            found: format!("it holds {} and no {TIP_FILE}", Path::new(&name).display()),
        }),
    }
}

/// The index names what its users asked for, and holds the secret: it is the owner's business only.
fn create(dir: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}
