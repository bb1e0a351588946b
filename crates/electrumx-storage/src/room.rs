//! Is the disk full?

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use electrumx_core::StoreError;

/// Bytes to try with; they are taken back at once.
const PROBE: usize = 1 << 20;

/// Tells whether an error says that there is no room: on the disk, in the quota, or under the limit on
/// the size of a file.
pub(crate) fn is_no_room(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Io(error) if says_no_room(error))
}

/// The same for an error of the system.
pub(crate) fn says_no_room(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Finds out whether a write that failed for no stated reason did so for want of room.
///
/// A write that still has room for a part of its bytes is a short one, and LMDB calls that EIO, as it
/// does a broken disk. The part has used up the room by then, so the next byte tells the two apart. What
/// is behind the last page of the last commit is nobody's, so trying it on the file itself is harmless;
/// no transaction may be under way.
pub(crate) fn clarify(error: heed::Error, file: &Path) -> heed::Error {
    match error {
        heed::Error::Io(_) if !is_no_room(&error) => match try_to_extend(file) {
            Err(reason) => heed::Error::Io(reason),
            Ok(()) => error,
        },
        error => error,
    }
}

/// Checks that the disk has room for so many bytes more.
pub(crate) fn check(dir: &Path, needed: u64) -> Result<(), StoreError> {
    // Where the system does not tell, the write itself will.
    let Some(free) = free_bytes(dir) else { return Ok(()) };
    if free >= needed {
        return Ok(());
    }
    Err(StoreError::NoRoom { path: dir.display().to_string(), needed, free })
}

#[cfg(unix)]
fn free_bytes(dir: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(dir).ok()?;
    found.f_bavail.checked_mul(found.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

fn try_to_extend(path: &Path) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).open(path)?;
    let end = file.seek(SeekFrom::End(0))?;
    let written = file.write_all(&vec![0; PROBE]);
    let taken_back = file.set_len(end);
    written.and(taken_back)
}
