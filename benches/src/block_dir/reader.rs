//! Blocks out of files that hold them in the chain's order, without gaps.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use super::{KEY_FILE, MAGIC, apply_key, file_name};

/// Reads the blocks one after the other.
#[derive(Debug)]
pub struct BlockReader {
    dir: PathBuf,
    key: [u8; 8],
    file: File,
    /// Where the next record begins.
    offset: u64,
    number: u32,
    /// The current block, and after it the head of the next record, read along with it.
    buffer: Vec<u8>,
    next_len: Option<usize>,
}

/// Magic bytes and length.
const HEAD_LEN: usize = 8;

impl BlockReader {
    /// Opens the first file.
    ///
    /// # Errors
    /// When it or the key cannot be read.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let key = match std::fs::read(dir.join(KEY_FILE)) {
            Ok(bytes) => bytes.as_slice().try_into()?,
            Err(error) if error.kind() == ErrorKind::NotFound => [0; 8],
            Err(error) => return Err(error.into()),
        };
        let file = File::open(dir.join(file_name(0)))?;
        Ok(Self {
            dir: dir.to_owned(),
            key,
            file,
            offset: 0,
            number: 0,
            buffer: Vec::new(),
            next_len: None,
        })
    }

    /// Reads the next block; `None` after the last.
    ///
    /// # Errors
    /// When a file cannot be read or does not hold a whole record.
    pub fn next_block(&mut self) -> anyhow::Result<Option<&[u8]>> {
        let len = match self.next_len.take() {
            Some(len) => len,
            None => match self.first_len()? {
                Some(len) => len,
                None => return Ok(None),
            },
        };
        let want = len + HEAD_LEN;
        self.buffer.clear();
        // Fresh memory is not cleared before it is read into.
        self.buffer.reserve_exact(want);
        let filled = (&self.file).take(want as u64).read_to_end(&mut self.buffer)?;
        apply_key(self.key, self.offset, &mut self.buffer);
        self.offset += filled as u64;
        if filled == want {
            self.next_len = Some(length(&self.buffer[len..])?);
        } else {
            anyhow::ensure!(filled == len, "the file ends within a block");
        }
        Ok(Some(&self.buffer[..len]))
    }

    /// Reads the next block into memory of its own; `None` after the last.
    pub(super) fn next_owned(&mut self) -> anyhow::Result<Option<Vec<u8>>> {
        // Otherwise it would be copied.
        self.buffer = Vec::new();
        let Some(len) = self.next_block()?.map(<[u8]>::len) else { return Ok(None) };
        let mut block = std::mem::take(&mut self.buffer);
        block.truncate(len);
        Ok(Some(block))
    }

    /// Reads the length of the first record of this file, or of the next when this one is at its end.
    fn first_len(&mut self) -> anyhow::Result<Option<usize>> {
        if self.offset > 0 {
            self.number += 1;
            self.offset = 0;
            match File::open(self.dir.join(file_name(self.number))) {
                Ok(file) => self.file = file,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        let mut head = [0; HEAD_LEN];
        self.file.read_exact(&mut head)?;
        apply_key(self.key, 0, &mut head);
        self.offset = HEAD_LEN as u64;
        length(&head).map(Some)
    }
}

/// Takes a record's length out of its head.
fn length(head: &[u8]) -> anyhow::Result<usize> {
    let (magic, len) = head.split_at(MAGIC.len());
    anyhow::ensure!(magic == MAGIC, "there is no block where one should begin");
    Ok(u32::from_le_bytes(len.try_into()?) as usize)
}
