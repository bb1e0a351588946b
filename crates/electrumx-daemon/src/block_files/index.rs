//! Where the blocks are.

use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, CompactTarget};
use hashbrown::HashTable;

/// A block and where it is: 88 bytes, and some 8 more in the table, whatever the block's size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) hash: BlockHash,
    pub(super) prev_hash: BlockHash,
    pub(super) target: CompactTarget,
    pub(super) place: Place,
}

/// A block's place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    /// Number of the file; [`Place::NOWHERE`] when the block is in none any more.
    pub(super) file: u32,
    /// Length of the block.
    pub(super) size: u32,
    /// Offset of its first byte.
    pub(super) offset: u64,
}

impl Place {
    const NOWHERE: Self = Self { file: u32::MAX, size: 0, offset: 0 };
}

/// All blocks seen. Numbers of blocks stay as they are: a block that vanished keeps its own.
#[derive(Default, Debug)]
pub(super) struct Index {
    records: Vec<Record>,
    by_hash: HashTable<u32>,
}

impl Index {
    /// Adds a block, or another copy of one. The later copy counts: a node writes a block again when the first was not whole.
    pub(super) fn insert(&mut self, record: Record) {
        if let Some(number) = self.number(&record.hash) {
            let place = &mut self.records[number as usize].place;
            let at = |place: &Place| (place.file, place.offset);
            if *place == Place::NOWHERE || at(place) < at(&record.place) {
                *place = record.place;
            }
            return;
        }
        // Four billion blocks are beyond any chain; more are not looked at.
        let Ok(number) = u32::try_from(self.records.len()) else { return };
        if self.records.len() == self.records.capacity() {
            self.records.reserve_exact((self.records.len() / 8).max(1024));
        }
        self.records.push(record);
        let records = &self.records;
        self.by_hash.insert_unique(key(&record.hash), number, |&n| key(&records[n as usize].hash));
    }

    /// Forgets where the blocks of a file are.
    pub(super) fn forget_file(&mut self, file: u32) {
        for record in self.records.iter_mut().filter(|record| record.place.file == file) {
            record.place = Place::NOWHERE;
        }
    }

    /// Returns a block's number in the order of insertion.
    pub(super) fn number(&self, hash: &BlockHash) -> Option<u32> {
        self.by_hash.find(key(hash), |&n| self.records[n as usize].hash == *hash).copied()
    }

    /// Returns a block by its number.
    pub(super) fn get(&self, number: u32) -> Option<&Record> {
        self.records.get(number as usize)
    }

    /// Returns a block that is in a file.
    pub(super) fn find(&self, hash: &BlockHash) -> Option<&Record> {
        let record = self.get(self.number(hash)?)?;
        (record.place != Place::NOWHERE).then_some(record)
    }

    /// Returns how many blocks were seen.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }
}

/// The first bytes of a hash are as good as random (the last ones are the proof of work).
fn key(hash: &BlockHash) -> u64 {
    hash.as_byte_array().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
