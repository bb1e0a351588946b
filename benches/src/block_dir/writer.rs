//! Blocks into files.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{MAGIC, MAX_FILE_BYTES, apply_key, file_name};

/// Appends blocks to files of the node's size.
#[derive(Debug)]
pub(super) struct BlockWriter {
    dir: PathBuf,
    key: [u8; 8],
    file: Option<File>,
    /// Length of the current file.
    len: u64,
    /// Files begun.
    files: u32,
    record: Vec<u8>,
}

impl BlockWriter {
    pub(super) fn new(dir: &Path, key: [u8; 8]) -> Self {
        Self { dir: dir.to_owned(), key, file: None, len: 0, files: 0, record: Vec::new() }
    }

    pub(super) fn write(&mut self, block: &[u8]) -> anyhow::Result<()> {
        self.record.clear();
        self.record.extend(MAGIC);
        self.record.extend(u32::try_from(block.len())?.to_le_bytes());
        self.record.extend_from_slice(block);
        if self.len + self.record.len() as u64 > MAX_FILE_BYTES {
            self.finish()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = File::create_new(self.dir.join(file_name(self.files)))?;
                self.files += 1;
                none.insert(file)
            }
        };
        apply_key(self.key, self.len, &mut self.record);
        file.write_all(&self.record)?;
        self.len += self.record.len() as u64;
        Ok(())
    }

    /// Ends the current file.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.len = 0;
        if let Some(file) = self.file.take() {
            file.sync_all()?;
        }
        Ok(())
    }
}
