//! A generated chain as a source of blocks.

use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::consensus::deserialize_partial;
use electrumx_core::{BlockId, BlockSource, Height, RawBlock, SourceError, SourceTip};

use super::{BlockDir, BlockReader};

/// Hands out a folder's blocks; each is read when it is asked for.
#[derive(Debug)]
pub struct DirSource<'d> {
    dir: &'d BlockDir,
    hashes: Vec<BlockHash>,
    reader: BlockReader,
    /// Height of what the reader comes to next.
    at: Height,
    /// What is handed out next, and last.
    next: Height,
    last: Height,
}

impl<'d> DirSource<'d> {
    pub(super) fn new(dir: &'d BlockDir) -> anyhow::Result<Self> {
        let mut reader = dir.blocks()?;
        let mut hashes = Vec::new();
        while let Some(block) = reader.next_block()? {
            let (header, _): (Header, _) = deserialize_partial(block)?;
            hashes.push(header.block_hash());
        }
        Ok(Self { dir, hashes, reader: dir.blocks()?, at: 0, next: 0, last: 0 })
    }

    fn read(&mut self, height: Height) -> anyhow::Result<Option<RawBlock>> {
        if self.at > height {
            (self.reader, self.at) = (self.dir.blocks()?, 0);
        }
        loop {
            let Some(bytes) = self.reader.next_owned()? else { return Ok(None) };
            self.at += 1;
            if self.at > height {
                return Ok(Some(RawBlock { height, bytes }));
            }
        }
    }
}

impl BlockSource for DirSource<'_> {
    fn tip(&mut self) -> Result<SourceTip, SourceError> {
        let last = self.hashes.last().copied().zip(u32::try_from(self.hashes.len()).ok());
        let (hash, count) =
            last.ok_or_else(|| SourceError::Fatal("the folder holds no blocks".into()))?;
        Ok(SourceTip { id: BlockId { height: count - 1, hash }, syncing: false })
    }

    fn block_hash(&mut self, height: Height) -> Result<Option<BlockHash>, SourceError> {
        Ok(self.hashes.get(height as usize).copied())
    }

    fn start(&mut self, from: Height, to: Height) {
        (self.next, self.last) = (from, to);
    }

    fn next_block(&mut self) -> Result<Option<RawBlock>, SourceError> {
        let height = self.next;
        if height > self.last {
            return Ok(None);
        }
        self.next += 1;
        self.read(height).map_err(|error| SourceError::Unavailable {
            what: format!("block {height}"),
            source: Some(error.into()),
        })
    }
}
