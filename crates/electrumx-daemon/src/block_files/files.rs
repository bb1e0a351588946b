//! A directory of block files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use bitcoin::BlockHash;
use electrumx_core::coin::Coin;
use parking_lot::{Mutex, RwLock};

use super::BlockFilesError;
use super::cabinet::Cabinet;
use super::directory;
use super::index::{Index, Place};
use super::refresh::Scan;
use super::xor::XorKey;

/// A node's directory of block files: local or mounted, read only.
///
/// What is in the files is learnt by [`refresh`](Self::refresh), which reads nothing but headers, and is kept in memory: some 100
/// bytes for each block. All methods can be called from any thread; they block.
#[derive(Debug)]
pub struct BlockFiles<C> {
    pub(super) coin: C,
    pub(super) cabinet: Cabinet,
    pub(super) index: RwLock<Index>,
    pub(super) scan: Mutex<Scan>,
    pub(super) scanned: AtomicBool,
}

impl<C: Coin> BlockFiles<C> {
    /// Looks whether the directory can be read; its files are not looked at yet.
    ///
    /// # Errors
    /// When directory or key file cannot be read, or the latter is of an unknown kind.
    pub fn open(coin: C, dir: impl Into<PathBuf>) -> Result<Self, BlockFilesError> {
        let dir = dir.into();
        directory::list(&dir)?;
        let key = XorKey::of_directory(&dir)?;
        Ok(Self {
            coin,
            cabinet: Cabinet::new(dir, key),
            index: RwLock::default(),
            scan: Mutex::default(),
            scanned: AtomicBool::new(false),
        })
    }

    /// Returns the directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.cabinet.dir
    }

    /// Tells whether all files have been looked at once.
    #[must_use]
    pub fn is_scanned(&self) -> bool {
        self.scanned.load(Ordering::Acquire)
    }

    /// Returns how many blocks were seen, stale ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.read().len() as usize
    }

    /// Tells whether no block was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether a block was seen in a file that is still there, as far as is known.
    #[must_use]
    pub fn contains(&self, hash: &BlockHash) -> bool {
        self.index.read().find(hash).is_some()
    }

    /// Returns a block; `None` when it is in no file that was looked at.
    ///
    /// # Errors
    /// When its file cannot be read, or has been overwritten and does not hold it any more.
    pub fn block(&self, hash: &BlockHash) -> Result<Option<Vec<u8>>, BlockFilesError> {
        let Some(place) = self.place(hash) else { return Ok(None) };
        if let Some(block) = self.read_if_there(hash, place)? {
            return Ok(Some(block));
        }
        self.rescan(place.file)?;
        let Some(place) = self.place(hash) else { return Ok(None) };
        let changed =
            || BlockFilesError::Changed { path: self.cabinet.path(place.file), hash: *hash };
        self.read_if_there(hash, place)?.map(Some).ok_or_else(changed)
    }

    /// Returns a part of a block, such as a transaction; `None` when the block is in no file that was looked at.
    ///
    /// Only these bytes are read: what they are is for the caller to check.
    ///
    /// # Errors
    /// When the file cannot be read, or the block is shorter.
    pub fn part(
        &self,
        hash: &BlockHash,
        offset: u32,
        size: u32,
    ) -> Result<Option<Vec<u8>>, BlockFilesError> {
        let Some(place) = self.place(hash) else { return Ok(None) };
        let (from, to) = (u64::from(offset), u64::from(offset) + u64::from(size));
        if to > u64::from(place.size) {
            return Err(BlockFilesError::Outside { hash: *hash, size: place.size, from, to });
        }
        self.read(place, offset, size).map(Some)
    }

    pub(super) fn place(&self, hash: &BlockHash) -> Option<Place> {
        self.index.read().find(hash).map(|record| record.place)
    }

    /// Reads a block if it is still the one at that place.
    fn read_if_there(
        &self,
        hash: &BlockHash,
        place: Place,
    ) -> Result<Option<Vec<u8>>, BlockFilesError> {
        let block = match self.read(place, 0, place.size) {
            Ok(block) => block,
            Err(BlockFilesError::Read { source, .. }) if has_moved(&source) => return Ok(None),
            Err(error) => return Err(error),
        };
        let link = self.coin.chain_link(&block);
        Ok(link.is_some_and(|link| link.hash == *hash).then_some(block))
    }

    fn read(&self, place: Place, from: u32, length: u32) -> Result<Vec<u8>, BlockFilesError> {
        self.cabinet
            .read(place, from, length)
            .map_err(|source| BlockFilesError::Read { path: self.cabinet.path(place.file), source })
    }
}

/// Tells whether the file is another one now, or is gone.
pub(super) fn has_moved(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof)
}
