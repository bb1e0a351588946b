//! Rows of the table `txid_buckets`: transaction numbers by the first bits of their ids.
//!
//! A bucket holds the transactions whose ids agree in so many first bits, about 80 of them:
//!
//! ```text
//! entry = the next eight bits of the id, TxNum (big-endian, as wide as the base's numbers need)
//! ```
//!
//! ascending. A match is only a candidate: its whole id is compared.

use electrumx_core::TxNum;
use electrumx_core::bitcoin::Txid;
use electrumx_core::bitcoin::hashes::Hash as _;

/// Transactions in a bucket, about.
const BUCKET: u64 = 80;

/// Most bits that choose a bucket; with the eight in the entries they are the [`prefix`].
const MAX_BITS: u8 = 24;

/// How ids are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Buckets {
    /// Bits of the id that choose the bucket.
    pub(crate) bits: u8,
    /// Bytes of a transaction number.
    pub(crate) width: u8,
    /// The bits of an id that are looked at: all, but for tests of collisions.
    mask: u32,
}

impl Buckets {
    /// Chooses the layout for so many transactions; `prefix_len` is the number of bytes of an id that
    /// are looked at.
    pub(crate) fn for_count(txs: u64, width: u8, prefix_len: usize) -> Self {
        let bits = u8::try_from((txs / BUCKET).max(1).ilog2()).unwrap_or(MAX_BITS).min(MAX_BITS);
        Self::new(bits, width, prefix_len)
    }

    pub(crate) fn new(bits: u8, width: u8, prefix_len: usize) -> Self {
        let hidden = u32::try_from(4_usize.saturating_sub(prefix_len) * 8).unwrap_or(0);
        Self { bits, width, mask: u32::MAX.checked_shl(hidden).unwrap_or(0) }
    }

    /// Returns the first 32 bits of an id.
    pub(crate) fn prefix(&self, txid: &Txid) -> u32 {
        self.prefix_of(txid.as_byte_array())
    }

    /// Returns the first 32 bits of an id as stored.
    pub(crate) fn prefix_of(&self, [a, b, c, d, ..]: &[u8; 32]) -> u32 {
        u32::from_be_bytes([*a, *b, *c, *d]) & self.mask
    }

    /// Returns the bucket of a prefix.
    pub(crate) fn bucket(&self, prefix: u32) -> u32 {
        prefix.checked_shr(32 - u32::from(self.bits)).unwrap_or(0)
    }

    /// Returns what an entry keeps of a prefix.
    fn fingerprint(&self, prefix: u32) -> u8 {
        let [fingerprint, ..] = (prefix << self.bits).to_be_bytes();
        fingerprint
    }

    /// Appends an entry to a bucket.
    pub(crate) fn push(&self, out: &mut Vec<u8>, prefix: u32, number: u64) {
        out.push(self.fingerprint(prefix));
        let bytes = number.to_be_bytes();
        out.extend_from_slice(&bytes[8 - usize::from(self.width)..]);
    }

    /// Returns the numbers in a bucket that may be the prefix's, the last first; `None` if the bucket is
    /// malformed.
    pub(crate) fn candidates<'a>(
        &self,
        bucket: &'a [u8],
        prefix: u32,
    ) -> Option<impl Iterator<Item = TxNum> + use<'a>> {
        let (fingerprint, len) = (self.fingerprint(prefix), usize::from(self.width) + 1);
        let entries = bucket.chunks_exact(len);
        let found = entries.clone().rev().filter(move |entry| entry[0] == fingerprint);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        entries.remainder().is_empty().then(|| found.map(move |entry| TxNum(number(&entry[1..]))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_by_their_prefix() {
        for bits in [0, 1, 7, 8, 13, 24] {
            for (width, prefix_len) in [(3, 8), (5, 4), (5, 1)] {
                let buckets = Buckets::new(bits, width, prefix_len);
                let txid = Txid::from_byte_array([0x5a; 32]);
                let prefix = buckets.prefix(&txid);
                let mut row = Vec::new();
                buckets.push(&mut row, prefix, 7);
                buckets.push(&mut row, prefix, 0xab_cdef);
                buckets.push(&mut row, prefix ^ (0x80 << (24 - bits)), 9);
                let found: Vec<_> = buckets.candidates(&row, prefix).unwrap().collect();
                assert_eq!(found, [TxNum(0xab_cdef), TxNum(7)], "{bits} {width}");
                assert!(buckets.candidates(&row[1..], prefix).is_none());
                assert!(buckets.bucket(prefix) < 1 << bits);
            }
        }
    }

    #[test]
    fn buckets_hold_about_eighty() {
        assert_eq!(Buckets::for_count(0, 1, 8).bits, 0);
        assert_eq!(Buckets::for_count(1 << 20, 3, 8).bits, 13);
        assert_eq!(Buckets::for_count(1 << 40, 5, 8).bits, 24);
    }
}
