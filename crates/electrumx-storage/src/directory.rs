//! The database directory and its files.
//!
//! | file | content |
//! |---|---|
//! | `LOCK` | held by the process that has the store open; its id as text |
//! | `tip.mdb` | the tables |
//! | `tip.mdb-lock` | reader slots, kept by LMDB; no data |
//! | `new.mdb`, `new.mdb-lock` | a `tip.mdb` that is being created; left over if that was interrupted |

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::dir_lock::LOCK_FILE;
use crate::open_error::OpenError;

/// The file of the tip tier.
const TIP_FILE: &str = "tip.mdb";

/// Its name while it is being created.
const NEW_FILE: &str = "new.mdb";

/// What LMDB appends to a file's name for the reader slots.
const SLOTS: &str = "-lock";

/// What may be in the directory besides: a file system's own folder when one is mounted here, and the
/// server's certificates, which outlive an index that is built anew.
const NEIGHBOURS: &[&str] = &["lost+found", "tls"];

/// Returns the path of the tip tier.
pub(crate) fn tip_file(dir: &Path) -> PathBuf {
    dir.join(TIP_FILE)
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
        let own = [NEW_FILE, TIP_FILE].into_iter().any(|file| {
            name.to_str().and_then(|name| name.strip_prefix(file)).is_some_and(|end| end == SLOTS)
        });
        if !own && ![NEW_FILE, LOCK_FILE].iter().chain(NEIGHBOURS).any(|known| name == *known) {
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

/// The index names what its users asked for, and holds the secret: it is the owner's business only.
fn create(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Returns the path for a new file, of which nothing is left from earlier attempts.
pub(crate) fn new_file(dir: &Path) -> io::Result<PathBuf> {
    remove(dir, NEW_FILE)?;
    remove(dir, &format!("{NEW_FILE}{SLOTS}"))?;
    Ok(dir.join(NEW_FILE))
}

/// Makes the new file the tip tier, durably.
pub(crate) fn install_new_file(dir: &Path) -> io::Result<()> {
    fs::rename(dir.join(NEW_FILE), dir.join(TIP_FILE))?;
    remove(dir, &format!("{NEW_FILE}{SLOTS}"))?;
    File::open(dir)?.sync_all()
}

fn remove(dir: &Path, name: &str) -> io::Result<()> {
    match fs::remove_file(dir.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
