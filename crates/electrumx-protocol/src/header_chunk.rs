//! Headers written down in chunks, kept for those that are asked for: wallets that catch up all ask for the same.
//!
//! # Correctness
//!
//! A chunk is found by its last block's hash, which commits to all of its headers: whatever happens to the chain, it
//! stays right. One that the chain has not filled yet is not kept.

use std::ops::Range;
use std::sync::Arc;

use electrumx_core::bitcoin::BlockHash;
use electrumx_core::{ChainView, Height, StoreError};
use parking_lot::Mutex;

use crate::generations::Generations;
use crate::json;
use crate::stats::CacheStats;

/// Headers of a chunk: as many as wallets ask for at once.
const CHUNK: Height = 2016;
/// Fewer are read alone when their chunk is not kept.
const FEW: Height = CHUNK / 4;
/// Digits of a header; ones of other chains may have more.
const DIGITS: usize = 160;

/// Consecutive headers in hex.
#[derive(Default, Debug)]
struct HeaderChunk {
    digits: Vec<u8>,
    /// Where the digits of each header end.
    ends: Vec<usize>,
}

impl HeaderChunk {
    /// Reads headers of blocks that exist.
    fn read(view: &dyn ChainView, heights: Range<Height>) -> Result<Self, StoreError> {
        let count = heights.len();
        let (mut raw, mut lengths) =
            (Vec::with_capacity(count * DIGITS / 2), Vec::with_capacity(count));
        view.headers(heights.start, heights.end - heights.start, &mut raw, &mut lengths)?;
        let mut digits = Vec::with_capacity(raw.len() * 2);
        json::hex_digits(&mut digits, &raw);
        let ends = lengths.iter().scan(0, |end, length| {
            *end += *length as usize * 2;
            Some(*end)
        });
        Ok(Self { digits, ends: ends.collect() })
    }

    /// Appends some headers, counted from the chunk's first, with `between` each two.
    fn write(&self, headers: Range<usize>, between: &str, out: &mut Vec<u8>) {
        let ends = self.ends.get(headers.clone()).unwrap_or_default();
        let mut start = headers.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        if between.is_empty() {
            out.extend_from_slice(&self.digits[start..ends.last().copied().unwrap_or(start)]);
            return;
        }
        for (number, &end) in ends.iter().enumerate() {
            if number > 0 {
                out.extend_from_slice(between.as_bytes());
            }
            out.extend_from_slice(&self.digits[start..end]);
            start = end;
        }
    }

    fn bytes(&self) -> usize {
        self.digits.capacity() + self.ends.capacity() * size_of::<usize>() + size_of::<Self>()
    }
}

/// Full chunks by the hashes of their last blocks.
#[derive(Debug)]
pub(crate) struct HeaderChunks(Mutex<Generations<BlockHash, Arc<HeaderChunk>>>);

impl HeaderChunks {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self(Mutex::new(Generations::new(max_bytes)))
    }

    /// Appends headers of blocks that exist, in hex, with `between` each two.
    pub(crate) fn write(
        &self,
        view: &dyn ChainView,
        heights: Range<Height>,
        between: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let mut next = heights.start;
        while next < heights.end {
            if next > heights.start {
                out.extend_from_slice(between.as_bytes());
            }
            let first = next - next % CHUNK;
            let stop = heights.end.min(first.saturating_add(CHUNK));
            match self.full(view, first, stop - next < FEW)? {
                Some(chunk) => {
                    chunk.write((next - first) as usize..(stop - first) as usize, between, out);
                }
                None => {
                    let some = HeaderChunk::read(view, next..stop)?;
                    some.write(0..some.ends.len(), between, out);
                }
            }
            next = stop;
        }
        Ok(())
    }

    /// Returns the chunk that begins at a height, if the chain has all of it. With `only_kept` it is not read.
    fn full(
        &self,
        view: &dyn ChainView,
        first: Height,
        only_kept: bool,
    ) -> Result<Option<Arc<HeaderChunk>>, StoreError> {
        let Some(end) = first.checked_add(CHUNK) else { return Ok(None) };
        let Some(hash) = view.block_hash(end - 1)? else { return Ok(None) };
        if let Some(chunk) = self.0.lock().get(&hash) {
            return Ok(Some(Arc::clone(chunk)));
        }
        if only_kept {
            return Ok(None);
        }
        // Two that miss at once both read: no one waits for another's read.
        let chunk = Arc::new(HeaderChunk::read(view, first..end)?);
        self.0.lock().insert(hash, Arc::clone(&chunk), chunk.bytes());
        Ok(Some(chunk))
    }

    pub(crate) fn stats(&self) -> CacheStats {
        self.0.lock().stats("headers")
    }
}
