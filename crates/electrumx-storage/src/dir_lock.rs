//! The lock that makes a process the only one to open a directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::open_error::OpenError;
use crate::room::says_no_room;

/// Name of the lock file; it holds the owner's process id as text.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// Held while a store or one of its views exists; the system releases it when the process ends.
#[derive(Debug)]
pub(crate) struct DirLock(File);

impl DirLock {
    pub(crate) fn acquire(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(LOCK_FILE);
        let access = |action| {
            let path = path.clone();
            move |source| OpenError::Access { action, path, source }
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(access("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Whatever the file holds only decorates the message.
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(OpenError::Locked { dir: dir.into(), pid });
            }
            Err(TryLockError::Error(error)) => return Err(access("lock")(error)),
        }
        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        match write_pid(&mut file) {
            Err(error) if says_no_room(&error) => Err(OpenError::Full { dir: dir.into() }),
            Err(error) => Err(access("write")(error)),
            Ok(()) => Ok(Self(file)),
        }
    }
}

impl Drop for DirLock {
    /// Closing the file is not enough: a child process that was forked meanwhile has it open as well, until it becomes another
    /// program.
    fn drop(&mut self) {
        if let Err(error) = self.0.unlock() {
            tracing::debug!(%error, "cannot unlock the database directory; closing it will");
        }
    }
}
