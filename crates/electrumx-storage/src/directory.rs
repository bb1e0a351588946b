//! The database directory and its files.
//!
//! | file | content |
//! |---|---|
//! | `LOCK` | held by the process that has the store open; its id as text |
//! | `tip.mdb` | the tables of the tip tier; names the base |
//! | `base-HEIGHT.mdb` | the tables of the base |
//! | `tip.mdb-lock` | reader slots, kept by LMDB; no data |
//! | `new-HEIGHT.mdb`, `new-HEIGHT.mdb-lock` | a `tip.mdb` that is being created; left over if that was interrupted |
//! | `build/` | a base that is being built |

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use electrumx_core::Height;

use crate::dir_lock::LOCK_FILE;
use crate::open_error::OpenError;

/// The file of the tip tier.
const TIP_FILE: &str = "tip.mdb";

/// How a tip tier is called while it is being created: `new-N.mdb`, with a number of its own for each in
/// a process, since LMDB files that are open must differ in path.
const NEW: &str = "new-";

/// How bases are called: `base-HEIGHT.mdb`.
const BASE: &str = "base-";

/// Where bases are built.
const BUILD: &str = "build";

/// The base in that folder.
pub(crate) const BUILT_FILE: &str = "base.mdb";

/// How LMDB files end.
const MDB: &str = ".mdb";

/// What LMDB appends to a file's name for the reader slots.
const SLOTS: &str = "-lock";

/// What may be in the directory besides: a file system's own folder when one is mounted here, and the
/// server's own files, which outlive an index that is built anew.
const NEIGHBOURS: &[&str] = &["lost+found", "tls", "header-tree", "header-tree.new"];

/// Returns the path of the tip tier.
pub(crate) fn tip_file(dir: &Path) -> PathBuf {
    dir.join(TIP_FILE)
}

/// Returns the path of a base.
pub(crate) fn base_file(dir: &Path, height: Height) -> PathBuf {
    dir.join(format!("{BASE}{height}{MDB}"))
}

/// Returns the folder where bases are built.
pub(crate) fn build_dir(dir: &Path) -> PathBuf {
    dir.join(BUILD)
}

/// Tells whether a file is the store's own leftover.
fn is_leftover(name: &str) -> bool {
    let name = name.strip_suffix(SLOTS).unwrap_or(name);
    name == TIP_FILE
        || name
            .strip_suffix(MDB)
            .is_some_and(|stem| stem.starts_with(NEW) || stem.starts_with(BASE))
}

/// Creates the directory unless it exists, and refuses one that holds something else.
pub(crate) fn prepare(dir: &Path) -> Result<(), OpenError> {
    let access = |action| move |source| OpenError::Access { action, path: dir.into(), source };
    create(dir).map_err(access("create"))?;
    let mut foreign = None;
    for entry in fs::read_dir(dir).map_err(access("read"))? {
        let name = entry.map_err(access("read"))?.file_name();
        if name == TIP_FILE {
            return Ok(());
        }
        let own = name.to_str().is_some_and(is_leftover);
        if !own && ![LOCK_FILE, BUILD].iter().chain(NEIGHBOURS).any(|known| name == *known) {
            foreign.get_or_insert(name);
        }
    }
    match foreign {
        None => Ok(()),
        Some(name) => Err(OpenError::Foreign {
            dir: dir.into(),
            found: format!("it holds {} and no {TIP_FILE}", Path::new(&name).display()),
        }),
    }
}

/// Removes what interrupted switches have left: new tip tiers, and bases that no tip tier names. A base
/// that was complete but not yet named goes back to the build folder, where the next build finds it.
pub(crate) fn clean(dir: &Path, base: Option<Height>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let Some(name) = name.to_str().filter(|name| is_leftover(name)) else { continue };
        let height = name.strip_prefix(BASE).and_then(|rest| rest.strip_suffix(MDB));
        match height.map(str::parse) {
            Some(Ok(height)) if Some(height) == base => {}
            Some(Ok(_)) if base.is_none() && build_dir(dir).is_dir() => {
                fs::rename(dir.join(name), build_dir(dir).join(BUILT_FILE))?;
            }
            None if name.starts_with(TIP_FILE) => {}
            _ => fs::remove_file(dir.join(name))?,
        }
    }
    Ok(())
}

/// The index names what its users asked for, and holds the secret: it is the owner's business only.
fn create(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Returns the path for a new tip tier, of which nothing is left from earlier attempts.
pub(crate) fn new_file(dir: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("{NEW}{}{MDB}", COUNT.fetch_add(1, Ordering::Relaxed));
    remove(&dir.join(&name))?;
    remove(&dir.join(format!("{name}{SLOTS}")))?;
    Ok(dir.join(name))
}

/// Makes a new file the tip tier, durably: the commit point of whatever led to it.
pub(crate) fn install(dir: &Path, new: &Path) -> io::Result<()> {
    fs::rename(new, dir.join(TIP_FILE))?;
    File::open(dir)?.sync_all()
}

/// Removes a file unless it is gone already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
