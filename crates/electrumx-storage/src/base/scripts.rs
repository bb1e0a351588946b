//! Pages of the table `scripts`: outputs by script, packed.
//!
//! A page is keyed by its first entry (`HashX`, `TxNum`, `vout`) and holds entries in ascending order:
//!
//! ```text
//! page   = widths, entry…               widths: bytes of a HashX difference | bytes of a TxNum << 4
//! entry  = flags, [script], [vout], state
//! flags  : bit 7 = another script than the entry before; bit 6 = unspent; bits 0–5 = vout, 63 = a varint follows
//! script : HashX difference (big-endian), TxNum (big-endian)   of another script
//!          varint TxNum difference                             of the same script
//! state  : amount                                              unspent
//!          varint (spender − TxNum), or 0 and varint (TxNum − spender)   spent
//! ```
//!
//! Of the first entry only flag bit 6 and the state are stored; the rest is the key.

use electrumx_core::{HashX, OutputNum, OutputState, TxNum};

use super::amount::{push_amount, skip_amount, take_amount};
use crate::codec::{self, Key, push_varint, script_key, skip_varint, take, take_varint};
use crate::tables::QUARTER_PAGE;

const OTHER_SCRIPT: u8 = 0x80;
const UNSPENT: u8 = 0x40;
const VOUT: u8 = 0x3f;

/// An output in the list of its script.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ScriptEntry {
    pub(crate) hashx: HashX,
    pub(crate) output: OutputNum,
    pub(crate) state: OutputState,
}

impl ScriptEntry {
    /// What entries are ordered by.
    pub(crate) fn place(&self) -> (HashX, OutputNum) {
        (self.hashx, self.output)
    }
}

/// Widths of what is stored with a fixed number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Widths {
    /// Bytes of the difference of two neighbours among the scripts. Larger ones begin a page.
    hash: u8,
    /// Bytes of a transaction number.
    number: u8,
}

impl Widths {
    /// Chooses widths for so many outputs and transactions.
    ///
    /// With half as many scripts as outputs the difference of neighbours is on average 2^97 / outputs; 32
    /// times that is exceeded once in e^32.
    pub(crate) fn for_counts(outputs: u64, txs: u64) -> Self {
        let bits = 97 + 5 - u64::from(outputs.max(1).ilog2());
        let hash = u8::try_from(bits.div_ceil(8).min(HashX::LEN as u64)).unwrap_or(12);
        Self { hash, number: number_width(txs) }
    }

    fn byte(self) -> u8 {
        self.hash | self.number << 4
    }

    fn of_byte(byte: u8) -> Option<Self> {
        let widths = Self { hash: byte & 15, number: byte >> 4 };
        (matches!(widths.hash, 1..=12) && matches!(widths.number, 1..=5)).then_some(widths)
    }
}

/// Bytes that numbers below `count` need.
pub(crate) fn number_width(count: u64) -> u8 {
    let bits = u64::BITS - count.leading_zeros();
    u8::try_from(bits.div_ceil(8).clamp(1, 5)).unwrap_or(5)
}

/// A `HashX` as a number.
fn number(hashx: &HashX) -> u128 {
    let mut bytes = [0; 16];
    bytes[4..].copy_from_slice(hashx.as_bytes());
    u128::from_be_bytes(bytes)
}

fn hashx(number: u128) -> HashX {
    let [_, _, _, _, bytes @ ..] = number.to_be_bytes();
    HashX::from_bytes(bytes)
}

/// Packs entries into pages.
#[derive(Debug)]
pub(crate) struct PageWriter {
    widths: Widths,
    page: Vec<u8>,
    key: Key,
    hash: u128,
    output: OutputNum,
}

impl PageWriter {
    pub(crate) fn new(widths: Widths) -> Self {
        let output = OutputNum { tx_num: TxNum(0), vout: 0 };
        let page = Vec::with_capacity(QUARTER_PAGE + 64);
        Self { widths, page, key: codec::tx_key(0), hash: 0, output }
    }

    /// Adds an entry, which must be above the last one. Hands over the page that is full, if one is.
    #[inline]
    pub(crate) fn push(&mut self, entry: &ScriptEntry, full: impl FnOnce(&Key, &[u8])) {
        let hash = number(&entry.hashx);
        let before = self.page.len();
        let fits = before > 0 && self.encode(entry, hash) && self.page.len() <= QUARTER_PAGE;
        if !fits {
            if before > 0 {
                full(&self.key, &self.page[..before]);
            }
            self.begin(entry);
        }
        (self.hash, self.output) = (hash, entry.output);
    }

    /// Hands over what is left.
    pub(crate) fn finish(&mut self, full: impl FnOnce(&Key, &[u8])) {
        if !self.page.is_empty() {
            full(&self.key, &self.page);
            self.page.clear();
        }
    }

    fn begin(&mut self, entry: &ScriptEntry) {
        self.key = script_key(&entry.hashx, entry.output);
        self.page.clear();
        self.page.push(self.widths.byte());
        self.page.push(if is_unspent(entry) { UNSPENT } else { 0 });
        self.push_state(entry);
    }

    /// Appends an entry that is not the page's first; `false` if the widths do not allow for it.
    fn encode(&mut self, entry: &ScriptEntry, hash: u128) -> bool {
        let OutputNum { tx_num: TxNum(tx_num), vout } = entry.output;
        let other = hash != self.hash;
        let inline = u8::try_from(vout).ok().filter(|vout| *vout < VOUT);
        let flags = inline.unwrap_or(VOUT)
            | if other { OTHER_SCRIPT } else { 0 }
            | if is_unspent(entry) { UNSPENT } else { 0 };
        self.page.push(flags);
        if other {
            let difference = hash.wrapping_sub(self.hash);
            let widths = self.widths;
            if !push_fixed(&mut self.page, difference, widths.hash)
                || !push_fixed(&mut self.page, tx_num.into(), widths.number)
            {
                return false;
            }
        } else {
            push_varint(&mut self.page, tx_num.wrapping_sub(self.output.tx_num.0));
        }
        if inline.is_none() {
            push_varint(&mut self.page, vout.into());
        }
        self.push_state(entry);
        true
    }

    fn push_state(&mut self, entry: &ScriptEntry) {
        let tx_num = entry.output.tx_num.0;
        match entry.state {
            OutputState::Unspent(amount) => push_amount(&mut self.page, amount),
            OutputState::SpentBy(TxNum(spender)) => match spender.checked_sub(tx_num) {
                Some(difference @ 1..) => push_varint(&mut self.page, difference),
                // Spent by a transaction before it in its block (canonical order, on other chains).
                _ => {
                    self.page.push(0);
                    push_varint(&mut self.page, tx_num - spender);
                }
            },
        }
    }
}

fn is_unspent(entry: &ScriptEntry) -> bool {
    matches!(entry.state, OutputState::Unspent(_))
}

/// Appends a number in so many bytes, if it fits.
fn push_fixed(out: &mut Vec<u8>, number: u128, width: u8) -> bool {
    let len = out.len() + usize::from(width);
    let unused = 128 - 8 * u32::from(width);
    // All 16 bytes at once, whatever the width, is a single store.
    out.extend_from_slice(&(number << unused).to_be_bytes());
    out.truncate(len);
    number.leading_zeros() >= unused
}

#[inline]
fn take_fixed(bytes: &mut &[u8], width: u8) -> Option<u128> {
    if let Some(head) = bytes.first_chunk::<16>() {
        // All 16 bytes at once: a single load.
        *bytes = bytes.get(usize::from(width)..)?;
        return u128::from_be_bytes(*head).checked_shr(128 - 8 * u32::from(width));
    }
    let (head, rest) = bytes.split_at_checked(width.into())?;
    *bytes = rest;
    Some(head.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
}

/// Decodes a page, entry by entry.
#[derive(Clone, Debug)]
pub(crate) struct PageReader<'a> {
    widths: Widths,
    rest: &'a [u8],
    hash: u128,
    output: OutputNum,
    is_first: bool,
}

impl<'a> PageReader<'a> {
    /// Begins with a page; `None` if it is malformed.
    pub(crate) fn new(mut key: &[u8], page: &'a [u8]) -> Option<Self> {
        let hash = number(&HashX::from_bytes(*take(&mut key)?));
        let output = codec::output(key)?;
        let (widths, rest) = page.split_first()?;
        let widths = Widths::of_byte(*widths)?;
        Some(Self { widths, rest, hash, output, is_first: true })
    }

    /// Tells whether there are more entries.
    pub(crate) fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Passes over the entries of scripts below one and returns its first in this page, if there is one; `None` if something
    /// is malformed.
    pub(crate) fn seek(&mut self, hashx: &HashX) -> Option<Option<(OutputNum, OutputState)>> {
        let wanted = number(hashx);
        while let Some(&flags) = self.rest.first() {
            let hash = self.script_of_next(flags)?;
            if hash >= wanted {
                let found = self.next_output()?;
                return Some((hash == wanted).then_some(found));
            }
            self.skip(flags, hash)?;
        }
        Some(None)
    }

    /// Returns the script of the entry with these flags, which is next.
    fn script_of_next(&self, flags: u8) -> Option<u128> {
        if self.is_first || flags & OTHER_SCRIPT == 0 {
            return Some(self.hash);
        }
        let mut rest = self.rest.get(1..)?;
        self.hash.checked_add(take_fixed(&mut rest, self.widths.hash)?)
    }

    /// Passes over the next entry. The place of what follows is not known then, unless it is of another script.
    #[inline]
    fn skip(&mut self, flags: u8, hash: u128) -> Option<()> {
        let mut rest = self.rest.get(1..)?;
        if self.is_first {
            self.is_first = false;
        } else {
            if flags & OTHER_SCRIPT != 0 {
                rest = rest.get(usize::from(self.widths.hash + self.widths.number)..)?;
            } else {
                skip_varint(&mut rest)?;
            }
            if flags & VOUT == VOUT {
                skip_varint(&mut rest)?;
            }
        }
        if flags & UNSPENT != 0 {
            skip_amount(&mut rest)?;
        } else {
            let is_before = rest.first() == Some(&0);
            skip_varint(&mut rest)?;
            if is_before {
                skip_varint(&mut rest)?;
            }
        }
        self.rest = rest;
        self.hash = hash;
        Some(())
    }

    /// Decodes the next entry if it is of the same script as the last; `None` if it is malformed.
    #[inline]
    pub(crate) fn next_of_script(&mut self) -> Option<Option<(OutputNum, OutputState)>> {
        if self.rest.first().is_none_or(|flags| flags & OTHER_SCRIPT != 0) {
            return Some(None);
        }
        self.next_output().map(Some)
    }

    /// Decodes the next entry; `None` if it is malformed or there is none.
    pub(crate) fn next(&mut self) -> Option<ScriptEntry> {
        let (output, state) = self.next_output()?;
        Some(ScriptEntry { hashx: hashx(self.hash), output, state })
    }

    #[inline]
    fn next_output(&mut self) -> Option<(OutputNum, OutputState)> {
        let [flags] = *take(&mut self.rest)?;
        if self.is_first {
            self.is_first = false;
        } else {
            self.step(flags)?;
        }
        let tx_num = self.output.tx_num.0;
        let state = if flags & UNSPENT != 0 {
            OutputState::Unspent(take_amount(&mut self.rest)?)
        } else {
            OutputState::SpentBy(TxNum(match take_varint(&mut self.rest)? {
                0 => tx_num.checked_sub(take_varint(&mut self.rest)?)?,
                difference => tx_num.checked_add(difference)?,
            }))
        };
        Some((self.output, state))
    }

    #[inline]
    fn step(&mut self, flags: u8) -> Option<()> {
        if flags & OTHER_SCRIPT != 0 {
            self.hash = self.hash.checked_add(take_fixed(&mut self.rest, self.widths.hash)?)?;
            let tx_num = take_fixed(&mut self.rest, self.widths.number)?;
            self.output.tx_num = TxNum(u64::try_from(tx_num).ok()?);
        } else {
            let difference = take_varint(&mut self.rest)?;
            self.output.tx_num = TxNum(self.output.tx_num.0.checked_add(difference)?);
        }
        let vout = flags & VOUT;
        self.output.vout = if vout == VOUT {
            u32::try_from(take_varint(&mut self.rest)?).ok()?
        } else {
            vout.into()
        };
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn state() -> impl Strategy<Value = (bool, u64)> {
        (any::<bool>(), prop_oneof![0..2000_u64, any::<u64>()])
    }

    /// Scripts of two kinds: near to each other, and anywhere.
    fn script() -> impl Strategy<Value = u128> {
        prop_oneof![0..4_u128, Just((1 << 96) - 1), 0..1_u128 << 96]
    }

    proptest! {
            #[test]
            fn pages_hold_what_was_packed(
                rows in prop::collection::btree_map(
                    (script(), prop_oneof![0..300_u64, 0..1_u64 << 40], prop_oneof![0..70_u32, any::<u32>()]),
                    state(),
                    0..2000,
                ),
                outputs in 1..1_u64 << 40,
            ) {
                let entries: Vec<_> = rows.into_iter().map(|((hash, tx_num, vout), (spent, number))| {
                    let state = if spent {
                        OutputState::SpentBy(TxNum(number & ((1 << 40) - 1)))
                    } else {
                        OutputState::Unspent(number)
                    };
                    let output = OutputNum { tx_num: TxNum(tx_num), vout };
                    ScriptEntry { hashx: hashx(hash), output, state }
                }).collect();
                let mut pages: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
                let mut writer = PageWriter::new(Widths::for_counts(outputs, 1 << 40));
                for entry in &entries {
                    writer.push(entry, |key, page| {
                        assert!(pages.insert(key.to_vec(), page.to_vec()).is_none());
    });
                }
                writer.finish(|key, page| {
                    assert!(pages.insert(key.to_vec(), page.to_vec()).is_none());
    });
                let mut found = Vec::new();
                for (key, page) in &pages {
                    prop_assert!(page.len() <= QUARTER_PAGE);
                    let all = || PageReader::new(key, page).unwrap();
                    let (mut reader, mut in_page) = (all(), Vec::new());
                    while reader.has_more() {
                        in_page.push(reader.next().unwrap());
                    }
                    // Each script's first entry of a page is found, and none of a script that is not there.
                    for group in in_page.chunk_by(|one, two| one.hashx == two.hashx) {
                        let mut reader = all();
                        let first = reader.seek(&group[0].hashx).unwrap().unwrap();
                        let mut states = vec![first];
                        while let Some(next) = reader.next_of_script().unwrap() {
                            states.push(next);
                        }
                        let want: Vec<_> = group.iter().map(|entry| (entry.output, entry.state)).collect();
                        prop_assert_eq!(states, want);
                        let next_script = hashx(number(&group[0].hashx).wrapping_add(1) & ((1 << 96) - 1));
                        if in_page.iter().all(|entry| entry.hashx != next_script) {
                            prop_assert_eq!(all().seek(&next_script).unwrap(), None);
                        }
                    }
                    found.extend(in_page);
                }
                prop_assert_eq!(found, entries);
            }

            #[test]
            fn damaged_pages_end_in_none(bytes in prop::collection::vec(any::<u8>(), 0..100), key in prop::collection::vec(any::<u8>(), 0..24)) {
                if let Some(mut reader) = PageReader::new(&key, &bytes) {
                    let mut seeker = reader.clone();
                    while reader.has_more() && reader.next().is_some() {}
                    let _ = seeker.seek(&hashx((1 << 96) - 1));
                }
            }
        }
}
