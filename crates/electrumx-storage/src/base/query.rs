//! Reading a base.

use electrumx_core::bitcoin::Txid;
use electrumx_core::{HashX, OutputNum, OutputRow, OutputState, StoreError, TxNum};
use heed::types::Bytes;
use heed::{AnyTls, RoIter, RoTxn};

use super::Base;
use super::scripts::{PageReader, ScriptEntry};
use super::utxos::UtxoReader;
use crate::chain_rows::TxidReader;
use crate::codec::{Key, output_key, script_key, u32_key};
use crate::failure::backend;
use crate::tables::{Origin, Row, Table};

type Txn<'a> = RoTxn<'a, AnyTls>;

impl Base {
    /// Finds a transaction by id, the last one with it.
    pub(crate) fn tx_num(&self, txn: &Txn<'_>, txid: &Txid) -> Result<Option<TxNum>, StoreError> {
        let table = self.tables.txid_buckets;
        let prefix = self.buckets.prefix(txid);
        let bucket = self.buckets.bucket(prefix);
        let Some(row) = table.get(txn, &u32_key(bucket))? else { return Ok(None) };
        let corrupt = || table.corrupt(format!("bucket {bucket}"));
        let mut txids = TxidReader::new(&self.tables.chain, Origin::default());
        for number in self.buckets.candidates(row, prefix).ok_or_else(corrupt)? {
            if number.0 >= self.chain.tx_count() {
                return Err(corrupt());
            }
            if txids.get(txn, number.0)? == *txid {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Returns an output that is unspent in the base.
    pub(crate) fn utxo(
        &self,
        txn: &Txn<'_>,
        output: OutputNum,
    ) -> Result<Option<OutputRow>, StoreError> {
        let table = self.tables.utxos;
        let Some((key, page)) = table.floor(txn, &output_key(output))? else { return Ok(None) };
        let corrupt = || table.corrupt(format!("page {key:02x?}"));
        let mut reader = UtxoReader::new(key, page).ok_or_else(corrupt)?;
        while reader.has_more() {
            let (found, row) = reader.next().ok_or_else(corrupt)?;
            if found >= output {
                return Ok((found == output).then_some(row));
            }
        }
        Ok(None)
    }

    /// Visits the outputs that pay to a script, ascending, as the base knows them.
    pub(crate) fn each_script_output(
        &self,
        txn: &Txn<'_>,
        hashx: &HashX,
        mut visit: impl FnMut(OutputNum, OutputState) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let table = self.tables.scripts;
        let start = script_key(hashx, OutputNum { tx_num: TxNum(0), vout: 0 });
        let end = script_key(hashx, OutputNum { tx_num: TxNum(self.chain.tx_count()), vout: 0 });
        for page in pages(table, txn, &start, &end)? {
            let (key, page) = page?;
            let corrupt = || table.corrupt(format!("page {key:02x?}"));
            let mut reader = PageReader::new(key, page).ok_or_else(corrupt)?;
            let mut next = reader.seek(hashx).ok_or_else(corrupt)?;
            while let Some((output, state)) = next {
                visit(output, state)?;
                next = reader.next_of_script().ok_or_else(corrupt)?;
            }
            if reader.has_more() {
                // Another script follows.
                break;
            }
        }
        Ok(())
    }

    /// Returns what the base knows of an output, if it pays to this script.
    pub(crate) fn output_state(
        &self,
        txn: &Txn<'_>,
        hashx: &HashX,
        output: OutputNum,
    ) -> Result<Option<OutputState>, StoreError> {
        let table = self.tables.scripts;
        let floor = table.floor(txn, &script_key(hashx, output))?;
        let Some((key, page)) = floor else { return Ok(None) };
        let corrupt = || table.corrupt(format!("page {key:02x?}"));
        let mut reader = PageReader::new(key, page).ok_or_else(corrupt)?;
        while reader.has_more() {
            let entry = reader.next().ok_or_else(corrupt)?;
            let order = (entry.hashx, entry.output).cmp(&(*hashx, output));
            if order.is_ge() {
                return Ok(order.is_eq().then_some(entry.state));
            }
        }
        Ok(None)
    }

    /// Visits the outputs that are unspent in the base, from one number to before another.
    pub(crate) fn utxos(
        &self,
        txn: &Txn<'_>,
        from: TxNum,
        to: TxNum,
        mut visit: impl FnMut(OutputNum, OutputRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let table = self.tables.utxos;
        let start = output_key(OutputNum { tx_num: from, vout: 0 });
        let end = output_key(OutputNum { tx_num: to, vout: 0 });
        for page in pages(table, txn, &start, &end)? {
            let (key, page) = page?;
            let corrupt = || table.corrupt(format!("page {key:02x?}"));
            let mut reader = UtxoReader::new(key, page).ok_or_else(corrupt)?;
            while reader.has_more() {
                let (output, row) = reader.next().ok_or_else(corrupt)?;
                if output.tx_num >= to {
                    return Ok(());
                }
                if output.tx_num >= from {
                    visit(output, row)?;
                }
            }
        }
        Ok(())
    }
}

/// Iterates over the pages that may hold entries from a key on, up to those that begin at another.
fn pages<'txn>(
    table: Table,
    txn: &'txn Txn<'_>,
    start: &Key,
    end: &[u8],
) -> Result<impl Iterator<Item = Result<Row<'txn>, StoreError>> + use<'txn>, StoreError> {
    let floor = table.floor(txn, start)?;
    // Mostly the first page is all that is wanted: a cursor for the others costs as much as reading it.
    let behind = [&**start, &[0]].concat();
    let end = end.to_vec();
    let others = std::iter::once_with(move || table.range(txn, &behind, &end)).flat_map(|rows| {
        let (rows, failed) = match rows {
            Ok(rows) => (Some(rows), None),
            Err(error) => (None, Some(Err(error))),
        };
        rows.into_iter().flatten().chain(failed)
    });
    Ok(floor.map(Ok).into_iter().chain(others))
}

/// Walks all entries of `scripts`.
pub(crate) struct ScriptCursor<'txn> {
    table: Table,
    pages: RoIter<'txn, Bytes, Bytes>,
    page: Option<(&'txn [u8], PageReader<'txn>)>,
}

impl<'txn> ScriptCursor<'txn> {
    pub(crate) fn new(base: &Base, txn: &'txn Txn<'_>) -> Result<Self, StoreError> {
        let table = base.tables.scripts;
        Ok(Self { table, pages: table.iter(txn)?, page: None })
    }

    /// Returns the next entry.
    pub(crate) fn next(&mut self) -> Result<Option<ScriptEntry>, StoreError> {
        loop {
            if let Some((key, reader)) = &mut self.page
                && reader.has_more()
            {
                let corrupt = || self.table.corrupt(format!("page {key:02x?}"));
                return reader.next().map(Some).ok_or_else(corrupt);
            }
            let Some(page) = self.pages.next() else { return Ok(None) };
            let (key, page) = page.map_err(backend("read the base"))?;
            let corrupt = || self.table.corrupt(format!("page {key:02x?}"));
            self.page = Some((key, PageReader::new(key, page).ok_or_else(corrupt)?));
        }
    }
}
