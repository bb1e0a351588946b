//! The table of unspent outputs in a file, for checkpoints.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use electrumx_core::StoreError;

use super::slot::Slot;
use crate::install::io_error;

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("outputs-{number}"))
}

/// Writes a snapshot, durably.
pub(super) fn write(
    dir: &Path,
    number: u64,
    slots: impl Iterator<Item = Slot>,
) -> Result<(), StoreError> {
    let write = || {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path(dir, number))?);
        for slot in slots {
            file.write_all(&slot.0)?;
        }
        file.into_inner()?.sync_all()
    };
    write().map_err(|error: io::Error| io_error("write a snapshot", dir, error))
}

/// Reads a snapshot.
pub(super) fn read(
    dir: &Path,
    number: u64,
    mut visit: impl FnMut(Slot) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut read = || {
        let mut file = BufReader::with_capacity(1 << 20, File::open(path(dir, number))?);
        loop {
            let mut slot = Slot::EMPTY;
            match file.read_exact(&mut slot.0) {
                Ok(()) => {
                    if let Err(error) = visit(slot) {
                        return Ok(Err(error));
                    }
                }
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(Ok(())),
                Err(error) => return Err(error),
            }
        }
    };
    read().unwrap_or_else(|error| Err(io_error("read a snapshot", dir, error)))
}

/// Removes a snapshot if it is there.
pub(super) fn remove(dir: &Path, number: u64) -> Result<(), StoreError> {
    match fs::remove_file(path(dir, number)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(io_error("remove a snapshot", dir, error))
        }
        _ => Ok(()),
    }
}
