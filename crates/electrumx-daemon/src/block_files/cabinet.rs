//! The files that are open.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use super::directory;
use super::index::Place;
use super::xor::XorKey;

/// Files kept open. A chain's blocks are in two or three files at a time; transactions are anywhere.
const OPEN: usize = 16;

/// Reads out of the files of a directory, a few of which it keeps open.
#[derive(Debug)]
pub(super) struct Cabinet {
    pub(super) dir: PathBuf,
    pub(super) key: XorKey,
    /// The most recently used one last.
    open: Mutex<Vec<(u32, Arc<File>)>>,
}

impl Cabinet {
    pub(super) fn new(dir: PathBuf, key: XorKey) -> Self {
        Self { dir, key, open: Mutex::default() }
    }

    pub(super) fn path(&self, number: u32) -> PathBuf {
        directory::path(&self.dir, number)
    }

    /// Reads `length` bytes from `from` on of the block at `place`.
    pub(super) fn read(&self, place: Place, from: u32, length: u32) -> io::Result<Vec<u8>> {
        let file = self.file(place.file)?;
        let offset = place.offset + u64::from(from);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        read_exact_at(&file, &mut bytes, offset)?;
        self.key.apply(offset, &mut bytes);
        Ok(bytes)
    }

    /// Closes a file: it is another one now.
    pub(super) fn close(&self, number: u32) {
        self.open.lock().retain(|&(open, _)| open != number);
    }

    fn file(&self, number: u32) -> io::Result<Arc<File>> {
        let mut open = self.open.lock();
        if let Some(at) = open.iter().position(|&(known, _)| known == number) {
            open[at..].rotate_left(1);
        } else {
            let file = Arc::new(File::open(self.path(number))?);
            if open.len() >= OPEN {
                open.remove(0);
            }
            open.push((number, file));
        }
        // One was just put last.
        open.last().map(|(_, file)| Arc::clone(file)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}
