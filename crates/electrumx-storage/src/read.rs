//! Queries that views and the undo share.

use std::ops::Range;

use electrumx_core::bitcoin::hashes::Hash as _;
use electrumx_core::bitcoin::{BlockHash, Txid};
use electrumx_core::{Height, OutputNum, OutputRow, StoreError, TxNum};
use heed::{AnyTls, RoTxn};

use crate::codec::{self, Key, tx_key, u32_key};
use crate::fixed_rows::place;
use crate::tables::{TXIDS_A_ROW, Tables};

type Txn<'a> = RoTxn<'a, AnyTls>;

/// Reads the hash of a block that must exist.
pub(crate) fn block_hash(
    txn: &Txn<'_>,
    tables: &Tables,
    height: Height,
) -> Result<BlockHash, StoreError> {
    let bytes = tables.blocks.require(txn, &u32_key(height))?;
    BlockHash::from_slice(bytes).map_err(|_| tables.blocks.corrupt(format!("hash of {height}")))
}

/// Reads the ids of transactions that must exist.
pub(crate) fn txids(
    txn: &Txn<'_>,
    tables: &Tables,
    numbers: Range<u64>,
) -> Result<Vec<Txid>, StoreError> {
    let table = tables.txids;
    let count = usize::try_from(numbers.end.saturating_sub(numbers.start)).unwrap_or(0);
    let mut found = Vec::with_capacity(count);
    while found.len() < count {
        let (row, start) = place(table, TXIDS_A_ROW, numbers.start + found.len() as u64)?;
        let (ids, _) = table.require(txn, &u32_key(row))?.as_chunks::<32>();
        let end = ids.len().min(start + count - found.len());
        let ids = ids.get(start..end).filter(|ids| !ids.is_empty());
        let ids = ids.ok_or_else(|| table.corrupt(format!("row {row} is short")))?;
        found.extend(ids.iter().map(|id| Txid::from_byte_array(*id)));
    }
    Ok(found)
}

/// Reads the ids of transactions that must exist; a row that serves several in a row is sought once.
pub(crate) fn txids_of(
    txn: &Txn<'_>,
    tables: &Tables,
    numbers: &[TxNum],
) -> Result<Vec<Txid>, StoreError> {
    let table = tables.txids;
    let mut found = Vec::with_capacity(numbers.len());
    let mut current: (u32, &[[u8; 32]]) = (u32::MAX, &[]);
    for number in numbers {
        let (row, place) = place(table, TXIDS_A_ROW, number.0)?;
        if current.0 != row {
            current = (row, table.require(txn, &u32_key(row))?.as_chunks().0);
        }
        let id =
            current.1.get(place).ok_or_else(|| table.corrupt(format!("row {row} is short")))?;
        found.push(Txid::from_byte_array(*id));
    }
    Ok(found)
}

/// Reads the id of a transaction that must exist.
pub(crate) fn txid(txn: &Txn<'_>, tables: &Tables, number: u64) -> Result<Txid, StoreError> {
    let table = tables.txids;
    let (row, place) = place(table, TXIDS_A_ROW, number)?;
    let (ids, _) = table.require(txn, &u32_key(row))?.as_chunks::<32>();
    let id = ids.get(place).ok_or_else(|| table.corrupt(format!("row {row} is short")))?;
    Ok(Txid::from_byte_array(*id))
}

/// Reads the outputs of consecutive transactions.
pub(crate) fn outputs(
    txn: &Txn<'_>,
    tables: &Tables,
    numbers: Range<u64>,
) -> Result<Vec<(OutputNum, OutputRow)>, StoreError> {
    let table = tables.outputs;
    let corrupt = |key| move || table.corrupt(format!("row {key:02x?}"));
    let mut found = Vec::new();
    for row in table.range(txn, &tx_key(numbers.start), &tx_key(numbers.end))? {
        let (key, value) = row?;
        let output = codec::output(key).ok_or_else(corrupt(key))?;
        found.push((output, codec::output_row(value).ok_or_else(corrupt(key))?));
    }
    Ok(found)
}

/// Reads rows of `inputs` from one key to another.
pub(crate) fn inputs(
    txn: &Txn<'_>,
    tables: &Tables,
    start: Key,
    end: Key,
) -> Result<Vec<OutputNum>, StoreError> {
    let table = tables.inputs;
    let mut found = Vec::new();
    for row in table.range(txn, &start, &end)? {
        let (key, mut value) = row?;
        while !value.is_empty() {
            let output = codec::take_output(&mut value);
            found.push(output.ok_or_else(|| table.corrupt(format!("row {key:02x?}")))?);
        }
    }
    Ok(found)
}
