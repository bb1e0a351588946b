//! Pages of the table `utxos`: unspent outputs by number, packed.
//!
//! A page is keyed by its first entry (`TxNum`, `vout`) and holds entries in ascending order:
//!
//! ```text
//! entry = varint TxNum difference, varint vout, HashX, amount
//! ```
//!
//! Of the first entry only `HashX` and amount are stored; the rest is the key.

use electrumx_core::{HashX, OutputNum, OutputRow, TxNum};

use super::amount::{push_amount, take_amount};
use crate::codec::{self, Key, output_key, push_varint, take, take_varint};
use crate::tables::QUARTER_PAGE;

/// Packs outputs into pages.
#[derive(Debug)]
pub(crate) struct UtxoWriter {
    page: Vec<u8>,
    key: Key,
    last: u64,
}

impl UtxoWriter {
    pub(crate) fn new() -> Self {
        Self { page: Vec::with_capacity(QUARTER_PAGE + 64), key: codec::tx_key(0), last: 0 }
    }

    /// Adds an output, which must be above the last one. Hands over the page that is full, if one is.
    pub(crate) fn push(
        &mut self,
        output: OutputNum,
        row: &OutputRow,
        full: impl FnOnce(&Key, &[u8]),
    ) {
        let before = self.page.len();
        if before > 0 {
            push_varint(&mut self.page, output.tx_num.0.wrapping_sub(self.last));
            push_varint(&mut self.page, output.vout.into());
            self.push_row(row);
        }
        if before == 0 || self.page.len() > QUARTER_PAGE {
            if before > 0 {
                full(&self.key, &self.page[..before]);
            }
            self.page.clear();
            self.key = output_key(output);
            self.push_row(row);
        }
        self.last = output.tx_num.0;
    }

    /// Hands over what is left.
    pub(crate) fn finish(&mut self, full: impl FnOnce(&Key, &[u8])) {
        if !self.page.is_empty() {
            full(&self.key, &self.page);
            self.page.clear();
        }
    }

    fn push_row(&mut self, row: &OutputRow) {
        self.page.extend_from_slice(row.hashx.as_bytes());
        push_amount(&mut self.page, row.value);
    }
}

/// Decodes a page, output by output.
#[derive(Clone, Debug)]
pub(crate) struct UtxoReader<'a> {
    rest: &'a [u8],
    output: OutputNum,
    is_first: bool,
}

impl<'a> UtxoReader<'a> {
    /// Begins with a page; `None` if its key is malformed.
    pub(crate) fn new(key: &[u8], page: &'a [u8]) -> Option<Self> {
        Some(Self { rest: page, output: codec::output(key)?, is_first: true })
    }

    /// Tells whether there are more outputs.
    pub(crate) fn has_more(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Decodes the next output; `None` if it is malformed or there is none.
    pub(crate) fn next(&mut self) -> Option<(OutputNum, OutputRow)> {
        if self.is_first {
            self.is_first = false;
        } else {
            let tx_num = self.output.tx_num.0.checked_add(take_varint(&mut self.rest)?)?;
            let vout = u32::try_from(take_varint(&mut self.rest)?).ok()?;
            self.output = OutputNum { tx_num: TxNum(tx_num), vout };
        }
        let hashx = HashX::from_bytes(*take(&mut self.rest)?);
        let value = take_amount(&mut self.rest)?;
        Some((self.output, OutputRow { hashx, value }))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
            #[test]
            fn pages_hold_what_was_packed(
                rows in prop::collection::btree_map(
                    (prop_oneof![0..300_u64, 0..1_u64 << 40], any::<u32>()),
                    (any::<[u8; 12]>(), any::<u64>()),
                    0..500,
                ),
            ) {
                let rows: Vec<_> = rows.into_iter().map(|((tx_num, vout), (hashx, value))| (
                    OutputNum { tx_num: TxNum(tx_num), vout },
                    OutputRow { hashx: HashX::from_bytes(hashx), value },
                )).collect();
                let mut pages: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
                let mut writer = UtxoWriter::new();
                for (output, row) in &rows {
                    writer.push(*output, row, |key, page| {
                        assert!(pages.insert(key.to_vec(), page.to_vec()).is_none());
    });
                }
                writer.finish(|key, page| {
                    assert!(pages.insert(key.to_vec(), page.to_vec()).is_none());
    });
                let mut found = Vec::new();
                for (key, page) in &pages {
                    prop_assert!(page.len() <= QUARTER_PAGE);
                    let mut reader = UtxoReader::new(key, page).unwrap();
                    while reader.has_more() {
                        found.push(reader.next().unwrap());
                    }
                }
                prop_assert_eq!(found, rows);
            }

            #[test]
            fn damaged_pages_end_in_none(bytes in prop::collection::vec(any::<u8>(), 0..100), key in prop::collection::vec(any::<u8>(), 0..12)) {
                if let Some(mut reader) = UtxoReader::new(&key, &bytes) {
                    while reader.has_more() && reader.next().is_some() {}
                }
            }
        }
}
