//! Walking through the records of a file.
//!
//! A record is the network's magic, the block's length (32 bits, little endian) and the block. Between records there
//! may be anything: what a crash left, or zeros where the node has reserved room.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use electrumx_core::coin::Coin;
use memchr::memmem::Finder;

use super::cabinet::read_exact_at;
use super::index::{Place, Record};
use super::xor::XorKey;

/// Magic and length.
const PREFIX: usize = 8;

/// Bytes searched through at once.
const CHUNK: usize = 1 << 18;

/// How far a file has been walked through.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Walked {
    /// Where the next record is to begin.
    pub(super) next: u64,
    /// The file's length at that time.
    pub(super) length: u64,
    /// What was there instead of a record, as it is in the file.
    waiting: Vec<u8>,
    /// Where the last record begins, and with what.
    last: (u64, Vec<u8>),
}

/// Knows what records look like.
pub(super) struct Walker<'a, C> {
    pub(super) coin: &'a C,
    pub(super) key: XorKey,
    pub(super) stop: &'a AtomicBool,
}

impl<C: Coin> Walker<'_, C> {
    /// Goes on where `walked` ends, and hands out the blocks on the way. Only their headers are read.
    ///
    /// A record that is not whole yet will be there the next time. If the last one is another one than before, the node went back and
    /// wrote over its file: it is walked through from its beginning then, and `true` is returned.
    pub(super) fn walk(
        &self,
        file: &File,
        number: u32,
        walked: &mut Walked,
        mut found: impl FnMut(Record),
    ) -> io::Result<bool> {
        let length = file.metadata()?.len();
        let anew = walked.next > 0 && self.head(file, walked.last.0, length)? != walked.last.1;
        if anew {
            *walked = Walked::default();
        }
        let mut at = walked.next;
        let mut head = self.head(file, at, length)?;
        if length == walked.length && head == walked.waiting {
            return Ok(anew);
        }
        loop {
            if self.stop.load(Ordering::Relaxed) {
                // What was found before counts; there is more.
                walked.length = 0;
                return Ok(anew);
            }
            let bytes = self.head(file, at, length)?;
            if let Some(record) = self.record(number, at, bytes.clone(), length) {
                let end = record.place.offset + u64::from(record.place.size);
                if let Some(inner) = self.buried(file, number, at + 1, end, length)? {
                    at = inner;
                    continue;
                }
                walked.last = (at, bytes);
                at = end;
                walked.next = at;
                found(record);
                head.clear();
                continue;
            }
            if at == walked.next {
                head = bytes;
            }
            match self.search(file, at + 1, length)? {
                Some(next) => at = next,
                None => break,
            }
        }
        walked.length = length;
        walked.waiting = head;
        Ok(anew)
    }

    /// Returns where a record begins within the one that lies between `from` and `end`, if that one is not to be believed: neither
    /// another record, nor reserved room, nor the file's end follows. The beginning of a record that was never finished takes
    /// the next ones for its block, if what it makes of their bytes passes for a header.
    fn buried(
        &self,
        file: &File,
        number: u32,
        mut from: u64,
        end: u64,
        length: u64,
    ) -> io::Result<Option<u64>> {
        let mut follows = [0; 4];
        let there = usize::try_from(length - end).unwrap_or(usize::MAX).min(follows.len());
        read_exact_at(file, &mut follows[..there], end)?;
        let is_reserved = follows == [0; 4];
        self.key.apply(end, &mut follows);
        if there < follows.len() || is_reserved || follows == self.coin.chain().magic {
            return Ok(None);
        }
        while let Some(at) = self.search(file, from, end)? {
            if self.record(number, at, self.head(file, at, length)?, length).is_some() {
                return Ok(Some(at));
            }
            from = at + 1;
        }
        Ok(None)
    }

    /// Reads what a record at `at` would begin with, as it is in the file; less at its end.
    fn head(&self, file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
        let wanted = PREFIX + self.coin.link_len();
        let there = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut head = vec![0; wanted.min(there)];
        read_exact_at(file, &mut head, at)?;
        Ok(head)
    }

    /// Returns the record that begins at `at` with `head`, if there is one and the file has room for all of it.
    fn record(&self, number: u32, at: u64, mut head: Vec<u8>, length: u64) -> Option<Record> {
        self.key.apply(at, &mut head);
        let (prefix, start) = head.split_first_chunk::<PREFIX>()?;
        let [a, b, c, d, size @ ..] = *prefix;
        let size = u32::from_le_bytes(size);
        let offset = at + PREFIX as u64;
        let is_whole = offset.checked_add(size.into()).is_some_and(|end| end <= length);
        let has_header = usize::try_from(size).is_ok_and(|size| size > self.coin.link_len());
        if [a, b, c, d] != self.coin.chain().magic || !is_whole || !has_header {
            return None;
        }
        let link = self.coin.chain_link(start)?;
        Some(Record {
            hash: link.hash,
            prev_hash: link.prev_hash,
            target: link.target,
            place: Place { file: number, size, offset },
        })
    }

    /// Returns where the next magic is, at `from` or behind it.
    fn search(&self, file: &File, mut from: u64, length: u64) -> io::Result<Option<u64>> {
        let magic = self.coin.chain().magic;
        let finder = Finder::new(&magic);
        let mut chunk = Vec::new();
        while from + PREFIX as u64 <= length && !self.stop.load(Ordering::Relaxed) {
            let there = usize::try_from(length - from).unwrap_or(usize::MAX);
            chunk.resize(CHUNK.min(there), 0);
            read_exact_at(file, &mut chunk, from)?;
            self.key.apply(from, &mut chunk);
            if let Some(at) = finder.find(&chunk) {
                return Ok(Some(from + at as u64));
            }
            // One may lie across two chunks.
            from += (chunk.len() - (magic.len() - 1)) as u64;
        }
        Ok(None)
    }
}
